"""What a clock on the wall of a time zone shows, and when it first shows something.

Zones change their offset: a clock jumps forward over a *gap*, or back so that an *overlap* is shown twice. A zone that
crosses the date line skips or repeats a whole day (Pacific/Apia has no 2011-12-30).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo

__all__ = ["first_instant", "has_day", "wall_time"]

_SECOND = timedelta(seconds=1)


def wall_time(instant: datetime, zone: tzinfo) -> datetime:
    """Return what a clock of the zone shows at an instant, without a zone."""
    return instant.astimezone(zone).replace(tzinfo=None)


def first_instant(shown: datetime, zone: tzinfo) -> datetime:
    """Return when a clock of the zone first shows a time, in UTC; for a time in a gap: the first instant after the gap.

    Parameters
    ----------
    shown
        What the clock shows: a date and a time to the second, without a zone.
    zone
        The time zone.

    Raises
    ------
    OverflowError
        If the instant lies outside the years 1 to 9999.
    """
    by_old_offset = shown.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall_time(by_old_offset, zone) == shown:
        return by_old_offset
    by_new_offset = shown.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _end_of_gap(by_new_offset, by_old_offset, shown, zone)


def has_day(day: date, zone: tzinfo) -> bool:
    """Tell whether clocks of the zone ever show a day."""
    return wall_time(first_instant(datetime.combine(day, time()), zone), zone).date() == day


def _end_of_gap(before: datetime, after: datetime, shown: datetime, zone: tzinfo) -> datetime:
    """Return the first instant after `before`, at most `after`, at which a clock shows `shown` or more.

    A time in a gap comes after the jump by the old offset and before it by the new one (PEP 495), so both bound it.
    """
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if wall_time(middle, zone) < shown:
            before = middle
        else:
            after = middle
    return after
