"""Stories: what people do in a simulated cluster, step by step, where no fault is left to chance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import ForgeError
from codecourier.github.operations.mint_token_pair import MintTokenPair
from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.api import (
    CONTROLLER_REVISIONS,
    EVENTS,
    NETWORK_POLICIES,
    PODS,
    ROLE_BINDINGS,
    SECRETS,
    Json,
    Resource,
)
from tests.simulation.admission import Obstacle
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import NoFaults
from tests.simulation.forge import ForgeClient
from tests.simulation.invariants.objects import FINISHED
from tests.simulation.scenario import REFERENCE, Scenario

__all__ = [
    "CHAIN",
    "HOUR",
    "RUN",
    "TWO_RUNS",
    "Story",
    "cancel",
    "delete",
    "find",
    "is_over",
    "notes",
    "play_story",
    "refused_minting",
    "slow_minting",
    "status_of",
    "until",
]

RUN = replace(REFERENCE, mood="peopled", chains=0, runs=1)
TWO_RUNS = replace(RUN, runs=2)
CHAIN = replace(REFERENCE, mood="peopled")
HOUR = 3600.0

Story = Callable[[SimulatedCluster], Awaitable[None]]


def play_story(scenario: Scenario, story: Story, **obstacles: Obstacle) -> None:
    """Play a story; every invariant has to hold in it.

    `obstacles` says from the beginning, by the plural of a kind, why the cluster refuses its objects.
    """
    own = (NOTIFICATIONS, RUNS, SANDBOXES, USAGE_RECORDS)
    kinds = {r.plural: r for r in (*own, SECRETS, PODS, NETWORK_POLICIES, ROLE_BINDINGS, CONTROLLER_REVISIONS)}

    async def main() -> None:
        cluster = SimulatedCluster(scenario, NoFaults())
        cluster.admission.obstacles |= {kinds[name]: obstacle for name, obstacle in obstacles.items()}
        await story(cluster)
        assert cluster.monitor.violation is None, "\n".join(cluster.trace)

    run_virtual(main)


def find(cluster: SimulatedCluster, resource: Resource, name: str) -> Json | None:
    """Return an object, or None."""
    stored = cluster.server.store.find((resource, NAMESPACE, name))
    return stored.obj if stored is not None else None


def status_of(cluster: SimulatedCluster, name: str = "run-0", resource: Resource = RUNS) -> Json:
    """Return the status of an object that is there."""
    obj = find(cluster, resource, name)
    assert obj is not None
    return obj.get("status") or {}


def notes(cluster: SimulatedCluster) -> list[str]:
    """Return what the Warning Events say."""
    events = (stored.obj for stored in cluster.server.store.list(EVENTS, NAMESPACE))
    return [event["note"] for event in events if event["type"] == "Warning"]


async def until(cluster: SimulatedCluster, seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until something holds, at most so long; return how long it took."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not holds():
        assert loop.time() < start + seconds, "\n".join(cluster.trace)
        await asyncio.sleep(1.0)
    return loop.time() - start


def is_over(cluster: SimulatedCluster, name: str = "run-0", resource: Resource = RUNS) -> bool:
    """Tell whether an object is gone or finished."""
    obj = find(cluster, resource, name)
    return obj is None or (obj.get("status") or {}).get("phase") in FINISHED


def cancel(cluster: SimulatedCluster, name: str) -> None:
    """Cancel a Run, as people do."""
    cluster.monitor.is_people = True
    cluster.server.edit(RUNS, NAMESPACE, name, lambda run: run["spec"].update(cancelled=True))
    cluster.monitor.is_people = False


def delete(cluster: SimulatedCluster, name: str, resource: Resource = RUNS) -> None:
    """Delete an object, as people do."""
    cluster.monitor.is_people = True
    cluster.server.store.delete(resource, NAMESPACE, name)
    cluster.monitor.is_people = False


@contextmanager
def slow_minting(seconds: float) -> Iterator[None]:
    """Let the host take its time to mint tokens."""
    with _minting(lambda: asyncio.sleep(seconds)):
        yield


@contextmanager
def refused_minting(error: ForgeError) -> Iterator[None]:
    """Let the host refuse to mint tokens."""

    async def refuse() -> None:
        await asyncio.sleep(0.2)
        raise error

    with _minting(refuse):
        yield


@contextmanager
def _minting(first: Callable[[], Awaitable[None]]) -> Iterator[None]:
    right = ForgeClient.do

    async def do(self: ForgeClient, repo: RepositoryRef, operation: Operation[Any]) -> Any:
        if isinstance(operation, MintTokenPair):
            await first()
        return await right(self, repo, operation)

    with patch.object(ForgeClient, "do", do):
        yield
