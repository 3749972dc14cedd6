"""Reasons of a newer operator, as after a rollback: they are shown as they are, and are no reason to try again."""

from __future__ import annotations

import pytest

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import (
    Facts,
    ObjectAsk,
    ObjectFact,
    PullRequestFact,
    PullRequestsAsk,
    PullRequestsFact,
)
from codecourier.core.shared.intents import Event
from codecourier.pull_request import PullRequestState
from codecourier.resources.notification import Notification
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase
from codecourier.resources.sandbox import PublishState, SandboxPhase
from codecourier.resources.workflow import FailurePullRequest, PullRequestPolicy
from tests.support.plans import plan_run
from tests.support.runs import ended, going, run_status_of, running
from tests.support.worlds import ACCESS, NOW, URL, make_project, make_workflow

NEWER = "QuantumDecohered"
DRAFTING = make_workflow(pull_request=PullRequestPolicy(on_failure=FailurePullRequest.DRAFT)).spec
ASK = PullRequestsAsk(ACCESS, "codecourier/fix", "uid-fix", 1)


def reason_of(run: Run) -> str:
    """Return the reason of the Succeeded condition."""
    condition = run.status.condition("Succeeded")
    assert condition is not None
    return condition.reason


def test_what_a_sandbox_waits_for_is_repeated() -> None:
    run = running()
    plan = plan_run(RunWorld(run, make_project(), None, None, (going(run, NEWER, "Cats are counted."),)), NOW)
    after = run.updated(status=run_status_of(plan))
    assert (reason_of(after), after.status.message) == (NEWER, "Cats are counted.")


@pytest.mark.parametrize("phase", [SandboxPhase.FAILED, SandboxPhase.EXPIRED])
@pytest.mark.parametrize("reason", [NEWER, ""])
def test_a_try_that_ended_for_it_ends_the_run(reason: str, phase: SandboxPhase) -> None:
    run = running()
    plan = plan_run(RunWorld(run, make_project(), None, None, (ended(run, phase, reason),)), NOW)
    after = run.updated(status=run_status_of(plan))
    assert (after.status.phase, after.status.message) == (RunPhase.FAILED, "So it was.")
    assert reason_of(after) == (reason or "StepFailed")
    assert plan.events == (Event(reason or "StepFailed", "So it was.", is_warning=True),)
    assert [r.resource.spec.message for r in plan.records if isinstance(r.resource, Notification)] == ["So it was."]


def drafted() -> Run:
    """Return a Run whose try ended for a reason of a newer operator and whose draft is claimed."""
    run = running(workflow=DRAFTING, workflow_revision=None)
    sandbox = ended(run, SandboxPhase.FAILED, NEWER, PublishState.PUSHED)
    claimed = run_status_of(plan_run(RunWorld(run, make_project(), None, None, (sandbox,)), NOW))
    assert claimed.pull_request == PullRequest(phase=PullRequestPhase.CREATING, is_draft=True)
    return run.updated(status=claimed)


def test_the_draft_of_its_work_is_opened_and_ends_the_run() -> None:
    run = drafted()
    pull = PullRequestFact(7, f"{URL}/pull/7", PullRequestState.OPEN, is_draft=True, creation_time=NOW)
    facts = Facts({ASK: PullRequestsFact((pull,)), ObjectAsk("Run", "shop", "fix"): ObjectFact(run.uid, "")})
    after = run.updated(status=run_status_of(plan_run(RunWorld(run, make_project(), None, None, facts=facts), NOW)))
    assert (after.status.phase, reason_of(after), after.status.message) == (RunPhase.FAILED, NEWER, "So it was.")


def test_so_does_the_refusal_of_the_draft() -> None:
    run = drafted()
    refused = run.status.updated(pull_request=PullRequest(phase=PullRequestPhase.FAILED, message="No."))
    run = run.updated(status=refused)
    world = RunWorld(run, make_project(), None, None, facts=Facts({ASK: PullRequestsFact(())}))
    after = run.updated(status=run_status_of(plan_run(world, NOW)))
    assert (after.status.phase, reason_of(after), after.status.message) == (RunPhase.FAILED, NEWER, "So it was.")
