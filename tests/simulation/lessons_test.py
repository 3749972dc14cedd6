"""Lessons from the agent that proposes one to the agents that read it, on a virtual clock (invariant 14)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.core.shared.learnings import name_lesson
from codecourier.kinds.api_resources import LEARNINGS, RUNS
from codecourier.kube.api import PODS
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import Fault, NoFaults, ScriptedFault
from tests.simulation.forge import URL
from tests.simulation.play import play
from tests.simulation.rest import differences
from tests.simulation.scenario import REFERENCE, Deed

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

EVERYONE = name_lesson(URL, "Lesson 1 of everyone: keep it small.")


def test_a_lesson_that_a_person_accepts_reaches_the_runs_that_start_then() -> None:
    async def main() -> None:
        deeds = (Deed(60.0, "accept learning"), Deed(61.0, "accept learning"))
        cluster = SimulatedCluster(replace(REFERENCE, mood="peopled", chains=0, runs=4, lessons=2, deeds=deeds))
        await pass_time(400.0)
        store = cluster.server.store
        assert cluster.monitor.violation is None
        assert len(store.list(LEARNINGS, NAMESPACE)) == 2, "four Runs say the same"
        given = {run.metadata["name"]: run.obj["status"].get("learnings", []) for run in store.list(RUNS, NAMESPACE)}
        lucky = [names for names in given.values() if names]
        assert 0 < len(lucky) < len(given)
        assert all(len(names) == 2 and EVERYONE in names for names in lucky)
        prompts = [str(pod.metadata["annotations"]) for pod in store.list(PODS, NAMESPACE)]
        assert sum("keep it small" in prompt for prompt in prompts) == len(lucky)

    run_virtual(main)


@pytest.mark.parametrize(
    ("fault", "operators"), [(Fault.CRASH_BEFORE, 1), (Fault.CRASH_AFTER, 1), (Fault.LOST, 1), (Fault.ORPHANED, 2)]
)
def test_a_fault_at_any_write_proposes_each_lesson_once(fault: Fault, operators: int) -> None:
    reference = replace(REFERENCE, chains=0, runs=2, limit=2, lessons=3, operators=operators)
    expected = play(reference, NoFaults())
    assert expected.outcome is not None, expected.violation
    assert len(expected.outcome.lessons) == 3
    for write in range(1, expected.writes + 1):
        result = play(reference, ScriptedFault(write, fault))
        assert result.violation is None, f"write {write}: {result.violation}"
        assert result.outcome is not None
        assert list(differences(result.outcome, expected.outcome, is_calm=True)) == []
