"""Members over the whole operator: whatever crashes, each has one RoleBinding, and people hear of it once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS
from codecourier.kube.api import ROLE_BINDINGS, Json
from tests.simulation.admission import Obstacle
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import Fault
from tests.simulation.members import FOREIGN, members_of, wrong_members
from tests.simulation.play import play
from tests.simulation.scenario import REFERENCE
from tests.simulation.stories import RUN, play_story, status_of, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

IDLE = replace(RUN, runs=0, members=3)
CRASHES = {Fault.CRASH_BEFORE: 0.2, Fault.CRASH_AFTER: 0.2, Fault.LOST: 0.1}


def is_right(cluster: SimulatedCluster) -> bool:
    """Tell whether every member has its role and people know."""
    told = cluster.monitor.records.told
    return not list(wrong_members(cluster.server.store, told, NAMESPACE))


def condition(cluster: SimulatedCluster) -> Json:
    """Return what the Project says of its members."""
    found = status_of(cluster, "default", PROJECTS).get("conditions", ())
    return next((c for c in found if c["type"] == "MembersBound"), {})


def joined(cluster: SimulatedCluster) -> int:
    """Return how many Notifications tell of members."""
    made = (stored.obj["spec"]["type"] for stored in cluster.server.store.list(NOTIFICATIONS, NAMESPACE))
    return sum(type_ == "MemberJoined" for type_ in made)


@pytest.mark.parametrize("seed", range(6))
def test_members_join_once_through_crashes(seed: int) -> None:
    scenario = replace(REFERENCE, seed=seed, chains=0, members=3, operators=2, rates=CRASHES, fault_seconds=60)
    result = play(scenario)
    assert result.violation is None


def test_a_binding_that_users_change_comes_back_and_theirs_stay() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        cluster.monitor.is_people = True
        cluster.server.store.create(
            ROLE_BINDINGS, {**FOREIGN, "metadata": {**FOREIGN["metadata"], "namespace": NAMESPACE}}
        )
        await until(cluster, 60, lambda: is_right(cluster))
        (name, *_) = (
            stored.metadata["name"]
            for stored in cluster.server.store.list(ROLE_BINDINGS, NAMESPACE)
            if stored.metadata["name"].startswith("codecourier-member-")
        )
        cluster.server.edit(ROLE_BINDINGS, NAMESPACE, name, lambda obj: obj.update(subjects=FOREIGN["subjects"]))
        assert not is_right(cluster)
        await until(cluster, 60, lambda: is_right(cluster))
        cluster.server.store.delete(ROLE_BINDINGS, NAMESPACE, name)
        assert not is_right(cluster)
        await until(cluster, 60, lambda: is_right(cluster))
        cluster.server.edit(PROJECTS, NAMESPACE, "default", lambda obj: obj["spec"].update(members=members_of(1)))
        await until(cluster, 60, lambda: is_right(cluster))
        assert cluster.server.store.find((ROLE_BINDINGS, NAMESPACE, "of-a-user")) is not None
        assert joined(cluster) == 3

    play_story(IDLE, story)


def test_a_refused_binding_is_said_and_comes_once_it_is_admitted() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: condition(cluster).get("status") == "False")
        await until(cluster, 60, lambda: "refuses RoleBinding" in condition(cluster)["message"])
        assert joined(cluster) == 0
        cluster.admission.obstacles.clear()
        await until(cluster, 900, lambda: is_right(cluster))
        await until(cluster, 60, lambda: condition(cluster)["status"] == "True")

    play_story(IDLE, story, rolebindings=Obstacle.PERMISSION)
