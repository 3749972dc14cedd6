"""A host that is away or flaps, over the whole operator: what was accepted stays ready, and people hear of it once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.forge import ForgeTrouble
from tests.simulation.stories import RUN, play_story, status_of, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

IDLE = replace(RUN, runs=0)


def said(cluster: SimulatedCluster, type_: str) -> str:
    """Return the status of a condition of the Project, empty before there is one."""
    conditions = status_of(cluster, "default", PROJECTS).get("conditions", ())
    return next((str(c["status"]) for c in conditions if c["type"] == type_), "")


def failures(cluster: SimulatedCluster) -> int:
    """Return how many Notifications tell of a credential."""
    made = (stored.obj["spec"]["type"] for stored in cluster.server.store.list(NOTIFICATIONS, NAMESPACE))
    return sum(type_ == "CredentialsFailed" for type_ in made)


async def change_spec(cluster: SimulatedCluster, limit: int) -> None:
    """Change the Project as people do, and wait until it was observed."""
    cluster.monitor.is_people = True
    cluster.server.edit(
        PROJECTS, NAMESPACE, "default", lambda obj: obj["spec"]["limits"].update(maxConcurrentRuns=limit)
    )
    cluster.monitor.is_people = False
    stored = cluster.server.store.get(PROJECTS, NAMESPACE, "default")
    generation = stored.metadata["generation"]
    await until(cluster, 45, lambda: status_of(cluster, "default", PROJECTS)["observedGeneration"] == generation)


@pytest.mark.parametrize("trouble", [ForgeTrouble.BROKEN, ForgeTrouble.HANGS])
def test_an_outage_leaves_an_accepted_project_ready(trouble: ForgeTrouble) -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: said(cluster, "Ready") == "True")
        await asyncio.sleep(2 * REACHED_SECONDS)
        cluster.forge.trouble = trouble
        await change_spec(cluster, 3)
        await until(cluster, 300, lambda: said(cluster, "RepositoriesReachable") == "False")
        assert (said(cluster, "Ready"), said(cluster, "Stalled")) == ("True", "")
        cluster.forge.trouble = None
        await until(cluster, 300, lambda: said(cluster, "RepositoriesReachable") == "True")
        assert failures(cluster) == 0

    play_story(IDLE, story)


def test_a_credential_that_flaps_for_six_hours_is_reported_once() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: said(cluster, "Ready") == "True")
        await asyncio.sleep(2 * REACHED_SECONDS)
        cluster.forge.trouble = ForgeTrouble.UNAUTHORIZED
        await change_spec(cluster, 3)
        heard = set()
        for trouble in (ForgeTrouble.BROKEN, ForgeTrouble.UNAUTHORIZED) * 120:
            await asyncio.sleep(90)
            cluster.forge.trouble = trouble
            heard.add(said(cluster, "RepositoriesReachable"))
        assert (heard, failures(cluster)) == ({"False"}, 1)
        cluster.forge.trouble = None
        await until(cluster, 900, lambda: said(cluster, "Ready") == "True")

    play_story(IDLE, story)
