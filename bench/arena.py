"""The surroundings of a benchmark: a control plane, a forge, kwok as the only node, and operators."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.audit import Write, parse_writes
from bench.kwok import NODE_NAME, KwokProgram, run_kwok
from bench.processes import Usage, usage_of
from bench.repository import Repository
from bench.scheduler import running_scheduler
from bench.stages import Behaviour, build_configuration, build_log
from codecourier.controller.operator import LEASE_NAME
from codecourier.kube.access import load_access
from codecourier.kube.api import CONFIG_MAPS, LEASES, NODES, KubeApi
from codecourier.kube.client import AiohttpKube, ClientTiming
from codecourier.kube.errors import NotFound, ServerError
from codecourier.local.cluster import LocalCluster
from codecourier.local.components import NODE
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE
from codecourier.local.demo.stage import ensure_namespace
from codecourier.local.forge.address import ForgeAddress
from codecourier.local.operator_process import OperatorProcess
from codecourier.local.state import StateStore
from tests.support.operator_access import OPERATOR

__all__ = ["BEHAVIOURS", "Arena", "open_arena"]

BEHAVIOURS = {
    "bench-writes": Behaviour.NO_CHANGE,
    "bench-writes-pulls": Behaviour.PUSHED,
    "bench-runs": Behaviour.NO_CHANGE,
    "bench-pulls": Behaviour.PUSHED,
    "bench-templates": Behaviour.NO_CHANGE,
    "bench-templates-pulls": Behaviour.PUSHED,
    "bench-finished": Behaviour.ENDED,
    "bench-active": Behaviour.HOLD,
    "bench-first": Behaviour.NO_CHANGE,
    "bench-churn": Behaviour.NO_CHANGE,
    "bench-hang-without": Behaviour.NO_CHANGE,
    "bench-hang-beside": Behaviour.NO_CHANGE,
    "bench-tasks": Behaviour.NO_CHANGE,
    "bench-lateness": Behaviour.NO_CHANGE,
}
"""How the pods of each namespace behave."""

_LOOK_SECONDS = 0.1
_LIMIT_SECONDS = 60.0
_MARK_BYTES = 1024 * 1024
"""How much of the audit log's end is searched for a mark."""

_PATIENCE = ClientTiming(call=60.0, page=60.0)
"""The load outruns the API server on purpose; waiting is part of the measurement, not an error."""


