"""The schedule of a task: what its slots are counted from, and for how long."""

from __future__ import annotations

import hashlib
from datetime import datetime, time, timedelta, tzinfo

from codecourier.core.slots.schedule import Pins, Schedule, find_anchor
from codecourier.resources.recurring_task import Anchor, RecurringTask, RecurringTaskSpec

__all__ = ["begin_schedule", "is_current", "jitter_of", "schedule_of", "stable_share"]


def begin_schedule(spec: RecurringTaskSpec, zone: tzinfo, now: datetime) -> Anchor:
    """Return the anchor of a schedule that begins now."""
    pins = Pins(spec.start_date, spec.day_of_week, spec.day_of_month)
    schedule = find_anchor(spec.frequency, time(spec.hour, spec.minute), zone, pins, now)
    return Anchor(
        frequency=spec.frequency,
        time_zone=spec.time_zone,
        hour=spec.hour,
        minute=spec.minute,
        start_date=spec.start_date,
        day_of_week=spec.day_of_week,
        day_of_month=spec.day_of_month,
        date=schedule.anchor,
        day=schedule.day_of_month,
    )


def is_current(anchor: Anchor, spec: RecurringTaskSpec) -> bool:
    """Tell whether an anchor was found by the fields that the spec has now."""
    return _fields(anchor) == _fields(spec)


def _fields(of: Anchor | RecurringTaskSpec) -> tuple[object, ...]:
    return (of.frequency, of.time_zone, of.hour, of.minute, of.start_date, of.day_of_week, of.day_of_month)


def schedule_of(anchor: Anchor, zone: tzinfo) -> Schedule:
    """Return the schedule of an anchor in its zone."""
    return Schedule(anchor.frequency, time(anchor.hour, anchor.minute), zone, anchor.date, anchor.day)


def jitter_of(task: RecurringTask) -> timedelta:
    """Return how long after its slots a task fires, always the same: whole seconds, 0 to `spec.jitterSeconds`."""
    return timedelta(seconds=int(stable_share(task, "jitter") * (task.spec.jitter_seconds + 1)))


def stable_share(task: RecurringTask, purpose: str) -> float:
    """Return a number from 0 to below 1 that follows from the UID: spread over tasks, the same for each."""
    digest = hashlib.sha256(f"{purpose} {task.uid}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
