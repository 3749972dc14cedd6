"""Every change of every zone's offset, and what the library says about the minutes around it.

`python -m tests.core.slots.transitions` checks all of them (a few minutes); the test takes a sample.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from codecourier.core.slots.wall_clock import first_instant, has_day
from codecourier.zones import find_zone, zone_names
from tests.core.slots.oracle import Walk

__all__ = ["Count", "Transition", "check_transitions", "distinct_zones", "find_transitions"]

START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
AROUND = timedelta(hours=3)
"""How far from the change the checked times are."""

_WALKED = timedelta(hours=8)
"""How far around it the oracle walks, beside the jump itself."""

_STEP = timedelta(days=7)
"""Less than there ever is between the two changes of a year that a rule knows."""

_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Transition:
    """A change of a zone's offset."""

    zone: str
    instant: datetime


@dataclass(frozen=True)
class Count:
    """How much was checked."""

    zones: int
    transitions: int
    minutes: int

    def __str__(self) -> str:
        return f"{self.minutes:,} minutes around {self.transitions:,} transitions of {self.zones} zones"


def _data(name: str) -> bytes:
    return resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()


@cache
def distinct_zones() -> tuple[str, ...]:
    """Return one name for each zone: links have the same data as what they link to."""
    by_data: dict[bytes, str] = {}
    for name in sorted(zone_names()):
        by_data.setdefault(_data(name), name)
    return tuple(sorted(by_data.values()))


def find_transitions(name: str) -> Iterator[Transition]:
    """Yield each change of a zone's offset from 2000 to 2100: those in its data, then those by the rule at its end."""
    zone = find_zone(name)
    assert zone is not None
    listed, rule = _read_changes(_data(name))
    instants = [instant for instant in listed if START <= instant < END]
    if "," in rule:  # a POSIX rule with daylight saving time
        instants.extend(_walk_changes(zone, max([START, *instants])))
    for instant in instants:
        if instant.astimezone(zone).utcoffset() != (instant - _MINUTE).astimezone(zone).utcoffset():
            yield Transition(name, instant)


def _read_changes(data: bytes) -> tuple[list[datetime], str]:
    """Return the listed instants and the rule of a TZif file of version 2 or later (RFC 9636)."""
    block = struct.Struct(">4s1s15x6I")
    _, _, isut, isstd, leaps, times, types, chars = block.unpack_from(data)
    second = block.size + times * 5 + types * 6 + chars + leaps * 8 + isstd + isut
    _, _, isut, isstd, leaps, times, types, chars = block.unpack_from(data, second)
    start = second + block.size
    seconds = struct.unpack_from(f">{times}q", data, start)
    rule = data[start + times * 9 + types * 6 + chars + leaps * 12 + isstd + isut :].decode().strip()
    return [_EPOCH + timedelta(seconds=value) for value in seconds if abs(value) < 2**33], rule


def _walk_changes(zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    """Yield the changes after an instant, a week at a time and then by halves."""
    end = start + _STEP
    while end < END:
        before, after = end - _STEP, end
        end += _STEP
        if before.astimezone(zone).utcoffset() == after.astimezone(zone).utcoffset():
            continue
        old = before.astimezone(zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=1) // 2)
            before, after = (middle, after) if middle.astimezone(zone).utcoffset() == old else (before, middle)
        yield after


def _check_around(transition: Transition) -> int:
    """Check every minute around a change and return how many there were."""
    zone = find_zone(transition.zone)
    assert zone is not None
    middle = transition.instant.replace(second=0)
    shown = [(middle + side).astimezone(zone).replace(tzinfo=None) for side in (-_MINUTE, timedelta())]
    first, last = min(shown) - AROUND, max(shown) + AROUND
    walked = _WALKED + abs(shown[1] - shown[0])
    walk = Walk.through(middle - walked, middle + walked, zone)
    count = (last - first) // _MINUTE + 1
    for wall in (first + i * _MINUTE for i in range(count)):
        slot = first_instant(wall, zone)
        assert slot == walk.first(wall), f"{transition.zone} {wall}: {slot}, not {walk.first(wall)}"
        assert has_day(wall.date(), zone) == (wall.date() in walk.days), f"{transition.zone} {wall.date()}"
    return count


def check_transitions(zones: Iterable[str], one_of: int = 1) -> Count:
    """Check the changes of these zones, or about one of so many, always the same ones, and return how many."""
    transitions = [t for zone in zones for t in find_transitions(zone) if _is_taken(t, one_of)]
    minutes = sum(_check_around(transition) for transition in transitions)
    return Count(len({transition.zone for transition in transitions}), len(transitions), minutes)


def _is_taken(transition: Transition, one_of: int) -> bool:
    digest = hashlib.sha256(f"{transition.zone} {transition.instant}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % one_of == 0


if __name__ == "__main__":
    sys.stdout.write(f"{check_transitions(distinct_zones())}\n")