@dataclass(frozen=True)
class Arena:
    """All that a case needs."""

    api: KubeApi
    cluster: LocalCluster
    repository: Repository
    kwok_pid: int
    kubeconfig: Path
    """The operator's own, with the account that it has in a cluster."""

    logs: Path
    """Folder for what operators print."""

    report: Callable[[str], None]

    @asynccontextmanager
    async def operator(self, environment: dict[str, str] | None = None) -> AsyncIterator[OperatorProcess]:
        """Run the real operator as a separate process; enter the context once it leads."""
        async with self.started_operator(environment) as process:
            await self._wait_leading()
            yield process

    @asynccontextmanager
    async def started_operator(self, environment: dict[str, str] | None = None) -> AsyncIterator[OperatorProcess]:
        """Run the real operator; enter the context at its start; cancel the body if the operator exits."""
        forge = ForgeAddress.read(self.cluster.layout.forge)
        process = OperatorProcess(self.kubeconfig, forge, self.logs / "operator.log", environment=environment)
        process.start()
        try:
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(_stay(process))
                yield process
                watch.cancel()
        finally:
            await asyncio.to_thread(process.terminate)

    async def _wait_leading(self) -> None:
        async def is_leading() -> bool:
            try:
                lease = await self.api.get(LEASES, OPERATOR_NAMESPACE, LEASE_NAME)
            except NotFound:
                return False
            return bool(lease["spec"].get("holderIdentity"))

        await self.wait_until(is_leading, "the operator leads")

    async def wait_until(self, condition: Callable[[], object], what: str, seconds: float = _LIMIT_SECONDS) -> None:
        """Poll until a condition holds.

        Raises
        ------
        TimeoutError
            If it takes too long.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if await _holds(condition):
                        return
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError as error:
            raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}") from error

    async def mark(self, name: str) -> int:
        """Return the size of the audit log once it has everything that was answered before now, in bytes."""
        marker = f"mark-{name}-{secrets.token_hex(4)}"
        metadata = {"name": marker, "namespace": OPERATOR_NAMESPACE}
        await self.api.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        await self.api.delete(CONFIG_MAPS, OPERATOR_NAMESPACE, marker)
        path = self.cluster.layout.audit_log
        await self.wait_until(lambda: marker.encode() in _end_of(path), "the audit log has a mark")
        return path.stat().st_size

    def writes(self, start: int, end: int) -> list[Write]:
        """Return what was written between two marks."""
        with self.cluster.layout.audit_log.open("rb") as log:
            log.seek(start)
            return parse_writes(log.read(end - start).splitlines())

    def usage(
        self, operator: OperatorProcess | None = None, others: Mapping[str, int] | None = None
    ) -> dict[str, Usage]:
        """Return what each process has used so far; `others` has further process ids by name."""
        state = StateStore(self.cluster.layout).read()
        assert state is not None
        pids = {name: record.pid for name, record in state.processes.items()} | {"kwok": self.kwok_pid}
        if operator is not None and operator.pid is not None:
            pids["operator"] = operator.pid
        pids |= {"load": os.getpid(), **(others or {})}
        return {name: usage_of(pid) for name, pid in pids.items()}


@asynccontextmanager
async def open_arena(
    cluster: LocalCluster, kwok: KwokProgram, folder: Path, report: Callable[[str], None]
) -> AsyncIterator[Arena]:
    """Prepare a running cluster; stop kwok and the scheduler at the end.

    Parameters
    ----------
    cluster
        A control plane with the forge and without a node.
    kwok
        Simulates the node.
    folder
        For configuration and logs.
    report
        Receives a line of progress at a time.
    """
    repository = Repository(cluster.layout.forge, cluster.forge_url)
    log, configuration = folder / "publish.log", folder / "kwok.yaml"
    log.write_text(build_log(), encoding="utf-8")
    text = build_configuration(BEHAVIOURS, repository.commit, str(log), kwok.node_stages)
    configuration.write_text(text, encoding="utf-8")
    state = StateStore(cluster.layout).read()
    assert state is not None
    access = load_access(cluster.kubeconfig_path)
    async with AiohttpKube(access, user_agent="bench-load", timing=_PATIENCE) as api:
        await ensure_namespace(api, OPERATOR_NAMESPACE)
        await api.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}})
        with run_kwok(kwok, cluster.layout, state.ports[NODE], configuration, folder / "kwok.log") as process:
            kubeconfig = await asyncio.to_thread(OPERATOR.write_kubeconfig, cluster, folder / "operator.kubeconfig")
            arena = Arena(api, cluster, repository, process.pid, kubeconfig, folder, report)

            async def is_node_ready() -> bool:
                assert process.poll() is None, f"kwok ended by itself: see {folder / 'kwok.log'}"
                return await _is_node_ready(api)

            await arena.wait_until(is_node_ready, "kwok's node is ready")
            async with running_scheduler(access):
                yield arena


async def _stay(process: OperatorProcess) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if not process.is_running:
            break
    raise RuntimeError("the operator ended by itself: see operator.log, which is kept with the results")


async def _holds(condition: Callable[[], object]) -> bool:
    try:
        answer = condition()
        return bool(await answer if asyncio.iscoroutine(answer) else answer)
    except ServerError:
        # An API server whose caches lag behind answers with an error until it catches up.
        return False


async def _is_node_ready(api: KubeApi) -> bool:
    node = await api.get(NODES, None, NODE_NAME)
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _end_of(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MARK_BYTES))
        return file.read()
