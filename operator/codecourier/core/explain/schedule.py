"""Why slots of a RecurringTask did not run: the dispositions in its history."""

from __future__ import annotations

from collections.abc import Iterator

from codecourier.core.explain.explanation import Cause, Subject
from codecourier.core.explain.steps import find_next_step
from codecourier.resources.recurring_task import Disposition, RecurringTask

__all__ = ["MOST_SLOTS", "explain_slots"]

MOST_SLOTS = 5
"""Most slots that did not fire and are explained, the newest."""


def explain_slots(task: RecurringTask) -> Iterator[Cause]:
    """Yield why the last slots that made no Run made none, newest first; `since` is the slot."""
    unfired = [record for record in task.status.history if record.disposition is not Disposition.FIRED]
    for record in unfired[:MOST_SLOTS]:
        yield Cause(record.reason, record.message, find_next_step(record.reason), Subject.of(task), record.slot)
