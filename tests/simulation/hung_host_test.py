"""One team's repository host hangs, or a node of its pods: another team's Runs take as long as without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest

from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import Silent
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.mint_token_pair import MintTokenPair
from codecourier.hosts.gate import BOUNDS
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.errors import Unanswered
from tests.simulation.apiserver import SimulatedKube
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import NoFaults
from tests.simulation.forge import URL, ForgeClient
from tests.simulation.neighbours import HUNG_SECONDS, HUNG_URL, INSTALLATION, NEIGHBOUR, declare_neighbours
from tests.simulation.network import CALL_SECONDS
from tests.simulation.scenario import REFERENCE

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

MOST = 1.2


@dataclass
class Hang:
    """What hangs for the other team."""

    url: str = HUNG_URL
    operations: tuple[type, ...] = (object,)
    has_logs: bool = False
    most: int = 0
    """Most operations that hung at once."""

    count: int = 0
    now: int = 0


@contextmanager
def hanging(hang: Hang) -> Iterator[None]:
    """Let operations of the other team hang as the real client treats a host that hangs."""
    right_do, right_log = ForgeClient.do, SimulatedKube.read_log

    async def do(self: ForgeClient, repo: RepositoryRef, operation: Operation[Any]) -> Any:
        is_others = getattr(repo.credential, "installation_id", None) == INSTALLATION
        if is_others and isinstance(operation, hang.operations):
            hang.count += 1
            hang.now += 1
            hang.most = max(hang.most, hang.now)
            try:
                await asyncio.sleep(HUNG_SECONDS)
            finally:
                hang.now -= 1
            raise Silent("the forge did not answer in time", may_have_happened=False)
        return await right_do(self, replace(repo, url=URL), operation)

    async def read_log(self: Any, namespace: str, *arguments: Any, **options: Any) -> Any:
        if namespace == NEIGHBOUR and hang.has_logs:
            hang.count += 1
            await asyncio.sleep(CALL_SECONDS)
            raise Unanswered("the node does not answer")
        return await right_log(self, namespace, *arguments, **options)

    with ExitStack() as stack:
        stack.enter_context(patch.object(ForgeClient, "do", do))
        stack.enter_context(patch.object(SimulatedKube, "read_log", read_log))
        yield


async def time_of(cluster: SimulatedCluster, name: str) -> float:
    """Return how long a Run of our own takes."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    cluster.make_run(name)
    while True:
        phase = (cluster.server.store.get(RUNS, NAMESPACE, name).obj.get("status") or {}).get("phase")
        if phase in {"Completed", "Failed"}:
            assert phase == "Completed"
            return loop.time() - start
        assert loop.time() < start + 600, "it takes far too long"
        await pass_time(0.25)


def seconds_of_five_runs(hang: Hang, runs: int) -> float:
    """Return how long five Runs of our own take, one after the other."""

    async def main() -> float:
        cluster = SimulatedCluster(replace(REFERENCE, chains=0), NoFaults())
        await pass_time(30.0)
        if runs:
            declare_neighbours(cluster.server.store, runs, hang.url)
        await pass_time(60.0)
        total = 0.0
        for number in range(5):
            total += await time_of(cluster, f"mine-{number}")
        assert cluster.monitor.violation is None
        return total

    with hanging(hang):
        return run_virtual(main)


@cache
def usual_seconds() -> float:
    """Return how long they take where nothing hangs."""
    return seconds_of_five_runs(Hang(), 0)


HANGS: dict[str, Callable[[], Hang]] = {
    "a host": Hang,
    "a host for one credential": lambda: Hang(url="https://forge.test/other/shop"),
    "minting": lambda: Hang(operations=(MintTokenPair,)),
    "opening pull requests": lambda: Hang(operations=(CreatePullRequest,)),
    "a node's logs": lambda: Hang(operations=(), has_logs=True),
}


@pytest.mark.parametrize(
    ("words", "runs"), [*((words, 50) for words in HANGS), ("a host", 200), ("opening pull requests", 200)]
)
def test_others_take_as_long_while_it_hangs(words: str, runs: int) -> None:
    hang = HANGS[words]()
    assert seconds_of_five_runs(hang, runs) <= MOST * usual_seconds()
    assert hang.count > 0
    assert hang.most <= BOUNDS.namespace.most_unproven
