"""The servers that every expectation is tried on."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from codecourier.kinds.registry import REGISTRY
from codecourier.kube.access import load_access
from codecourier.kube.api import NAMESPACES, KubeApi, Resource
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import NotFound
from codecourier.local.cluster import LocalCluster
from tests.contract.proxy import open_proxy
from tests.contract.server import WATCH_SECONDS, Scenario, Server, take
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import WallClock, run_virtual
from tests.simulation.network import Network
from tests.simulation.schema import definitions_of

CLIENT = "contract"

_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")


@dataclass(frozen=True)
class SimulatedFaults:
    """Faults of the simulated server."""

    server: ApiServer
    network: Network

    @asynccontextmanager
    async def cuttable(self) -> AsyncIterator[tuple[KubeApi, Callable[[], None]]]:
        """See `Faults.cuttable`."""
        yield self.server.client("cuttable", self.network), lambda: self.server.cut_watches("cuttable")

    async def expired_version(self, resource: Resource) -> str:
        """See `Faults.expired_version`."""
        version = str(self.server.store.version - 1)
        self.server.compact(resource)
        return version


@dataclass(frozen=True)
class RealFaults:
    """Faults of the real server."""

    kubeconfig: Path

    @asynccontextmanager
    async def cuttable(self) -> AsyncIterator[tuple[KubeApi, Callable[[], None]]]:
        """See `Faults.cuttable`."""
        access = load_access(self.kubeconfig)
        scheme, host, port = access.address.split(":")
        async with open_proxy(int(port)) as (proxy_port, cut):
            access.address = f"{scheme}:{host}:{proxy_port}"
            async with AiohttpKube(access, user_agent=CLIENT) as api:
                yield api, cut

    async def expired_version(self, resource: Resource) -> str:
        """See `Faults.expired_version`; the first of all versions is older than any kind's history."""
        return "1"


def run_simulated(scenario: Scenario) -> None:
    """Run a scenario on a simulated server of its own."""

    async def main() -> None:
        clock, network = WallClock(asyncio.get_running_loop()), Network(Random(1))
        server = ApiServer(now=clock.now, random=Random(2), definitions=definitions_of(REGISTRY))
        api = server.client(CLIENT, network)
        namespace = await _make_namespace(api)
        await scenario(Server(api, namespace, SimulatedFaults(server, network)))

    run_virtual(main)


def run_real(scenario: Scenario, kubeconfig: Path) -> None:
    """Run a scenario on the shared cluster's server."""

    async def main() -> None:
        async with AiohttpKube(load_access(kubeconfig), user_agent=CLIENT) as api:
            namespace = await _make_namespace(api)
            try:
                await _wait_for_account(api, namespace)
                await scenario(Server(api, namespace, RealFaults(kubeconfig)))
            finally:
                with suppress(NotFound):
                    await api.delete(NAMESPACES, None, namespace)

    asyncio.run(main())


async def _make_namespace(api: KubeApi) -> str:
    name = f"contract-{secrets.token_hex(4)}"
    await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


async def _wait_for_account(api: KubeApi, namespace: str) -> None:
    """Wait for what kube-controller-manager makes in each namespace: pods need it."""
    listed = await api.list(_ACCOUNTS, namespace)
    if not listed.items:
        watch = api.watch(
            _ACCOUNTS, namespace=namespace, resource_version=listed.resource_version, timeout_seconds=WATCH_SECONDS
        )
        await take(watch, lambda event: event.object["metadata"]["name"] == "default")


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.cluster)])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    """Return what runs a scenario on one of the servers."""
    if request.param == "simulated":
        return run_simulated
    cluster: LocalCluster = request.getfixturevalue("cluster")
    return lambda scenario: run_real(scenario, cluster.kubeconfig_path)
