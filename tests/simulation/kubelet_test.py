"""What real kubelets do with pods, played with the whole operator: each Run ends with its reason, once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.play import play, play_and_compare
from tests.simulation.scenario import REFERENCE, Deed, Scenario
from tests.simulation.steps import Behaviour, PodTrouble

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

RUN = ("run-0", 0)


def one_run(**changes: object) -> Scenario:
    """Return the scenario of one Run."""
    return replace(REFERENCE, chains=0, runs=1, **changes)  # type: ignore[arg-type]  # replace() checks the names


@pytest.mark.parametrize(
    ("behaviour", "reason", "starts"),
    [
        (Behaviour.CHILD_OUT_OF_MEMORY, "OutOfMemory", 1),
        (Behaviour.NEVER_PULLED, "StartTimeout", 0),
        (Behaviour.NEVER_STARTED, "StepNotStarted", 0),
    ],
)
def test_what_a_kubelet_leaves_pending_ends_with_its_reason(behaviour: Behaviour, reason: str, starts: int) -> None:
    result = play(one_run(behaviours={RUN: behaviour}))
    assert result.violation is None, "\n".join(result.trace)
    assert result.outcome is not None
    assert [run[:2] for run in result.outcome.runs.values()] == [("Failed", reason)]
    assert (set(result.outcome.tries.values()), result.agent_starts) == ({1}, starts)


def test_a_sandbox_that_dies_costs_a_try_and_nothing_else() -> None:
    result = play_and_compare(one_run(mood="stormy", troubles={RUN: PodTrouble.SANDBOX_DIES}))
    assert result.violation is None, "\n".join(result.trace)
    assert result.outcome is not None
    assert set(result.outcome.tries.values()) == {2}


def test_a_node_that_is_silent_for_good_cannot_keep_a_run() -> None:
    result = play(one_run(mood="peopled", deeds=(Deed(12.0, "lose node"),)))
    assert result.violation is None, "\n".join(result.trace)
    assert result.outcome is not None
    assert [run[0] for run in result.outcome.runs.values()] == ["Completed"]
    assert set(result.outcome.tries.values()) == {2}
