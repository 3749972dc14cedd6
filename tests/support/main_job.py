"""A chain on the embedded cluster, for tests: its stage, its end, and what the forge counted."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from codecourier.kinds.api_resources import SPRINT_CHAINS
from codecourier.kube.access import load_access
from codecourier.kube.api import Json, KubeApi, Resource
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import KubeError
from codecourier.local.cluster import LocalCluster
from codecourier.local.demo.stage import Stage, ensure_namespace, set_stage
from codecourier.local.forge.address import ForgeAddress
from codecourier.local.forge.control import ForgeControl
from codecourier.local.operator_process import OperatorProcess
from tests.support.operator_access import OPERATOR

__all__ = ["MainJob", "main_job", "wait_for"]

_LIMIT_SECONDS = 120
_WATCH_SECONDS = 20
_KEEP_SECONDS = 0.2
_FINISHED = frozenset({"Completed", "Failed", "Cancelled"})


async def wait_for(
    api: KubeApi,
    resource: Resource,
    namespace: str,
    condition: Callable[[dict[str, Json]], bool],
    *,
    seconds: float | None = _LIMIT_SECONDS,
) -> dict[str, Json]:
    """Watch the objects of a kind, by name, until they meet a condition, at most so long; return them."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                listed = await api.list(resource, namespace)
                known = {obj["metadata"]["name"]: obj for obj in listed.items}
                if condition(known) or await _watch(
                    api, resource, namespace, listed.resource_version, known, condition
                ):
                    return known
            except KubeError:
                # The API server is being restarted: connecting again is what paces this loop.
                await asyncio.sleep(0)


async def _watch(
    api: KubeApi,
    resource: Resource,
    namespace: str,
    version: str,
    known: dict[str, Json],
    condition: Callable[[dict[str, Json]], bool],
) -> bool:
    watch = api.watch(resource, namespace=namespace, resource_version=version, timeout_seconds=_WATCH_SECONDS)
    async with aclosing(watch) as events:
        async for event in events:
            if event.type == "BOOKMARK":
                continue
            name = event.object["metadata"]["name"]
            if event.type == "DELETED":
                known.pop(name, None)
            else:
                known[name] = event.object
            if condition(known):
                return True
    return False


@dataclass(frozen=True)
class MainJob:
    """A chain of three sprints on its own stage."""

    api: KubeApi
    forge: ForgeControl
    stage: Stage
    cluster: LocalCluster
    forge_address: ForgeAddress
    folder: Path
    """Where operators write their logs."""

    def operator(self, identity: str = "operator") -> OperatorProcess:
        """Return an operator that was not started yet."""
        log = self.folder / f"{identity}.log"
        kubeconfig = OPERATOR.write_kubeconfig(self.cluster, log.with_suffix(".kubeconfig"))
        return OperatorProcess(kubeconfig, self.forge_address, log, identity=identity)

    @contextmanager
    def kept_operator(self) -> Iterator[None]:
        """Run an operator that is started again when it ends by itself, as a Deployment does.

        It ends when it could not renew its Lease: the API server may be away for longer than that.
        """
        is_over = threading.Event()

        def keep() -> None:
            while not is_over.is_set():
                with self.operator() as running:
                    while running.is_running and not is_over.wait(_KEEP_SECONDS):
                        pass

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            is_over.set()
            keeper.join()

    async def finished(self) -> Json:
        """Wait until the chain has ended and everything that it calls for was made; return it."""

        def is_settled(chains: dict[str, Json]) -> bool:
            status = chains[self.stage.chain].get("status") or {}
            return status.get("phase") in _FINISHED and not status.get("unnotified")

        return (await wait_for(self.api, SPRINT_CHAINS, self.stage.namespace, is_settled))[self.stage.chain]

    async def names(self, resource: Resource) -> list[str]:
        """Return the sorted names of the stage's objects of a kind."""
        return sorted(obj["metadata"]["name"] for obj in (await self.api.list(resource, self.stage.namespace)).items)

    def pushes(self) -> dict[str, int]:
        """Return how many pushes the forge took for each branch."""
        counted: dict[str, int] = {}
        for push in self.forge.pushes(self.stage.repository):
            counted[push.ref] = counted.get(push.ref, 0) + 1
        return counted


@asynccontextmanager
async def main_job(cluster: LocalCluster, namespace: str, folder: Path) -> AsyncIterator[MainJob]:
    """Set the stage for a chain of three sprints; no operator runs yet."""
    forge_dir = cluster.layout.root / "forge"
    forge = ForgeControl.open(forge_dir)
    stage = Stage(namespace=namespace, chain="changelog", repository=f"example/shop-{secrets.token_hex(4)}")
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
        await ensure_namespace(api, "codecourier-system")
        await set_stage(api, forge, cluster.forge_url, stage, sprints=3)
        yield MainJob(api, forge, stage, cluster, ForgeAddress.read(forge_dir), folder)
