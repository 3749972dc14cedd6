"""The ledger of follow-ups: how an entry is claimed and closed, and the Run that belongs to it."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, follow_up_run_name
from codecourier.core.shared.reasons import ConditionType
from codecourier.resources.follow_up import FollowUp, FollowUpCause, FollowUpPhase, FollowUpTask
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import Origin, Run, RunSpec, RunStatus

__all__ = [
    "active_follow_up",
    "build_follow_up",
    "claim_follow_up",
    "close_follow_up",
    "find_last_push",
    "knows_commit",
    "record_end_of",
]


def active_follow_up(status: RunStatus) -> FollowUp | None:
    """Return the follow-up whose end is awaited; None: there is none."""
    return next((entry for entry in status.follow_ups if not entry.phase.is_finished), None)


def find_last_push(status: RunStatus) -> str | None:
    """Return the commit that the Run or its follow-ups pushed last."""
    pushed = [entry.pushed_commit for entry in status.follow_ups if entry.pushed_commit is not None]
    return pushed[-1] if pushed else status.head_commit


def knows_commit(status: RunStatus, commit: str) -> bool:
    """Tell whether the Run or one of its follow-ups pushed a commit."""
    return commit == status.head_commit or any(entry.pushed_commit == commit for entry in status.follow_ups)


def claim_follow_up(run: Run, status: RunStatus, cause: FollowUpCause, digest: str, now: datetime) -> RunStatus:
    """Return the status that claims the next follow-up, of the present head of the pull request."""
    number = len(status.follow_ups) + 1
    head = status.pull_request.head_commit if status.pull_request is not None else None
    if head is None:
        raise ValueError(f"Run {run.name} has no pull request that could be continued")
    entry = FollowUp(
        number=number,
        run=follow_up_run_name(run.name, run.uid, status.attempt, number),
        cause=cause,
        head_commit=head,
        digest=digest,
        claim_time=now,
    )
    return status.updated(follow_ups=(*status.follow_ups, entry))


def close_follow_up(
    status: RunStatus, entry: FollowUp, phase: FollowUpPhase, reason: str, message: str, now: datetime
) -> RunStatus:
    """Return the status with the end of a follow-up that was never made."""
    return _with(status, entry.updated(phase=phase, finish_time=now, reason=reason, message=message))


def record_end_of(status: RunStatus, entry: FollowUp, run: Run, now: datetime) -> RunStatus:
    """Return the status with the end of a follow-up whose Run is over."""
    ended, said = run.status, run.status.condition(ConditionType.SUCCEEDED)
    has_pushed = ended.head_commit is not None and ended.head_commit != ended.base_commit
    return _with(
        status,
        entry.updated(
            phase=FollowUpPhase(ended.phase.value),
            pushed_commit=ended.head_commit if has_pushed else None,
            finish_time=ended.finish_time or now,
            reason=None if said is None else said.reason,
            message=ended.message,
        ),
    )


def build_follow_up(run: Run, entry: FollowUp, context: str) -> Run:
    """Return the Run of a follow-up. Its finalizer keeps it until the ledger has its end."""
    status = run.status
    return Run(
        metadata=ObjectMeta(
            name=entry.run,
            namespace=run.namespace,
            labels={LABEL_ORIGIN_UID: run.uid},
            finalizers=(FINALIZER,),
        ),
        spec=RunSpec(
            workflow_ref=run.spec.workflow_ref,
            prompt=run.spec.prompt,
            title=f"Follow-up {entry.number} of Run {run.name}",
            repository_url=status.repository_url,
            base_branch=status.base_branch,
            base_commit=entry.head_commit,
            context=context,
            sprint=run.spec.sprint,
            origin=Origin(kind=run.kind, name=run.name, uid=run.uid, index=entry.number),
            follow_up=FollowUpTask(attempt=status.attempt),
        ),
    )


def _with(status: RunStatus, closed: FollowUp) -> RunStatus:
    entries = (closed if entry.number == closed.number else entry for entry in status.follow_ups)
    return status.updated(follow_ups=tuple(entries))
