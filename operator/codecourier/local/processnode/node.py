"""All parts of the process node together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import orjson
from aiohttp import web

from codecourier.local.processnode import image, orphans
from codecourier.local.processnode.agent import Agent
from codecourier.local.processnode.api import Api
from codecourier.local.processnode.binder import Binder
from codecourier.local.processnode.certificate import ensure_certificate
from codecourier.local.processnode.events import Events
from codecourier.local.processnode.kubeconfig import load_kubeconfig
from codecourier.local.processnode.launch.processes import process_identity
from codecourier.local.processnode.launching import Host
from codecourier.local.processnode.lookups import KINDS, Lookups
from codecourier.local.processnode.reflector import Reflector
from codecourier.local.processnode.registration import Registration, node_labels, read_allocatable
from codecourier.local.processnode.sandbox import read_host_mounts
from codecourier.local.processnode.server import build_server, serving_context
from codecourier.local.processnode.settings import Settings
from codecourier.local.processnode.worker import Services

__all__ = ["NODE_FILE", "run_node"]

NODE_FILE = "node.json"
"""In the state folder: pid, its identity, port, and whether the node is away."""

_LOG = logging.getLogger(__name__)
_STOP_GRACE_SECONDS = 2.0


async def run_node(settings: Settings) -> None:
    """Run the node until SIGTERM or SIGINT, then stop every container.

    SIGUSR1 makes it disappear: no heartbeat, no request, no answer, while its containers run on.
    SIGUSR2 brings it back.
    """
    settings.pods_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    image.prepare_image(settings)
    access = load_kubeconfig(settings.kubeconfig)
    authority = settings.client_authority.read_text(encoding="utf-8") if settings.client_authority else access.authority
    api = Api(access)
    allocatable = read_allocatable(settings.state_dir)
    host = Host(read_host_mounts() if settings.isolates else [], allocatable)
    services = Services(api, Lookups(api), Events(api, settings.node_name), settings, host)
    agent = Agent(services)
    runner = web.AppRunner(build_server(agent.find, lambda: api.is_online), access_log=None)
    port = await _serve(runner, settings, authority)
    presence = _Presence(api, settings.state_dir, port)
    await presence.write()
    registration = Registration(api, settings.node_name, port, allocatable)
    tasks = [asyncio.create_task(registration.run())]
    tasks += [asyncio.create_task(reflector.run()) for reflector in _reflectors(services, agent)]
    try:
        await _until_stopped(presence, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await agent.close()
        stopped = await asyncio.to_thread(orphans.stop_everything, settings.state_dir, _STOP_GRACE_SECONDS)
        _LOG.info("stopped; %d containers were ended", stopped)
        await runner.cleanup()
        await api.close()


def _reflectors(services: Services, agent: Agent) -> list[Reflector]:
    api, settings = services.api, services.settings
    pods = "/api/v1/pods"
    reflectors = [Reflector(api, pods, agent, {"fieldSelector": f"spec.nodeName={settings.node_name}"})]
    reflectors += [Reflector(api, f"/api/v1/{kind}", services.lookups.listener(kind)) for kind in KINDS]
    if settings.binds:
        binder = Binder(api, settings.node_name, node_labels(settings.node_name))
        reflectors.append(Reflector(api, pods, binder, {"fieldSelector": "spec.nodeName="}))
    return reflectors


async def _serve(runner: web.AppRunner, settings: Settings, authority: str) -> int:
    if settings.certificate and settings.key:
        pair = settings.certificate, settings.key
    else:
        pair = ensure_certificate(settings.state_dir, settings.node_name)
    await runner.setup()
    context = serving_context(*pair, authority)
    wanted = settings.port or _port_before(settings.state_dir)
    try:
        await web.TCPSite(runner, "127.0.0.1", wanted, ssl_context=context).start()
    except OSError:
        if settings.port or not wanted:
            raise
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return int(runner.addresses[0][1])


def _port_before(state_dir: Path) -> int:
    try:
        return int(orjson.loads((state_dir / NODE_FILE).read_bytes())["port"])
    except (OSError, ValueError, KeyError):
        return 0


class _Presence:
    """Disappears and comes back."""

    def __init__(self, api: Api, state_dir: Path, port: int) -> None:
        self._api = api
        self._file = state_dir / NODE_FILE
        self._port = port
        self._wanted: asyncio.Queue[bool] = asyncio.Queue()

    def ask(self, *, away: bool) -> None:
        self._wanted.put_nowait(away)

    async def run(self) -> None:
        while True:
            if await self._wanted.get():
                await self._api.disconnect()
                _LOG.info("disappeared: containers run on, nothing is told or heard until SIGUSR2")
            else:
                self._api.reconnect()
                _LOG.info("came back")
            await self.write()

    async def write(self) -> None:
        content = {
            "pid": os.getpid(),
            "identity": process_identity(os.getpid()),
            "port": self._port,
            "away": not self._api.is_online,
        }
        unfinished = self._file.with_suffix(".new")
        unfinished.write_bytes(orjson.dumps(content))
        unfinished.replace(self._file)


async def _until_stopped(presence: _Presence, tasks: list[asyncio.Task[None]]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: presence.ask(away=True))
    loop.add_signal_handler(signal.SIGUSR2, lambda: presence.ask(away=False))
    end = asyncio.create_task(stopped.wait())
    tasks.append(asyncio.create_task(presence.run()))
    done, _ = await asyncio.wait({end, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    end.cancel()
    for task in done - {end}:
        # None of these ends by itself: an error is a fault of the node.
        task.result()
