"""One way to say an outcome for every kind: what Ready, Succeeded and Stalled are, and when the work ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.run.start import build_sandbox
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import GRACE
from codecourier.core.shared.outcome import accepted, refused, with_outcome
from codecourier.core.shared.reasons import Reason
from codecourier.resources.run import RunPhase
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.sprint_chain import SprintChainPhase
from tests.support.worlds import NOW, make_run, make_sprint_chain

LATER = NOW + timedelta(hours=1)
RUN, CHAIN, SANDBOX = (
    make_run(),
    make_sprint_chain(),
    build_sandbox(make_run(), 1, 1).updated(metadata=make_run().metadata),
)
KINDS: list[tuple[Any, Any]] = [(RUN, RunPhase), (CHAIN, SprintChainPhase), (SANDBOX, SandboxPhase)]
PHASES = [(resource, phase) for resource, phases in KINDS for phase in phases]


def shown(status: Any) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition by its type."""
    return {condition.type: (condition.status, condition.reason) for condition in status.conditions}


@pytest.mark.parametrize(("resource", "phase"), PHASES, ids=[f"{r.kind}-{phase}" for r, phase in PHASES])
def test_a_phase_is_said_with_what_succeeded_says_of_it(resource: Any, phase: Any) -> None:
    expected = {"Completed": "True", "Failed": "False", "Cancelled": "False", "Expired": "False"}.get(phase, "Unknown")
    status = with_outcome(resource, resource.status, phase, Reason.RUNNING, "So it is.", NOW)
    assert shown(status) == {"Succeeded": (expected, "Running")}
    assert (status.phase, status.message, status.observed_generation) == (phase, "So it is.", 1)
    assert status.finish_time == (None if expected == "Unknown" else NOW)


@pytest.mark.parametrize("resource", [RUN, CHAIN, SANDBOX], ids=lambda resource: resource.kind)
def test_a_refusal_is_said_by_ready_and_by_the_outcome_of_what_is_not_finished(resource: Any) -> None:
    problem = Problem(Reason.WORKFLOW_NOT_FOUND, "It is not there.")
    early = refused(resource, resource.status, problem, NOW + GRACE / 2)
    assert shown(early) == {"Ready": ("False", "WorkflowNotFound"), "Succeeded": ("Unknown", "WorkflowNotFound")}
    first = refused(resource, resource.status, problem, NOW + GRACE)
    assert shown(first) == {
        "Ready": ("False", "WorkflowNotFound"),
        "Stalled": ("True", "WorkflowNotFound"),
        "Succeeded": ("Unknown", "WorkflowNotFound"),
    }
    assert (first.message, first.finish_time) == ("It is not there.", None)
    assert shown(accepted(resource, first, LATER)) == {
        "Ready": ("True", "Accepted"),
        "Succeeded": ("Unknown", "WorkflowNotFound"),
    }


@pytest.mark.parametrize(("resource", "phases"), KINDS, ids=["Run", "SprintChain", "Sandbox"])
def test_a_refused_attempt_leaves_the_outcome_of_the_finished_one(resource: Any, phases: Any) -> None:
    over = with_outcome(resource, resource.status, phases.FAILED, Reason.AGENT_FAILED, "It failed.", NOW)
    problem = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")
    status = refused(resource, over, problem, LATER)
    assert (status.phase, status.message, status.finish_time) == (phases.FAILED, "It failed.", NOW)
    assert shown(status) == {"Ready": ("Unknown", "ForgeUnavailable"), "Succeeded": ("False", "AgentFailed")}
