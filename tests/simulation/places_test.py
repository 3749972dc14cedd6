"""Places are for what runs: over hours, beside Runs that cannot start, and when the Project is made again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.kube.api import Json, Resource
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.forge import URL
from tests.simulation.scenario import REFERENCE, Deed

pytestmark = [pytest.mark.simulation]

DEAD = "https://forge.test/example/dead"
HOUR = 3600.0


def declare_run(name: str, url: str) -> tuple[Resource, str, Json]:
    """Return the declaration of a Run of a repository."""
    return RUNS, name, {"workflowRef": {"name": "scripted"}, "prompt": "x", "repositoryUrl": url}


def runs_of(cluster: SimulatedCluster) -> Mapping[str, Json]:
    """Return the statuses of all Runs by their names."""
    return {s.metadata["name"]: s.obj["status"] for s in cluster.server.store.list(RUNS, NAMESPACE)}


def test_runs_of_a_repository_without_a_credential_leave_the_places_to_others() -> None:
    declared = tuple(
        declare_run(f"{what}-{n}", url) for what, url in (("a-dead", DEAD), ("good", URL)) for n in range(2)
    )

    async def play() -> None:
        cluster = SimulatedCluster(replace(REFERENCE, chains=0, limit=2, declared=declared))
        dead = {"url": DEAD, "credentialRef": {"name": "not-made-yet"}}
        cluster.monitor.is_people = True
        cluster.server.edit(PROJECTS, NAMESPACE, "default", lambda obj: obj["spec"]["repositories"].append(dead))
        cluster.monitor.is_people = False
        await asyncio.sleep(HOUR)
        found = {name: (status["phase"], status["message"]) for name, status in runs_of(cluster).items()}
        assert [found[f"good-{n}"][0] for n in range(2)] == ["Completed"] * 2
        for n in range(2):
            phase, message = found[f"a-dead-{n}"]
            assert phase in {"Pending", "Queued"}
            assert DEAD in message
        before = cluster.writes
        await asyncio.sleep(HOUR)
        assert cluster.writes == before, "what waits costs no writes"
        assert cluster.monitor.violation is None

    run_virtual(play)


@pytest.mark.parametrize("seconds", [1.0, 6.0, 7.0])
def test_a_project_that_is_made_again_gives_no_place_twice(seconds: float) -> None:
    async def play() -> None:
        deeds = (Deed(seconds, "make project again"),)
        cluster = SimulatedCluster(replace(REFERENCE, mood="peopled", chains=0, runs=6, limit=2, deeds=deeds))
        most = 0
        for _ in range(600):
            await asyncio.sleep(0.5)
            phases = [(status["phase"], "pullRequest" in status) for status in runs_of(cluster).values()]
            most = max(most, phases.count(("Running", False)))
        assert most == 2
        assert [status["phase"] for status in runs_of(cluster).values()] == ["Completed"] * 6
        assert cluster.monitor.violation is None

    run_virtual(play)
