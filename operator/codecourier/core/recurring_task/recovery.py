"""Slots whose Runs are there although the ledger does not know them: the status was lost, or restored from a backup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from codecourier.core.recurring_task.due import show_slot
from codecourier.core.recurring_task.ledger import close_runs, record_fired, record_unfired
from codecourier.core.recurring_task.records import fired, missed
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.slots.schedule import Schedule, slots_between
from codecourier.resources.recurring_task import RecurringTaskStatus
from codecourier.resources.run import Run

__all__ = ["adopt_runs"]


def adopt_runs(
    status: RecurringTaskStatus, schedule: Schedule, runs: Iterable[Run], now: datetime
) -> RecurringTaskStatus:
    """Return the status in which each unsettled slot that has a Run is Fired, and those before it are Missed.

    A slot is claimed before its Run is made, so there are such Runs only if the status went back since.
    """
    settled = status.settled_time or now
    made = {
        run.spec.scheduled_for: run
        for run in runs
        if run.spec.scheduled_for is not None and settled < run.spec.scheduled_for <= now
    }
    if not made:
        return status
    for slot in slots_between(schedule, settled, max(made)):
        status = _adopt(status, slot, schedule, made.get(slot), now)
    return status


def _adopt(
    status: RecurringTaskStatus, slot: datetime, schedule: Schedule, run: Run | None, now: datetime
) -> RecurringTaskStatus:
    shown, reason = show_slot(slot, schedule), Reason.RECOVERED
    if run is None:
        what = "whether it fired is not known any more, because the status was lost or restored"
        text = sentence(reason, slot=shown, what=what)
        return record_unfired(status, (slot,), lambda slot: missed(slot, reason, text, now))
    what = f"it had fired Run {run.name} before the status was lost or restored"
    record = fired(slot, reason, sentence(reason, slot=shown, what=what), now)
    claimed = record_fired(status, record, run.name, run.metadata.creation_timestamp or now)
    return close_runs(claimed, (run,))
