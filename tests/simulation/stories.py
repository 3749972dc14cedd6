"""Stories: what people do in a simulated cluster, step by step, where no fault is left to chance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from codecourier.kube.api import Json, Resource
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import NoFaults
from tests.simulation.scenario import Scenario

__all__ = ["delete", "find", "play_story", "until"]

Story = Callable[[SimulatedCluster], Awaitable[None]]


def play_story(scenario: Scenario, story: Story) -> None:
    """Play a story; every invariant has to hold in it."""

    async def main() -> None:
        cluster = SimulatedCluster(scenario, NoFaults())
        await story(cluster)
        assert cluster.monitor.violation is None, "\n".join(cluster.trace)

    run_virtual(main)


def find(cluster: SimulatedCluster, resource: Resource, name: str) -> Json | None:
    """Return an object, or None."""
    stored = cluster.server.store.find((resource, NAMESPACE, name))
    return stored.obj if stored is not None else None


def delete(cluster: SimulatedCluster, name: str, resource: Resource) -> None:
    """Delete an object, as people do."""
    cluster.monitor.is_people = True
    cluster.server.store.delete(resource, NAMESPACE, name)
    cluster.monitor.is_people = False


async def until(cluster: SimulatedCluster, seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until something holds, at most so many virtual seconds; return how long it took."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    while not holds():
        assert loop.time() < start + seconds, "\n".join(cluster.trace)
        await asyncio.sleep(1.0)
    return loop.time() - start
