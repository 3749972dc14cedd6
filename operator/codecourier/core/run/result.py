"""What follows from the end of a Run's sandbox: another try, a pull request, the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.run.end import claim_end, ended_status, record_end
from codecourier.core.run.proposals import with_proposals
from codecourier.core.run.recorded import read_workflow
from codecourier.core.run.usage import build_usage_record
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import (
    Problem,
)
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import RETRYABLE, ConditionType, Reason, cut, sentence
from codecourier.resources.run import Change, PullRequest, PullRequestPhase, RunPhase, RunStatus
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.workflow import FailurePullRequest, WorkflowSpec

__all__ = ["close_try", "is_decided", "plan_result", "plan_retry", "record_usage"]

MAX_BACKOFF = timedelta(hours=1)
"""Longest wait before an automatic try."""


def record_usage(world: RunWorld, sandbox: Sandbox) -> tuple[Create, ...]:
    """Return the creation of a try's UsageRecord; none when it is there or nothing ran.

    The record is a function of the Sandbox's final status alone, so it may be made before the Run's own status says
    that the try is over; that status then says so and that the record was made in one write.
    """
    if sandbox.status.start_time is None or sandbox.name in world.records or world.is_namespace_ending:
        return ()
    return (Create(build_usage_record(world.run, sandbox)),)


def close_try(status: RunStatus, sandbox: Sandbox) -> RunStatus:
    """Return the status with the ledger's entry of the last try closed."""
    ended = sandbox.status
    closed = status.tries[-1].updated(
        phase=ended.phase,
        reason=ended.reason,
        message=ended.message,
        start_time=ended.start_time,
        finish_time=ended.finish_time,
        is_recorded=ended.start_time is not None,
    )
    return status.updated(tries=(*status.tries[:-1], closed))


def is_decided(world: RunWorld, sandbox: Sandbox) -> bool:
    """Tell whether the end of a Sandbox is that of its Run too, whatever people wish after it.

    It is where neither another try nor a pull request follows and the Sandbox was not stopped: its final status and
    the recorded Workflow decide all of that. A cancellation from then on comes too late. Where the Workflow is lost
    nothing is tried again either, but another leader may still know it: then the end is a decision.
    """
    if sandbox.status.phase is SandboxPhase.COMPLETED:
        return _opens_none(world) or not _has_pushed(sandbox)
    if sandbox.status.phase not in {SandboxPhase.FAILED, SandboxPhase.EXPIRED}:
        return False
    workflow = _find_workflow(world)
    if workflow is None:
        return False
    is_retried = _is_retried(world.run.status, _failure_reason(sandbox), workflow)
    return not is_retried and not _is_drafted(world, sandbox, workflow)


def _find_workflow(world: RunWorld) -> WorkflowSpec | None:
    """Return the Workflow of the attempt, None where it is lost."""
    known = read_workflow(world)
    return None if isinstance(known, Problem) else known


def plan_result(world: RunWorld, sandbox: Sandbox, now: datetime) -> Plan:
    """Decide what follows from a Sandbox that has ended."""
    status = _with_result(close_try(world.run.status, sandbox), sandbox)
    if sandbox.status.phase is SandboxPhase.COMPLETED:
        plan = _plan_success(world, status, sandbox, now)
    else:
        plan = _plan_failure(world, status, sandbox, now)
    return with_proposals(world, replace(plan, records=(*record_usage(world, sandbox), *plan.records)), sandbox, now)


def _plan_success(world: RunWorld, status: RunStatus, sandbox: Sandbox, now: datetime) -> Plan:
    if world.run.spec.merge is not None:
        return _end_merge(world, status, sandbox, now)
    if world.run.spec.follow_up is not None:
        return _end_follow_up(world, status, sandbox, now)
    if _has_pushed(sandbox):
        return _claim_pull_request(world, status, now, is_draft=False)
    skipped = status.updated(head_commit=status.base_commit, pull_request=PullRequest(phase=PullRequestPhase.SKIPPED))
    text = sentence(Reason.NOTHING_TO_CHANGE)
    new = ended_status(world, skipped, RunPhase.COMPLETED, Reason.NOTHING_TO_CHANGE, text, now)
    return record_end(world, new, Reason.NOTHING_TO_CHANGE, _end_time(sandbox))


def _end_merge(world: RunWorld, status: RunStatus, sandbox: Sandbox, now: datetime) -> Plan:
    """End a Run that merges: what it pushed is progress of its origin, which opens the pull request."""
    merge = status.merge
    head = merge.tip if merge is not None else None
    merged = status.updated(
        head_commit=head or status.head_commit or status.base_commit,
        pull_request=PullRequest(phase=PullRequestPhase.SKIPPED),
    )
    new = ended_status(world, merged, RunPhase.COMPLETED, Reason.COMPLETED, sandbox.status.message, now)
    return record_end(world, new, Reason.COMPLETED, _end_time(sandbox))


