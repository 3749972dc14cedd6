import os
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from codecourier.core.slots.wall_clock import first_instant, has_day
from codecourier.zones import find_zone
from tests.core.slots.transitions import check_transitions, distinct_zones

ONE_OF = 1 if os.environ.get("CODECOURIER_ALL_TRANSITIONS") == "1" else 200


@pytest.mark.parametrize(
    ("zone", "shown", "instant"),
    [
        pytest.param("America/Chicago", "2026-01-15T08:00", "2026-01-15T14:00", id="usual"),
        pytest.param("America/Chicago", "2026-03-08T02:30", "2026-03-08T08:00", id="gap"),
        pytest.param("America/Chicago", "2026-11-01T01:30", "2026-11-01T06:30", id="overlap: its first occurrence"),
        pytest.param("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", id="gap of half an hour"),
        pytest.param("America/Sao_Paulo", "2018-11-04T00:30", "2018-11-04T03:00", id="gap at midnight"),
        pytest.param("Africa/Cairo", "2026-04-24T00:00", "2026-04-23T22:00", id="midnight itself in the gap"),
        pytest.param("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00", id="a day that was skipped"),
        pytest.param("UTC", "2026-02-28T23:59", "2026-02-28T23:59", id="no offset"),
    ],
)
def test_the_first_instant_at_which_a_clock_shows_a_time(zone: str, shown: str, instant: str) -> None:
    found = find_zone(zone)
    assert found is not None
    assert first_instant(datetime.fromisoformat(shown), found) == datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_a_zone_that_crosses_the_date_line_skips_a_day() -> None:
    apia = find_zone("Pacific/Apia")
    assert apia is not None
    days = [date(2011, 12, day) for day in (29, 30, 31)]
    assert [has_day(day, apia) for day in days] == [True, False, True]


def test_transitions_of_the_tz_database_agree_with_a_walk_through_them(
    record_property: Callable[[str, object], None],
) -> None:
    count = check_transitions(distinct_zones(), ONE_OF)
    record_property("checked", str(count))
    assert count.transitions > 100, count
    assert count.minutes >= count.transitions * 361, count
