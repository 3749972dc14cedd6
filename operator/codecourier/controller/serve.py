"""The operator as a process: settings in, signals handled, everything closed at the end."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import signal
import socket
from datetime import UTC, datetime
from functools import partial

from prometheus_client import ProcessCollector

from codecourier.controller.election import Elect, ElectionThread
from codecourier.controller.events import KopfThread
from codecourier.controller.gauges import register_forge_gauges
from codecourier.controller.health import HealthServer
from codecourier.controller.operator import Operator, OperatorParts
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.errors import SettingsError
from codecourier.github.client import GitHubForge
from codecourier.hosts.app_key import load_app, read_named
from codecourier.kinds.registry import REGISTRY
from codecourier.kube.access import Access
from codecourier.kube.api import KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.kube.lease import LeaseIdentity
from codecourier.metrics import Metrics
from codecourier.settings import Settings

__all__ = ["TRIMS", "serve", "serve_with", "unique_identity"]

_LOGGER = logging.getLogger(__name__)

TRIMS = {kind.source.resource: kind.source.trim for kind in REGISTRY.cached if kind.source.trim is not None}
"""Applied to the objects of a kind in the operator's client, before any cache sees them."""


def _now() -> datetime:
    return datetime.now(UTC)


async def serve(settings: Settings, access: Access) -> bool:
    """Run the operator until SIGTERM or SIGINT.

    Returns
    -------
    bool
        False when the Lease was lost: the process must end with an error.

    Raises
    ------
    VitalTaskEndedError
        A component that the operator needs has ended.
    SettingsError
        A file that a setting names cannot be read, or the port of the probes is taken.
    """
    metrics = Metrics()
    # Report an unreadable certificate as a wrong setting, before a client fails on it.
    _certificate(settings)
    async with (
        AiohttpKube(access, note=metrics.note_api_request, trims=TRIMS) as api,
        GitHubForge(
            hosts=settings.allowed_hosts, ca_bundle=settings.forge_ca_file, note=metrics.note_forge_request
        ) as forge,
    ):
        return await serve_with(settings, metrics, api, forge, partial(_elect, metrics, access))


async def serve_with(
    settings: Settings, metrics: Metrics, api: KubeApi, forge: GitHubForge, elect: Elect | None = None
) -> bool:
    """Run the operator as `serve` does, with open clients; without `elect`, the election uses `api`, too."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ProcessCollector(registry=metrics.registry)
    register_forge_gauges(metrics, forge)
    operator = Operator(_parts(settings, api, forge, elect), metrics)
    health = HealthServer(lambda: operator.ended, lambda: operator.unsynced, metrics.registry)
    port = await _listen(health, settings)
    _LOGGER.info("probes and metrics are on %s:%d", settings.listen_host, port)
    kopf_thread = KopfThread(loop, (kind.resource for kind in REGISTRY.kinds if kind.has_kopf_events), operator.heard)
    try:
        # Until the caches are complete, every object is about to be woken anyway.
        return await operator.run(stop, settings.drain_seconds, {"Kopf": kopf_thread.run(operator.wait_begun)})
    finally:
        await asyncio.to_thread(kopf_thread.stop)
        await health.stop()


def _elect(metrics: Metrics, access: Access, identity: LeaseIdentity) -> ElectionThread:
    # Sessions belong to a loop, and each session has a pool of its own.
    open_api = partial(AiohttpKube, access, note=metrics.note_api_request)
    return ElectionThread(identity, open_api, now=_now, random=random.Random())  # noqa: S311  jitter, nothing secret


def _parts(settings: Settings, api: KubeApi, forge: GitHubForge, elect: Elect | None) -> OperatorParts:
    certificate = _certificate(settings)
    return OperatorParts(
        api=api,
        forge=forge,
        now=_now,
        random=random.Random(),  # noqa: S311  jitter, nothing secret
        pods=PodSettings(settings.courier_image, has_ca=certificate is not None),
        namespace=settings.namespace,
        identity=settings.identity or unique_identity(),
        forge_hosts=settings.allowed_hosts,
        app=load_app(settings),
        ca_certificate=certificate,
        elect=elect,
        workers=settings.workers,
    )


def unique_identity() -> str:
    """Return a name that no other operator has: two of one name would both take the Lease."""
    return f"{socket.gethostname()}-{secrets.token_hex(4)}"


def _certificate(settings: Settings) -> str | None:
    return read_named(settings.forge_ca_file, "CODECOURIER_FORGE_CA_FILE")


async def _listen(health: HealthServer, settings: Settings) -> int:
    try:
        return await health.start(settings.listen_host, settings.listen_port)
    except OSError as error:
        where = f"{settings.listen_host}:{settings.listen_port}"
        message = f"CODECOURIER_LISTEN_HOST and CODECOURIER_LISTEN_PORT: nothing can listen on {where}: {error}"
        raise SettingsError(message) from error