def _end_follow_up(world: RunWorld, status: RunStatus, sandbox: Sandbox, now: datetime) -> Plan:
    """End a Run that continues a pull request: what it pushed is there already."""
    reason, text = Reason.COMPLETED, f"Commit {status.head_commit} was pushed to branch {status.branch}."
    if not _has_pushed(sandbox):
        status = status.updated(head_commit=status.base_commit)
        reason, text = Reason.NOTHING_TO_CHANGE, "The agent ended well and changed nothing."
    skipped = status.updated(pull_request=PullRequest(phase=PullRequestPhase.SKIPPED))
    new = ended_status(world, skipped, RunPhase.COMPLETED, reason, text, now)
    return record_end(world, new, reason, _end_time(sandbox))


def _opens_none(world: RunWorld) -> bool:
    """Tell whether the Run opens no pull request, whatever it does."""
    return world.run.spec.merge is not None or world.run.spec.follow_up is not None


def _with_result(status: RunStatus, sandbox: Sandbox) -> RunStatus:
    result = sandbox.status.result
    status = status.updated(merge=sandbox.status.merge)
    if result is None or result.commit is None:
        return status
    return status.updated(
        head_commit=result.commit,
        title=result.title or status.title,
        summary=result.summary or status.summary,
        change=Change(files=result.files, insertions=result.insertions, deletions=result.deletions),
    )


def _plan_failure(world: RunWorld, status: RunStatus, sandbox: Sandbox, now: datetime) -> Plan:
    reason, message = _failure_reason(sandbox), sandbox.status.message
    known = read_workflow(world)
    if isinstance(known, Problem) and reason in RETRYABLE:
        reason, message = known.reason, cut(f"{message} {known.message}")
    retried = plan_retry(world, status, reason, message, sandbox.status.retry_time, now)
    if retried is not None:
        return retried
    if isinstance(known, WorkflowSpec) and _is_drafted(world, sandbox, known):
        return _claim_pull_request(world, status, now, is_draft=True)
    new = ended_status(world, status, RunPhase.FAILED, reason, message, now)
    if is_decided(world, sandbox):
        return record_end(world, new, reason, _end_time(sandbox))
    return claim_end(world, new, reason, now)


def _has_pushed(sandbox: Sandbox) -> bool:
    return sandbox.status.result is not None and sandbox.status.result.state is PublishState.PUSHED


def _failure_reason(sandbox: Sandbox) -> str:
    """Return why a Sandbox failed: one of the catalogue's reasons, or a word that only a newer operator knows."""
    return sandbox.status.reason or Reason.STEP_FAILED.value


def _is_retried(status: RunStatus, reason: str, workflow: WorkflowSpec) -> bool:
    if reason not in RETRYABLE:
        return False
    return len(status.tries) < workflow.retry.max_tries


def _is_drafted(world: RunWorld, sandbox: Sandbox, workflow: WorkflowSpec) -> bool:
    if _opens_none(world):
        return False
    return _has_pushed(sandbox) and workflow.pull_request.on_failure is FailurePullRequest.DRAFT


def _end_time(sandbox: Sandbox) -> datetime:
    """Return when the end of a Sandbox was written.

    That is later than its processes' end where its tokens were hard to revoke. Notifications are read in the order of
    their times, so one must not come out older than those that people have read meanwhile.
    """
    succeeded = sandbox.status.condition(ConditionType.SUCCEEDED)
    time = succeeded.last_transition_time if succeeded is not None else sandbox.status.finish_time
    if time is None:
        raise ValueError(f"Sandbox {sandbox.name} has not ended")
    return time


def plan_retry(
    world: RunWorld, status: RunStatus, reason: str, message: str, retry_time: datetime | None, now: datetime
) -> Plan | None:
    """Return the plan that waits for the next try after one that failed; None: there is none.

    Parameters
    ----------
    world
        The world of the Run.
    status
        The status with the end of the try in its ledger.
    reason, message
        Why the try failed.
    retry_time
        The next try does not start before this time; None: the Workflow's backoff.
    now
        The time.
    """
    workflow = _find_workflow(world)
    if workflow is None or not _is_retried(status, reason, workflow):
        return None
    retry = workflow.retry
    doublings = min(len(status.tries) - 1, 12)
    backoff = min(timedelta(seconds=retry.backoff_seconds * 2**doublings), MAX_BACKOFF)
    due = max(retry_time or now, now + backoff)
    shown = Reason.PROVIDER_LIMIT if reason == Reason.PROVIDER_LIMIT else Reason.RETRYING
    text = sentence(
        shown,
        number=len(status.tries),
        limit=retry.max_tries,
        detail=message,
        time=due.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    new = with_outcome(world.run, status, RunPhase.QUEUED, shown, text, now).updated(retry_time=due)
    return Plan(status=new, events=(Event(shown.value, text, is_warning=True),), look_again=due)


def _claim_pull_request(world: RunWorld, status: RunStatus, now: datetime, *, is_draft: bool) -> Plan:
    text = sentence(Reason.OPENING_PULL_REQUEST, branch=status.branch)
    claimed = status.updated(pull_request=PullRequest(phase=PullRequestPhase.CREATING, is_draft=is_draft))
    new = with_outcome(world.run, claimed, RunPhase.RUNNING, Reason.OPENING_PULL_REQUEST, text, now)
    return Plan(status=new)
