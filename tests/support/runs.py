"""Runs, Sandboxes and Projects in the middle of their lives, for tests of the core."""

from __future__ import annotations

from codecourier.core.run.start import build_sandbox
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import ConditionType
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.project import AdmittedRun, Project
from codecourier.resources.run import Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase, SandboxResult, SandboxStatus
from tests.support.worlds import BASE, NOW, make_project, make_run, queued

__all__ = ["HEAD", "admitting", "ended", "going", "run_status_of", "running"]

HEAD = "b" * 40
"""The commit that a try has pushed."""


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


def going(run: Run, reason: str, message: str) -> Sandbox:
    """Return the Sandbox of a Run's first try, which says something and has not ended."""
    conditions = with_condition(
        (), ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, reason, message, now=NOW, generation=1
    )
    status = SandboxStatus(phase=SandboxPhase.PENDING, conditions=conditions, message=message)
    return build_sandbox(run, 1, 1).updated(status=status)


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
    return build_sandbox(run, 1, len(run.status.tries)).updated(status=status)


def run_status_of(plan: Plan) -> RunStatus:
    """Return the status that a plan writes for a Run."""
    assert isinstance(plan.status, RunStatus)
    return plan.status
