"""A task as a line of a timetable: what `kubectl get recurringtask` shows of its schedule."""

from __future__ import annotations

from datetime import datetime, tzinfo

from codecourier.core.slots.wall_clock import wall_time
from codecourier.resources.recurring_task import Anchor, Frequency

__all__ = ["show_local_time", "show_time_of_day"]

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_OF_A_WEEKDAY = frozenset({Frequency.WEEKLY, Frequency.BIWEEKLY})


def show_time_of_day(anchor: Anchor) -> str:
    """Return when a task is due on its days, such as `08:05`, `Sunday 08:05` or `day 31 08:05`."""
    at = f"{anchor.hour:02}:{anchor.minute:02}"
    if anchor.frequency in _OF_A_WEEKDAY:
        return f"{_WEEKDAYS[anchor.date.weekday()]} {at}"
    return f"day {anchor.day} {at}" if anchor.frequency is Frequency.MONTHLY else at


def show_local_time(time: datetime, zone: tzinfo) -> str:
    """Return what a clock of the zone shows at a time, such as `Sun 2026-03-08 08:05`."""
    wall = wall_time(time, zone)
    return f"{_WEEKDAYS[wall.weekday()][:3]} {wall:%Y-%m-%d %H:%M}"
