"""The ledger of a chain's sprints: how an entry is opened, claimed and closed, and the Run that belongs to it."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, sprint_run_name
from codecourier.core.shared.notifications import build_notification
from codecourier.core.sprint_chain.context import build_context
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.run import Origin, Run, RunPhase, RunSpec, Sprint
from codecourier.resources.sprint_chain import (
    SprintChain,
    SprintChainPhase,
    SprintChainStatus,
    SprintPhase,
    SprintStatus,
)

__all__ = [
    "active_sprint",
    "begin_sprints",
    "build_sprint_chain_notifications",
    "build_sprint_run",
    "claim_sprint",
    "close_sprint",
    "close_unmade",
    "first_sprint_of_attempt",
    "next_sprint",
    "start_commit",
]

SUMMARY_LENGTH = 1024
"""How many characters of a Run's summary the ledger keeps."""

_RUN_TO_SPRINT = {
    RunPhase.COMPLETED: SprintPhase.COMPLETED,
    RunPhase.FAILED: SprintPhase.FAILED,
    RunPhase.CANCELLED: SprintPhase.CANCELLED,
}


def first_sprint_of_attempt(chain: SprintChain) -> int | None:
    """Return the index that the attempt asked for starts with: what was asked, else the first unfinished sprint.

    None: all sprints are finished, so that nothing is left to do.
    """
    if chain.spec.resume_from_sprint is not None:
        return chain.spec.resume_from_sprint
    if not chain.status.sprints:
        return 0
    done = {SprintPhase.COMPLETED, SprintPhase.OMITTED}
    return next((s.index for s in chain.status.sprints if s.phase not in done), None)


def begin_sprints(chain: SprintChain, first: int) -> tuple[SprintStatus, ...]:
    """Return the ledger that an attempt begins with.

    Sprints before `first` stay as they are if they were finished and are Omitted otherwise; the others start again.
    """
    numbers = range(chain.spec.sprint_range.first, chain.spec.sprint_range.last + 1)
    old = {sprint.index: sprint for sprint in chain.status.sprints}
    ledger = []
    for index, number in enumerate(numbers):
        kept = old.get(index)
        if index >= first:
            ledger.append(SprintStatus(index=index, number=number))
        elif kept is not None and kept.phase is SprintPhase.COMPLETED:
            ledger.append(kept)
        else:
            ledger.append(SprintStatus(index=index, number=number, phase=SprintPhase.OMITTED))
    return tuple(ledger)


def active_sprint(status: SprintChainStatus) -> SprintStatus | None:
    """Return the sprint that is Running, or None."""
    return next((s for s in status.sprints if s.phase is SprintPhase.RUNNING), None)


def next_sprint(status: SprintChainStatus) -> SprintStatus | None:
    """Return the first sprint that is Pending, or None."""
    return next((s for s in status.sprints if s.phase is SprintPhase.PENDING), None)


def start_commit(sprints: tuple[SprintStatus, ...], index: int) -> str | None:
    """Return the commit of the last finished sprint before this index, or None when there is none."""
    done = [s.head_commit for s in sprints[:index] if s.phase is SprintPhase.COMPLETED and s.head_commit]
    return done[-1] if done else None


def _pull_request_base(sprints: tuple[SprintStatus, ...], index: int) -> str | None:
    pushed = [s.branch for s in sprints[:index] if s.phase is SprintPhase.COMPLETED and s.branch]
    return pushed[-1] if pushed else None


def claim_sprint(chain: SprintChain, status: SprintChainStatus, index: int, now: datetime) -> SprintChainStatus:
    """Return the status in which this sprint is Running."""
    claimed = status.sprints[index].updated(
        phase=SprintPhase.RUNNING,
        attempt=status.attempt,
        run=sprint_run_name(chain.name, chain.uid, index, status.attempt),
        base_commit=start_commit(status.sprints, index) or status.base_commit,
        pull_request_base=_pull_request_base(status.sprints, index),
        start_time=now,
    )
    return _replaced(status, claimed).updated(current_sprint_index=index)


