"""What people are told of a task: an Event for each disposition, and a Notification when failures pause it."""

from __future__ import annotations

from collections.abc import Iterator

from codecourier.core.shared.intents import Event
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.recurring_task import Disposition, RecurringTask, RecurringTaskStatus, SlotRecord

__all__ = ["build_notifications", "events_of", "failed_runs"]

MOST_EVENTS = 5
"""Most slots that one plan reports by Events, the newest; the history has them all."""


def build_notifications(task: RecurringTask) -> tuple[Notification, ...]:
    """Return the Notifications that the written status calls for: of the present pause."""
    since, failures = task.status.paused_time, task.status.failures
    if since is None:
        return ()
    return (
        build_notification(
            task,
            NotificationType.TASK_PAUSED,
            since.strftime("%Y%m%d%H%M%S"),
            title=f"Task {task.name} is paused: {failed_runs(failures)} failed",
            message=sentence(Reason.PAUSED_BY_FAILURES, runs=failed_runs(failures)),
            event_time=since,
        ),
    )


def failed_runs(count: int) -> str:
    """Return the Runs that failed in a row, as words."""
    return "its last Run" if count == 1 else f"its last {count} Runs"


def events_of(old: RecurringTaskStatus, new: RecurringTaskStatus) -> tuple[Event, ...]:
    """Return an Event for each new disposition, and where the task became ready or not, or paused."""
    return (*_events_of_slots(old, new), *_events_of_state(old, new))


def _events_of_slots(old: RecurringTaskStatus, new: RecurringTaskStatus) -> Iterator[Event]:
    known = {_decision(record) for record in old.history}
    fresh = [record for record in new.history if _decision(record) not in known]
    for record in reversed(fresh[:MOST_EVENTS]):
        is_late = record.disposition is Disposition.MISSED or record.reason == Reason.STARTING_DEADLINE_EXCEEDED
        yield Event(record.disposition.value, record.message, is_warning=is_late)


def _decision(record: SlotRecord) -> tuple[object, ...]:
    return (record.slot, record.is_manual, record.disposition)


def _events_of_state(old: RecurringTaskStatus, new: RecurringTaskStatus) -> Iterator[Event]:
    before, after = old.condition(ConditionType.READY), new.condition(ConditionType.READY)
    if after is not None and (before is None or before.reason != after.reason):
        yield Event(after.reason, after.message, is_warning=after.status != ConditionStatus.TRUE)
    if old.paused_time is None and new.paused_time is not None:
        yield Event(Reason.PAUSED_BY_FAILURES.value, new.message, is_warning=True)
