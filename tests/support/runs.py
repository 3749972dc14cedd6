"""Runs, Sandboxes and Projects in the middle of their lives, for tests of the core."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from codecourier.core.run.start import build_sandbox
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.facts import (
    Facts,
    ObjectAsk,
    ObjectFact,
    Problem,
    PullRequestFact,
    PullRequestsAsk,
    PullRequestsFact,
)
from codecourier.core.shared.intents import Failures, Plan
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.project import AdmittedRun, Project
from codecourier.resources.run import Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase, SandboxResult, SandboxStatus
from tests.support.plans import plan_run
from tests.support.worlds import ACCESS, BASE, NOW, URL, make_project, make_run, make_workflow, queued

__all__ = [
    "FOUND",
    "HEAD",
    "VERSION",
    "admitting",
    "claiming",
    "ended",
    "going",
    "make_sandbox",
    "plan_end",
    "pull_request_world",
    "refused",
    "run_status_of",
    "running",
]

HEAD = "b" * 40
"""The commit that a try has pushed."""

VERSION = ObjectFact("uid-fix", "")
"""That the Run is still as its copy says."""

FOUND = PullRequestFact(7, f"{URL}/pull/7", PullRequestState.OPEN, False, NOW - timedelta(seconds=2))
"""A pull request that carries the marker."""


def admitting(run: Run, try_number: int = 1, *, attempt: int = 1, limit: int = 5) -> Project:
    """Return a Project that gives a Run a place for a try."""
    entry = AdmittedRun(name=run.name, uid=run.uid, attempt=attempt, try_number=try_number, admission_time=NOW)
    project = make_project(limit=limit)
    return project.updated(status=project.status.updated(admitted=(entry,)))


def running(**changes: object) -> Run:
    """Return a Run whose first try is in progress."""
    run = make_run(base_branch="main")
    fields = {"phase": RunPhase.RUNNING, "tries": (Try(number=1, sandbox=build_sandbox(run, 1, 1).name),)}
    return queued(run, base_branch="main", base_commit=BASE, branch="codecourier/fix", **{**fields, **changes})


def make_sandbox(run: Run, number: int = 1) -> Sandbox:
    """Return the Sandbox of a try as the API server has made it."""
    sandbox = build_sandbox(run, 1, number)
    return sandbox.updated(metadata=sandbox.metadata.updated(uid=f"uid-sandbox-{number}", creation_timestamp=NOW))


def going(run: Run, reason: str, message: str) -> Sandbox:
    """Return the Sandbox of a Run's first try, which says something and has not ended."""
    conditions = with_condition(
        (), ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, reason, message, now=NOW, generation=1
    )
    status = SandboxStatus(phase=SandboxPhase.PENDING, conditions=conditions, message=message)
    return make_sandbox(run, 1).updated(status=status)


def ended(run: Run, phase: SandboxPhase, reason: str | None, state: PublishState | None = None) -> Sandbox:
    """Return the Sandbox of a Run's last try after its end."""
    commit = HEAD if state is PublishState.PUSHED else None
    result = SandboxResult(state=state, commit=commit) if state is not None else None
    status = SandboxStatus(
        phase=phase,
        reason=reason,
        message="So it was.",
        start_time=NOW,
        finish_time=NOW,
        result=result,
    )
    return make_sandbox(run, len(run.status.tries)).updated(status=status)


def run_status_of(plan: Plan) -> RunStatus:
    """Return the status that a plan writes for a Run."""
    assert isinstance(plan.status, RunStatus)
    return plan.status


def plan_end(run: Run, sandbox: Sandbox) -> Plan:
    """Plan for a Run whose Sandbox has ended and whose UsageRecord was made."""
    return plan_run(
        RunWorld(run, admitting(run), make_workflow(), None, (sandbox,), records=frozenset({sandbox.name})), NOW
    )


def pull_request_world(run: Run, *found: PullRequestFact, problem: Problem | None = None) -> RunWorld:
    """Return the world of a Run that looks for its pull request."""
    ask = PullRequestsAsk(ACCESS, "codecourier/fix", run.uid, 1)
    facts = Facts({ask: PullRequestsFact(found), ObjectAsk("Run", "shop", run.name): VERSION})
    world = RunWorld(run, make_project(), make_workflow(), None, facts=facts)
    if problem is None:
        return world
    (effect,) = plan_run(world, NOW).effects
    return replace(world, failures=Failures({effect: problem}))


def claiming() -> Run:
    """Return a Run whose work is pushed and whose pull request is claimed."""
    run = running()
    plan = plan_end(run, ended(run, SandboxPhase.COMPLETED, Reason.COMPLETED, PublishState.PUSHED))
    assert not plan.effects
    return run.updated(status=run_status_of(plan))


def refused() -> Run:
    """Return a Run whose pull request was refused, after the first write that says so."""
    run = claiming()
    problem = Problem(Reason.PULL_REQUEST_REFUSED, "The work is on branch x.", is_final=True)
    plan = plan_run(pull_request_world(run, problem=problem), NOW)
    assert (plan.records, plan.creates, plan.effects) == ((), (), ())
    return run.updated(status=run_status_of(plan))