def close_sprint(status: SprintChainStatus, sprint: SprintStatus, run: Run, now: datetime) -> SprintChainStatus:
    """Return the status with the end of a sprint in the ledger."""
    ended = run.status
    phase = _RUN_TO_SPRINT[ended.phase]
    pull_request = ended.pull_request
    has_pushed = pull_request is not None and pull_request.phase.exists
    closed = sprint.updated(
        phase=phase,
        head_commit=ended.head_commit if phase is SprintPhase.COMPLETED else None,
        branch=ended.branch if has_pushed and phase is SprintPhase.COMPLETED else None,
        pull_request=pull_request.phase if pull_request is not None else None,
        pull_request_number=pull_request.number if pull_request is not None else None,
        pull_request_url=pull_request.url if pull_request is not None else None,
        summary=_summary(run),
        finish_time=ended.finish_time or now,
        message=ended.message,
    )
    new = _replaced(status, closed)
    return new.updated(completed_sprints=sum(s.phase is SprintPhase.COMPLETED for s in new.sprints))


def close_unmade(
    status: SprintChainStatus, sprint: SprintStatus, phase: SprintPhase, message: str, now: datetime
) -> SprintChainStatus:
    """Return the status with the end of a sprint in the ledger whose Run was never made."""
    return _replaced(status, sprint.updated(phase=phase, finish_time=now, message=message))


def _summary(run: Run) -> str | None:
    text = run.status.summary or run.status.title
    if text is None or len(text) <= SUMMARY_LENGTH:
        return text
    return text[: SUMMARY_LENGTH - 1] + "…"


def _replaced(status: SprintChainStatus, sprint: SprintStatus) -> SprintChainStatus:
    sprints = tuple(sprint if s.index == sprint.index else s for s in status.sprints)
    return status.updated(sprints=sprints)


def build_sprint_run(chain: SprintChain, status: SprintChainStatus, sprint: SprintStatus) -> Run:
    """Return the Run of a sprint that is claimed. Its finalizer keeps it until the ledger has its end."""
    return Run(
        metadata=ObjectMeta(
            name=sprint_run_name(chain.name, chain.uid, sprint.index, sprint.attempt),
            namespace=chain.namespace,
            labels={LABEL_ORIGIN_UID: chain.uid},
            finalizers=(FINALIZER,),
        ),
        spec=RunSpec(
            workflow_ref=chain.spec.workflow_ref,
            prompt=chain.spec.prompt,
            repository_url=status.repository_url,
            base_branch=status.base_branch,
            base_commit=sprint.base_commit,
            pull_request_base=sprint.pull_request_base,
            context=build_context(status.sprints, sprint.index),
            sprint=Sprint(number=sprint.number, index=sprint.index, count=len(status.sprints)),
            origin=Origin(kind=chain.kind, name=chain.name, uid=chain.uid, index=sprint.index),
        ),
    )


def build_sprint_chain_notifications(chain: SprintChain, status: SprintChainStatus) -> tuple[Notification, ...]:
    """Return every Notification that the status calls for, a function of the status alone."""
    made = [n for sprint in status.sprints if (n := _sprint_notification(chain, sprint)) is not None]
    which = f"a{status.attempt}"
    time = status.finish_time
    has_worked = any(s.attempt == status.attempt for s in status.sprints)
    if time is not None and status.phase is SprintChainPhase.COMPLETED and has_worked:
        title = f"All {len(status.sprints)} sprints of {chain.name} are completed"
        last_time = max((s.finish_time for s in status.sprints if s.finish_time is not None), default=time)
        made.append(
            build_notification(
                chain,
                NotificationType.WORKFLOW_COMPLETED,
                which,
                title=title,
                message=status.message,
                event_time=last_time,
            )
        )
    if time is not None and status.phase is SprintChainPhase.CANCELLED:
        title = f"Chain {chain.name} was cancelled"
        made.append(
            build_notification(
                chain,
                NotificationType.CHAIN_CANCELLED,
                which,
                title=title,
                message=status.message,
                event_time=time,
            )
        )
    return tuple(made)


def _sprint_notification(chain: SprintChain, sprint: SprintStatus) -> Notification | None:
    types = {
        SprintPhase.COMPLETED: (NotificationType.SPRINT_COMPLETED, "is completed"),
        SprintPhase.FAILED: (NotificationType.SPRINT_FAILED, "failed"),
        SprintPhase.CANCELLED: (NotificationType.SPRINT_FAILED, "was cancelled"),
    }
    if sprint.phase not in types or sprint.finish_time is None:
        return None
    type_, words = types[sprint.phase]
    return build_notification(
        chain,
        type_,
        f"s{sprint.index}-a{sprint.attempt}",
        title=f"Sprint {sprint.number} of {chain.name} {words}",
        message=sprint.message or "",
        event_time=sprint.finish_time,
        run=sprint.run,
        pr_url=sprint.pull_request_url,
    )
