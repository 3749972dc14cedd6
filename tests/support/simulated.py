"""The operator over the simulated API server, for tests of its shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

from codecourier.controller.operator import Operator, OperatorParts
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.worlds import World
from codecourier.github.client import GitHubForge
from codecourier.kinds.registry import REGISTRY
from codecourier.kube.api import NAMESPACES, KubeApi
from codecourier.metrics import Metrics
from tests.simulation.apiserver import ApiServer
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of

__all__ = ["make_operator", "make_server", "until"]

NAMESPACE = "codecourier-system"


def _now() -> datetime:
    return datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC)


def make_server(kind: type[ApiServer] = ApiServer) -> ApiServer:
    """Return a server with our kinds and the namespace of the Lease; call it inside the running loop."""
    server = kind(now=_now, random=Random(1), definitions=definitions_of(REGISTRY))
    server.store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    return server


def make_operator(
    server: ApiServer,
    *,
    identity: str = "operator",
    network: Network | None = None,
    metrics: Metrics | None = None,
    inspect: Callable[[World], None] = lambda _world: None,
) -> Operator:
    """Return an operator that was not started; its forge is real and never reached."""
    api: KubeApi = server.client(identity, network or Network(Random(2)))
    parts = OperatorParts(
        api=api,
        forge=GitHubForge(hosts=frozenset({"forge.test"})),
        now=_now,
        random=Random(3),
        pods=PodSettings("courier"),
        namespace=NAMESPACE,
        identity=identity,
        forge_hosts=frozenset({"forge.test"}),
        inspect=inspect,
    )
    return Operator(parts, metrics or Metrics())


async def until(server: ApiServer, condition: Callable[[], Any]) -> None:
    """Wait until a condition holds, looking at every change in the cluster."""
    changed = asyncio.Event()
    server.store.listeners.append(lambda _: changed.set())
    while not condition():
        await changed.wait()
        changed.clear()
