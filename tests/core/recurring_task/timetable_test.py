from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from codecourier.resources.recurring_task import Frequency
from codecourier.resources.run import RunPhase
from tests.core.recurring_task.played import Played, make_task

DST = date(2026, 3, 8)


@pytest.mark.parametrize(
    ("spec", "time_of_day", "following"),
    [
        ({}, "12:30", "Sun 2026-03-01 12:30"),
        ({"frequency": Frequency.EVERY_OTHER_DAY, "hour": 8, "minute": 5}, "08:05", "Mon 2026-03-02 08:05"),
        ({"frequency": Frequency.WEEKLY, "day_of_week": 7, "start_date": DST}, "Sunday 12:30", "Sun 2026-03-08 12:30"),
        ({"frequency": Frequency.BIWEEKLY, "day_of_week": 3}, "Wednesday 12:30", "Wed 2026-03-04 12:30"),
        ({"frequency": Frequency.MONTHLY, "day_of_month": 31}, "day 31 12:30", "Tue 2026-03-31 12:30"),
        (
            {"time_zone": "America/Chicago", "hour": 2, "start_date": DST},
            "02:30",
            "Sun 2026-03-08 03:00",
        ),
        ({"suspend": True}, "12:30", ""),
        ({"time_zone": "right/UTC"}, "", ""),
    ],
)
def test_a_task_reads_like_a_line_of_a_timetable(spec: dict[str, Any], time_of_day: str, following: str) -> None:
    played = Played(make_task(**spec))
    played.rest()
    assert (played.status.time_of_day, played.status.next_local_time) == (time_of_day, following)


@pytest.mark.parametrize(
    ("limit", "words"), [(1, "because its last Run failed"), (2, "because its last 2 Runs failed")]
)
def test_a_pause_counts_in_plain_words(limit: int, words: str) -> None:
    played = Played(make_task(pause_after_failures=limit))
    played.rest()
    for _ in range(limit):
        time = played.status.next_run_time
        assert time is not None
        played.pass_time(time)
        played.end(played.made[-1], RunPhase.FAILED)
        played.rest()
    assert words in played.status.message


def test_a_zone_that_a_later_release_lacks_fires_nothing_and_goes_on_when_it_is_back() -> None:
    played = Played(make_task(time_zone="Europe/Berlin", hour=13))
    played.rest()
    first = played.status.next_run_time
    assert first is not None
    played.removed_zones = frozenset({"Europe/Berlin"})
    played.pass_time(first)
    assert (played.made, played.status.next_local_time) == ([], "")
    ready = played.status.condition("Ready")
    assert ready is not None
    assert ready.reason == "TimeZoneUnknown"
    assert "no time zone 'Europe/Berlin'" in ready.message
    assert "spec.timeZone" in ready.message
    played.removed_zones = frozenset()
    played.rest()
    played.pass_time(first)
    assert [disposition for disposition, _ in played.records] == ["Fired"]


def test_a_zone_that_a_later_release_lacks_is_replaced_by_another() -> None:
    played = Played(make_task(time_zone="Europe/Berlin", hour=13))
    played.rest()
    played.removed_zones = frozenset({"Europe/Berlin"})
    played.rest()
    played.change(time_zone="Europe/Paris")
    played.rest()
    assert played.status.next_local_time == "Sun 2026-03-01 13:30"
