"""A Run that a user asks for now, by an annotation."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.recurring_task.holds import read_wish
from codecourier.core.recurring_task.ledger import record_fired, record_unfired
from codecourier.core.recurring_task.records import fired, skipped
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import grace_end
from codecourier.core.shared.naming import ANNOTATION_RUN_NOW, task_run_name
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.recurring_task import MOST_ACTIVE, RecurringTask, RecurringTaskStatus

__all__ = ["run_now"]


def run_now(
    task: RecurringTask, status: RecurringTaskStatus, problem: Problem | None, now: datetime
) -> RecurringTaskStatus:
    """Return the status that claims the Run which a new value of the annotation asks for, or says why there is none.

    A user who asks means it: neither a suspension nor an unfinished Run stands in the way. What the task names may come
    after it, so a new task waits for that before it says no.
    """
    wish = read_wish(task, ANNOTATION_RUN_NOW)
    if not wish or wish == status.handled_run_now:
        return status
    if problem is not None and now < grace_end(task, now):
        return status
    status = status.updated(handled_run_now=wish)
    time = _own_second(status, now)
    if problem is not None:
        return record_unfired(
            status, (time,), lambda slot: skipped(slot, problem.reason, problem.message, now, is_manual=True)
        )
    if len(status.active) >= MOST_ACTIVE:
        text = sentence(
            Reason.OVERLAP,
            slot="that a user asked for",
            what=f"{len(status.active)} Runs of the task are not finished, which is the most that a task may have",
        )
        return record_unfired(status, (time,), lambda slot: skipped(slot, Reason.OVERLAP, text, now, is_manual=True))
    run = task_run_name(task.name, task.uid, time, is_manual=True)
    text = sentence(Reason.MANUAL, run=run)
    return record_fired(status, fired(time, Reason.MANUAL, text, now, is_manual=True), run, now)


def _own_second(status: RecurringTaskStatus, now: datetime) -> datetime:
    """Return the present second, or the one after that of the last such Run: names have seconds."""
    present = now.replace(microsecond=0)
    last = max((record.slot for record in status.history if record.is_manual), default=None)
    return present if last is None else max(present, last + timedelta(seconds=1))
