"""A team is created in one step: Namespace, Project and Runs are heard of in any order, and no Run is refused."""

from __future__ import annotations

import pytest

from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.kube.api import EVENTS, NAMESPACES, Resource
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.forge import URL
from tests.simulation.neighbours import NEIGHBOUR, declare_neighbours
from tests.simulation.stories import RUN, play_story, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]


@pytest.mark.parametrize("late", [NAMESPACES, PROJECTS, RUNS], ids=lambda resource: resource.kind)
@pytest.mark.parametrize("seconds", [0.5, 5.0])
def test_what_is_created_together_is_refused_for_nothing_that_was_not_heard_of_yet(
    late: Resource, seconds: float
) -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: cluster.operators[0].is_leading)
        cluster.operators[0].network.slow[late] = seconds
        declare_neighbours(cluster.server.store, 2, URL)

        def phases() -> list[str]:
            runs = cluster.server.store.list(RUNS, NEIGHBOUR)
            return [(run.obj.get("status") or {}).get("phase", "") for run in runs]

        await until(cluster, 300, lambda: phases() == ["Completed"] * 2)
        said = {event.obj["reason"] for event in cluster.server.store.list(EVENTS, NEIGHBOUR)}
        assert "AppNotAllowed" not in said

    play_story(RUN, story)
