"""Nights in which the clocks of a zone change, for scenarios whose own clock goes over such a change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from codecourier.kube.api import Json
from codecourier.zones import find_zone

__all__ = ["NIGHTS", "Night", "begin_of", "count_stops", "schedule_of", "seconds_to_next"]

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_LEAD = timedelta(seconds=5)
"""How long before a time of interest a jump of the clock ends."""


@dataclass(frozen=True)
class Night:
    """A day on which clocks change, and when the tasks of a scenario are due."""

    zone: str
    day: date
    times: tuple[time, ...]
    """By the number of the task."""

    frequency: str = "Daily"

    slots: int = 4
    """How many the first task has from the day before to the second day after."""


def _night(zone: str, day: str, *times: str, frequency: str = "Daily", slots: int = 4) -> Night:
    return Night(zone, date.fromisoformat(day), tuple(map(time.fromisoformat, times)), frequency, slots)


NIGHTS = (
    _night("America/Chicago", "2026-03-08", "02:30", "02:00", "03:00"),
    _night("America/Chicago", "2026-11-01", "01:30", "01:00", "02:00"),
    _night("Europe/Berlin", "2026-03-29", "02:59", "01:59", "03:00"),
    _night("Europe/Berlin", "2026-10-25", "02:30", "02:00", "03:00"),
    _night("Australia/Lord_Howe", "2026-10-04", "02:15", "02:00", "02:30"),
    _night("Australia/Lord_Howe", "2026-04-05", "01:45", "01:30", "02:00"),
    _night("Africa/Casablanca", "2026-02-15", "02:30", "02:00", "03:00"),
    _night("Africa/Casablanca", "2026-03-22", "02:30", "02:00", "03:00"),
    _night("Africa/Cairo", "2026-04-24", "00:30", "00:00", "23:30"),
    _night("Africa/Cairo", "2026-10-30", "23:30", "23:00", "00:00"),
    _night("Pacific/Apia", "2011-12-30", "12:00", "00:00", "23:59", slots=3),
    _night("Pacific/Apia", "2011-12-30", "12:00", "00:00", frequency="EveryOtherDay", slots=2),
    _night("Pacific/Kwajalein", "1993-08-21", "12:00", "00:00", "23:59", slots=3),
)
"""Gaps and overlaps of an hour and of half an hour, at midnight, and days that were skipped. The first task is due at a
time that clocks skip or show twice, the others at the edges."""


@lru_cache
def _stops(night: Night) -> tuple[datetime, ...]:
    """Return each instant at which clocks change or by their old or new offset show a task's time, ascending."""
    zone = find_zone(night.zone)
    assert zone is not None
    first = datetime.combine(night.day, time(), UTC) - 2 * _DAY
    minutes = [first + number * _MINUTE for number in range(4 * _DAY // _MINUTE)]
    offsets = [minute.astimezone(zone).utcoffset() for minute in minutes]
    changes = {minutes[i] for i in range(1, len(minutes)) if offsets[i] != offsets[i - 1]}
    shown = {
        datetime.combine(night.day + days * _DAY, at, zone).replace(fold=fold).astimezone(UTC)
        for days in range(-1, 3)
        for at in night.times
        for fold in (0, 1)
    }
    return tuple(sorted(changes | shown))


def begin_of(night: Night) -> datetime:
    """Return when a scenario begins: a minute before the first slot of the day before."""
    return _stops(night)[0] - _MINUTE


def count_stops(night: Night) -> int:
    """Return how many times of interest a night has."""
    return len(_stops(night))


def seconds_to_next(night: Night | None, now: datetime, count: int) -> float:
    """Return by how much a clock jumps so that it is shortly before the next time of interest, or a later one.

    Parameters
    ----------
    night
        The night; None: midnight in UTC is of interest.
    now
        What the clock shows.
    count
        1: the next one; 2: the one after it; and so on. No jump where none is left.
    """
    if night is None:
        return (now.replace(hour=0, minute=0, second=0, microsecond=0) + count * _DAY - _LEAD - now).total_seconds()
    ahead = [stop for stop in _stops(night) if stop > now + _LEAD]
    return (ahead[min(count, len(ahead)) - 1] - _LEAD - now).total_seconds() if ahead else 0.0


def schedule_of(night: Night | None, number: int) -> Json:
    """Return the fields of a task's schedule, by the number of the task."""
    if night is None:
        return {"frequency": "Daily", "timeZone": "UTC", "hour": 0, "minute": 1 + number}
    at = night.times[number % len(night.times)]
    return {"frequency": night.frequency, "timeZone": night.zone, "hour": at.hour, "minute": at.minute}
