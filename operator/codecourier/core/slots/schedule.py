"""Slots: the instants at which a schedule is due.

A schedule counts **local calendar days** from its anchor, the day of its first slot, so its rhythm never drifts: not
over changes of a zone's offset, ends of months and years, leap days or restarts. Each due day that exists in the zone
has exactly one slot, at the schedule's hour and minute:

- a time in a gap has its slot at the first instant after the gap;
- a time in an overlap has its slot at its first occurrence;
- a day that the zone skips has none, and the days after it keep their rhythm.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import takewhile

from codecourier.core.slots.wall_clock import first_instant, has_day, wall_time
from codecourier.resources.recurring_task import Frequency

__all__ = ["Pins", "Schedule", "find_anchor", "next_slot", "slots_between"]

_DAY = timedelta(days=1)
_MONTHS = 12
_WEEK = 7


_PERIODS = {Frequency.DAILY: 1, Frequency.EVERY_OTHER_DAY: 2, Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}
"""Days from one due day to the next."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due."""

    frequency: Frequency
    time: time
    """Hour and minute that a clock of the zone shows."""

    zone: tzinfo
    anchor: date
    """The first due day. The days of all others follow from it."""

    day_of_month: int
    """Day on which a monthly schedule is due, 1 to 31; shorter months have it on their last day. Others ignore it."""


@dataclass(frozen=True, slots=True)
class Pins:
    """What a user pins of the anchor; None: it follows from the time at which the schedule begins."""

    start_date: date | None = None
    """The first day that may be due."""

    day_of_week: int | None = None
    """Weekday of the due days, 1 (Monday) to 7 (Sunday), as in ISO 8601; for Weekly and Biweekly."""

    day_of_month: int | None = None
    """Day of the month, 1 to 31; for Monthly."""


def find_anchor(frequency: Frequency, at: time, zone: tzinfo, pins: Pins, since: datetime) -> Schedule:
    """Return the schedule that begins at an instant: its anchor is the first due day that fits the pins.

    Without a start date that day's slot comes after `since`. With one, the anchor does not depend on `since` at all, so
    a schedule that is declared again counts as before.
    """
    earliest = pins.start_date or _first_day_after(since, at, zone)
    if frequency is Frequency.MONTHLY:
        day = pins.day_of_month or earliest.day
        anchor = next(_days_of_months(earliest, day))
        return Schedule(frequency, at, zone, anchor, day)
    if pins.day_of_week is not None and frequency in {Frequency.WEEKLY, Frequency.BIWEEKLY}:
        earliest += (pins.day_of_week - earliest.isoweekday()) % _WEEK * _DAY
    return Schedule(frequency, at, zone, earliest, earliest.day)


def next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first slot after an instant, in UTC; None: there is none before the year 9999 ends."""
    return next(_slots_after(schedule, after), None)


def slots_between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots after one instant up to and including another, ascending, in UTC. Costs O(slots)."""
    return takewhile(lambda slot: slot <= until, _slots_after(schedule, after))


def _slots_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    # A gap at the end of a day puts its slot into the next day, so the day before may still have one to come.
    start = _safely_before(wall_time(after, schedule.zone).date())
    try:
        for day in _due_days(schedule, start):
            slot = first_instant(datetime.combine(day, schedule.time), schedule.zone)
            if slot > after and has_day(day, schedule.zone):
                yield slot
    except OverflowError:
        return  # the calendar ends


def _due_days(schedule: Schedule, start: date) -> Iterator[date]:
    """Yield the due days from a day on, whether they exist in the zone or not."""
    start = max(start, schedule.anchor)
    if schedule.frequency is Frequency.MONTHLY:
        yield from _days_of_months(start, schedule.day_of_month)
        return
    period = _PERIODS[schedule.frequency]
    day = start + (schedule.anchor - start).days % period * _DAY
    while True:
        yield day
        day += period * _DAY


def _days_of_months(start: date, day_of_month: int) -> Iterator[date]:
    """Yield a day of each month, or the month's last day where it has no such day, from a day on."""
    months = start.year * _MONTHS + start.month - 1
    while True:
        year, month = divmod(months, _MONTHS)
        if year > date.max.year:
            raise OverflowError("the calendar ends")
        day = date(year, month + 1, min(day_of_month, monthrange(year, month + 1)[1]))
        if day >= start:
            yield day
        months += 1


def _first_day_after(since: datetime, at: time, zone: tzinfo) -> date:
    """Return the first day whose time comes after an instant."""
    day = _safely_before(wall_time(since, zone).date())
    while not (has_day(day, zone) and first_instant(datetime.combine(day, at), zone) > since.astimezone(UTC)):
        day += _DAY
    return day


def _safely_before(day: date) -> date:
    return day if day == date.min else day - _DAY
