"""Slots found by walking through time minute by minute: slow, obvious, and without code of the library."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import accumulate

__all__ = ["Walk", "is_due", "walk_slots"]

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Walk:
    """Every minute from one instant to another, and the latest time that a clock on the wall has shown until then."""

    instants: tuple[datetime, ...]
    latest: tuple[datetime, ...]
    days: frozenset[date]
    """The days that the clock showed."""

    @classmethod
    def through(cls, start: datetime, end: datetime, zone: tzinfo) -> Walk:
        """Walk from an instant to another, both on a full minute."""
        count = (end - start) // _MINUTE + 1
        instants = tuple(start + i * _MINUTE for i in range(count))
        shown = [instant.astimezone(zone).replace(tzinfo=None) for instant in instants]
        return cls(instants, tuple(accumulate(shown, max)), frozenset(wall.date() for wall in shown))

    def first(self, wall: datetime) -> datetime:
        """Return the first instant by which the clock has shown a time or one after it."""
        return self.instants[bisect_left(self.latest, wall)]


def is_due(frequency: str, anchor: date, day_of_month: int, day: date) -> bool:
    """Tell whether a schedule is due on a day, by its definition in words."""
    if day < anchor:
        return False
    if frequency == "Monthly":
        is_last = (day + _DAY).month != day.month
        return day.day == day_of_month or (is_last and day.day < day_of_month)
    every: dict[str, Callable[[int], bool]] = {
        "Daily": lambda _: True,
        "EveryOtherDay": lambda days: days % 2 == 0,
        "Weekly": lambda days: days % 7 == 0,
        "Biweekly": lambda days: days % 14 == 0,
    }
    return every[frequency]((day - anchor).days)


def walk_slots(walk: Walk, at: time, due: Callable[[date], bool]) -> Iterator[datetime]:
    """Yield the slots of the due days that the walk shows whole: not of its first two days, nor of its last two."""
    first, last = min(walk.days) + 2 * _DAY, max(walk.days) - 2 * _DAY
    day = first
    while day <= last:
        if due(day) and day in walk.days:
            yield walk.first(datetime.combine(day, at)).astimezone(UTC)
        day += _DAY
