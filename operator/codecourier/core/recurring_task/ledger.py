"""The ledger of a task: what became of its slots, which of its Runs are unfinished, how the last ones ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from codecourier.core.shared.reasons import Reason
from codecourier.resources.recurring_task import (
    MOST_RECORDS,
    ActiveRun,
    Disposition,
    RecurringTaskStatus,
    SlotRecord,
    SlotTotals,
)
from codecourier.resources.run import Run, RunPhase

__all__ = ["close_runs", "give_up_run", "record_fired", "record_unfired"]


def record_unfired(
    status: RecurringTaskStatus, slots: Sequence[datetime], build: Callable[[datetime], SlotRecord]
) -> RecurringTaskStatus:
    """Return the status in which slots have their disposition, all the same one, and no Run.

    Parameters
    ----------
    status
        The status so far.
    slots
        The slots, oldest first. There are thousands after a clock was years ahead.
    build
        Makes the record of a slot; called for those only that the history keeps.
    """
    if not slots:
        return status
    records = tuple(build(slot) for slot in slots[-MOST_RECORDS:])
    newest = records[-1]
    status = status.updated(
        history=(*reversed(records), *status.history)[:MOST_RECORDS],
        totals=_counted(status.totals, newest, len(slots)),
    )
    return status if newest.is_manual else status.updated(settled_time=newest.slot, catch_up_time=None)


def record_fired(status: RecurringTaskStatus, record: SlotRecord, run: str, now: datetime) -> RecurringTaskStatus:
    """Return the status that claims the Run of a slot, or of a user's wish."""
    active = ActiveRun(run=run, slot=record.slot, is_manual=record.is_manual, claim_time=now)
    fired = status.updated(
        history=(record.updated(run=run), *status.history)[:MOST_RECORDS],
        totals=_counted(status.totals, record),
        active=(*status.active, active),
        last_run_time=now,
    )
    return fired if record.is_manual else fired.updated(settled_time=record.slot, catch_up_time=None)


def close_runs(status: RecurringTaskStatus, runs: Iterable[Run]) -> RecurringTaskStatus:
    """Return the status with the ends of those of these Runs whose end was awaited."""
    awaited = {active.run for active in status.active}
    ended = [run for run in runs if run.name in awaited and run.status.phase.is_finished]
    for run in sorted(ended, key=_end_time):
        status = _close(status, run.name, run.status.phase)
    return status


def give_up_run(status: RecurringTaskStatus, active: ActiveRun, reason: Reason, message: str) -> RecurringTaskStatus:
    """Return the status in which the slot of a Run that was never made is Skipped."""
    totals = status.totals
    history = tuple(
        record.updated(disposition=Disposition.SKIPPED, reason=reason.value, message=message, run=None)
        if record.run == active.run
        else record
        for record in status.history
    )
    if not active.is_manual:
        totals = totals.updated(fired=totals.fired - 1, skipped=totals.skipped + 1)
    return _without_active(status, active.run).updated(history=history, totals=totals)


def _close(status: RecurringTaskStatus, run: str, phase: RunPhase) -> RecurringTaskStatus:
    history = tuple(record.updated(result=phase) if record.run == run else record for record in status.history)
    # A cancelled Run says nothing about the task: a user or a newer slot stopped it.
    failures = {RunPhase.COMPLETED: 0, RunPhase.FAILED: status.failures + 1}.get(phase, status.failures)
    return _without_active(status, run).updated(history=history, last_result=phase, failures=failures)


def _without_active(status: RecurringTaskStatus, run: str) -> RecurringTaskStatus:
    return status.updated(
        active=tuple(active for active in status.active if active.run != run),
        stopping=tuple(name for name in status.stopping if name != run),
    )


def _counted(totals: SlotTotals, record: SlotRecord, count: int = 1) -> SlotTotals:
    if record.is_manual:
        return totals.updated(manual=totals.manual + count) if record.disposition is Disposition.FIRED else totals
    name = record.disposition.value.lower()
    return totals.updated(**{name: getattr(totals, name) + count})


def _end_time(run: Run) -> tuple[bool, datetime | None, str]:
    return (run.status.finish_time is None, run.status.finish_time, run.name)
