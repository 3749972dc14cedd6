"""Merges on the virtual clock: a fault at each write, and what hosts and people do in between."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from codecourier.kinds.api_resources import MERGE_JOBS, RUNS
from tests.simulation.faults import Fault
from tests.simulation.forge import FORGE
from tests.simulation.merge_scenes import Ci, MergeScene, Source
from tests.simulation.network import Call
from tests.simulation.play import Result, play
from tests.simulation.rest import differences
from tests.simulation.scenario import REFERENCE

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

SINGLE = MergeScene((Source.CLEAN,), "Single", ci=Ci.PASSES)
COMBINE = MergeScene((Source.CLASHES, Source.CLASHES, Source.DRAFT))


@dataclass
class AtAWriteOfTheMerge:
    """One fault at one write of a MergeJob, of the Run of its step or at the host; what a pod costs is tried by others.

    Parameters
    ----------
    number
        Which of these writes, from 1.
    fault
        What happens to it; None: nothing, and the writes are only counted.
    """

    number: int
    fault: Fault | None
    count: int = 0

    def choose(self, call: Call) -> Fault | None:
        """Return the fault when its write has come."""
        is_run = call.resource == RUNS and call.verb == "create"
        if not call.write or not (is_run or call.resource in {MERGE_JOBS, FORGE}):
            return None
        self.count += 1
        return self.fault if self.count == self.number else None


def complain(result: Result) -> str:
    """Return what a person needs to find out why a scenario failed."""
    return f"{result.violation}\n" + "\n".join(result.trace)


@pytest.mark.parametrize("scene", [SINGLE, COMBINE], ids=["single", "combine"])
@pytest.mark.parametrize(
    ("fault", "operators"),
    [(Fault.CRASH_BEFORE, 1), (Fault.CRASH_AFTER, 1), (Fault.LOST, 1), (Fault.LATE, 1), (Fault.ORPHANED, 2)],
)
def test_a_fault_at_any_write_of_a_merge_changes_nothing(fault: Fault, operators: int, scene: MergeScene) -> None:
    reference = replace(REFERENCE, chains=0, merges=(scene,), operators=operators, has_verify=True)
    counting = AtAWriteOfTheMerge(0, None)
    expected = play(reference, counting)
    assert expected.violation is None, complain(expected)
    assert expected.outcome is not None
    assert [merge[0] for merge in expected.outcome.merges.values()] == ["Completed"]
    assert counting.count > len(scene.sources)
    for write in range(1, counting.count + 1):
        result = play(reference, AtAWriteOfTheMerge(write, fault))
        assert result.violation is None, f"write {write}: {complain(result)}"
        assert result.outcome is not None
        assert list(differences(result.outcome, expected.outcome, is_calm=True)) == [], f"write {write}"
        assert result.agent_starts == expected.agent_starts
