"""The process node: all its parts, started and stopped together."""

from __future__ import annotations

import asyncio
import logging
import signal
from random import Random

from aiohttp import web

from codecourier.kube.access import load_access
from codecourier.kube.api import PODS, SECRETS
from codecourier.kube.cache import Cache
from codecourier.kube.client import AiohttpKube, ClientTiming
from codecourier.kube.informer import Informer, InformerTiming
from codecourier.local.processnode import image, orphans
from codecourier.local.processnode.agent import Agent
from codecourier.local.processnode.binder import Binder
from codecourier.local.processnode.registration import Registration, node_labels
from codecourier.local.processnode.sandbox import read_host_mounts
from codecourier.local.processnode.server import build_server, serving_context
from codecourier.local.processnode.settings import NodeSettings
from codecourier.local.processnode.worker import Services

__all__ = ["run_node"]

_LOG = logging.getLogger(__name__)
_STOP_GRACE_SECONDS = 2.0
_CALLS = ClientTiming(call=10.0)
_WATCHES = InformerTiming(max_retry_seconds=2.0)


async def run_node(settings: NodeSettings) -> None:
    """Run the node until SIGTERM or SIGINT, then stop every container.

    Raises
    ------
    AccessError
        If the kubeconfig does not lead to an API server.
    OSError
        If the port is taken, or a file cannot be read or written.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    settings.pods_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    image.prepare_image(settings)
    access = load_access(settings.kubeconfig)
    async with AiohttpKube(access, user_agent="codecourier-processnode", timing=_CALLS) as kube:
        await _run(kube, settings, stopped)


async def _run(kube: AiohttpKube, settings: NodeSettings, stopped: asyncio.Event) -> None:
    pods, secrets = Cache(PODS), Cache(SECRETS)
    host_mounts = read_host_mounts() if settings.isolates else []
    agent = Agent(Services(kube, settings, host_mounts), pods, secrets)
    if settings.binds:
        Binder(kube, pods, settings.node_name, node_labels(settings.node_name))
    runner = web.AppRunner(build_server(agent.find), access_log=None)
    await runner.setup()
    context = serving_context(settings.certificate, settings.key, settings.client_authority)
    await web.TCPSite(runner, "127.0.0.1", settings.port, ssl_context=context).start()
    informers = [Informer(kube, cache, random=Random(), timing=_WATCHES) for cache in (pods, secrets)]  # noqa: S311
    tasks = [asyncio.create_task(informer.run()) for informer in informers]
    tasks.append(asyncio.create_task(Registration(kube, settings).run()))
    tasks.append(asyncio.create_task(_clean_up(agent, informers[0])))
    try:
        await _until_stopped(stopped, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await agent.close()
        count = await asyncio.to_thread(orphans.stop_everything, settings.state_dir, _STOP_GRACE_SECONDS)
        _LOG.info("stopped; %d containers were ended", count)
        await runner.cleanup()


async def _clean_up(agent: Agent, pods: Informer) -> None:
    await pods.synced.wait()
    agent.remove_unknown(pods.cache)


async def _until_stopped(stopped: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    end = asyncio.create_task(stopped.wait())
    try:
        waited = {end, *tasks}
        while not end.done():
            done, waited = await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {end}:
                # An error is a fault of the node and ends it.
                task.result()
    finally:
        end.cancel()
