"""What becomes of the slots that are due: each gets exactly one disposition.

| the task | slots before the last one that is due | the last one |
|---|---|---|
| is or was suspended or paused | Skipped | Skipped |
| names something that is missing | Missed | waits; Skipped at its deadline |
| has an unfinished Run, policy Forbid | Missed | Skipped |
| otherwise | Missed | Fired, Missed after its deadline |

The schedule's own times are settled: jitter and catching up only delay the decision. A slot that comes more than
`LATE_AFTER` late waits a little longer, for a time that follows from the task's UID: after the operator was down, many
tasks are late at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from codecourier.core.recurring_task.anchoring import jitter_of, stable_share
from codecourier.core.recurring_task.ledger import record_fired, record_unfired
from codecourier.core.recurring_task.records import fired, missed, skipped
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.naming import task_run_name
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.slots.schedule import Schedule, slots_between
from codecourier.resources.recurring_task import (
    MOST_ACTIVE,
    ConcurrencyPolicy,
    RecurringTask,
    RecurringTaskStatus,
    SlotRecord,
)

__all__ = ["CATCH_UP_SECONDS", "LATE_AFTER", "Hold", "settle_due", "settle_replaced_schedule", "show_slot"]

LATE_AFTER = timedelta(seconds=30)
"""How late a slot may come before it counts as late."""

CATCH_UP_SECONDS = 60.0
"""Over how many seconds, at most, late slots of different tasks are spread."""


@dataclass(frozen=True)
class Hold:
    """Why a task fires nothing."""

    reason: Reason
    message: str


def show_slot(slot: datetime, schedule: Schedule) -> str:
    """Return a slot as people read it: in the schedule's own zone."""
    return f"{slot.astimezone(schedule.zone):%Y-%m-%d %H:%M} ({schedule.zone})"


def settle_due(
    task: RecurringTask,
    status: RecurringTaskStatus,
    schedule: Schedule,
    hold: Hold | None,
    problem: Problem | None,
    now: datetime,
) -> tuple[RecurringTaskStatus, datetime | None]:
    """Return the status in which every slot that is due and can be decided has its disposition.

    Parameters
    ----------
    task
        The task.
    status
        Its status so far.
    schedule
        Its schedule.
    hold
        Why it fires nothing now, or fired nothing until now; None: it fires.
    problem
        What it lacks to make a Run; None: nothing.
    now
        The time.

    Returns
    -------
    tuple
        The status, and when a slot that still waits is to be looked at again.
    """
    settled = status.settled_time or now
    due = tuple(slots_between(schedule, settled, now - jitter_of(task)))
    if not due:
        return status, None
    if hold is not None:
        return record_unfired(status, due, lambda slot: skipped(slot, hold.reason, hold.message, now)), None
    last = due[-1]
    status = record_unfired(status, due[:-1], lambda slot: _superseded(slot, last, schedule, now))
    return _decide(task, status, last, schedule, problem, now)


def settle_replaced_schedule(status: RecurringTaskStatus, schedule: Schedule, now: datetime) -> RecurringTaskStatus:
    """Return the status in which slots of a replaced schedule that the operator did not come to are Missed."""
    due = tuple(slots_between(schedule, status.settled_time or now, now))
    reason = Reason.SCHEDULE_CHANGED

    def build(slot: datetime) -> SlotRecord:
        return missed(slot, reason, sentence(reason, slot=show_slot(slot, schedule)), now)

    return record_unfired(status, due, build)


def _decide(
    task: RecurringTask,
    status: RecurringTaskStatus,
    slot: datetime,
    schedule: Schedule,
    problem: Problem | None,
    now: datetime,
) -> tuple[RecurringTaskStatus, datetime | None]:
    time = slot + jitter_of(task)
    deadline = time + timedelta(seconds=task.spec.starting_deadline_seconds)
    if now > deadline:
        return record_unfired(status, (slot,), lambda slot: _expired(task, slot, schedule, problem, now)), None
    if problem is not None:
        return status, deadline + timedelta(microseconds=1)
    if overlap := _find_overlap(task, status, slot, schedule):
        return record_unfired(status, (slot,), lambda slot: skipped(slot, Reason.OVERLAP, overlap, now)), None
    if now - time > LATE_AFTER:
        catch_up = status.catch_up_time or now + _catch_up_delay(task, deadline - now)
        if now < catch_up:
            return status.updated(catch_up_time=catch_up), catch_up
    return _fire(task, status, slot, schedule, now), None


def _fire(
    task: RecurringTask, status: RecurringTaskStatus, slot: datetime, schedule: Schedule, now: datetime
) -> RecurringTaskStatus:
    run = task_run_name(task.name, task.uid, slot, is_manual=False)
    late = now - slot - jitter_of(task)
    reason = Reason.LATE if late > LATE_AFTER else Reason.ON_TIME
    text = sentence(reason, slot=show_slot(slot, schedule), run=run, seconds=int(late.total_seconds()))
    record = fired(slot, reason, text, now)
    if task.spec.concurrency_policy is ConcurrencyPolicy.REPLACE:
        status = status.updated(stopping=tuple(active.run for active in status.active))
    return record_fired(status, record, run, now)


def _find_overlap(task: RecurringTask, status: RecurringTaskStatus, slot: datetime, schedule: Schedule) -> str:
    """Return why a slot may not fire beside unfinished Runs, as a sentence; empty: it may."""
    active = status.active
    policy = task.spec.concurrency_policy
    if not active or (policy is not ConcurrencyPolicy.FORBID and len(active) < MOST_ACTIVE):
        return ""
    if policy is ConcurrencyPolicy.FORBID:
        what = f"Run {active[-1].run} is not finished and spec.concurrencyPolicy is Forbid"
    else:
        what = f"{len(active)} Runs of the task are not finished, which is the most that a task may have"
    return sentence(Reason.OVERLAP, slot=show_slot(slot, schedule), what=what)


def _catch_up_delay(task: RecurringTask, left: timedelta) -> timedelta:
    return stable_share(task, "catch up") * min(timedelta(seconds=CATCH_UP_SECONDS), left / 2)


def _expired(
    task: RecurringTask, slot: datetime, schedule: Schedule, problem: Problem | None, now: datetime
) -> SlotRecord:
    """Return the record of a slot after its deadline: Skipped if something was missing, else Missed."""
    detail = problem.message if problem is not None else "The operator was not running, or was busy."
    text = sentence(
        Reason.STARTING_DEADLINE_EXCEEDED,
        slot=show_slot(slot, schedule),
        seconds=task.spec.starting_deadline_seconds,
        detail=detail,
    )
    return (missed if problem is None else skipped)(slot, Reason.STARTING_DEADLINE_EXCEEDED, text, now)


def _superseded(slot: datetime, newer: datetime, schedule: Schedule, now: datetime) -> SlotRecord:
    text = sentence(Reason.SUPERSEDED, slot=show_slot(slot, schedule), newer=show_slot(newer, schedule))
    return missed(slot, Reason.SUPERSEDED, text, now)
