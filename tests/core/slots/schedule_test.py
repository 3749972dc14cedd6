from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.core.slots.schedule import Pins, Schedule, find_anchor, next_slot, slots_between
from codecourier.resources.recurring_task import Frequency
from codecourier.zones import find_zone
from tests.core.slots.oracle import Walk, is_due, walk_slots
from tests.core.slots.transitions import distinct_zones, find_transitions

DAY = timedelta(days=1)
FREQUENCIES = st.sampled_from(Frequency)
TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """A schedule of any zone that began at any time."""
    zone = find_zone(draw(st.sampled_from(distinct_zones())))
    assert zone is not None
    pins = Pins(
        draw(st.none() | st.dates(date(1999, 1, 1), date(2100, 1, 1))),
        draw(st.none() | st.integers(1, 7)),
        draw(st.none() | st.integers(1, 31)),
    )
    return find_anchor(draw(FREQUENCIES), draw(TIMES), zone, pins, draw(INSTANTS))


@st.composite
def nights(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    """A schedule whose zone changes its offset at the instant, often near the schedule's time."""
    name = draw(st.sampled_from(distinct_zones()).filter(lambda name: next(find_transitions(name), None) is not None))
    instant = draw(st.sampled_from(list(islice(find_transitions(name), 40)))).instant
    zone = find_zone(name)
    assert zone is not None
    near = instant.astimezone(zone).replace(tzinfo=None) + timedelta(minutes=draw(st.integers(-180, 180)))
    since = instant - draw(st.integers(1, 40)) * DAY
    return find_anchor(draw(FREQUENCIES), near.time().replace(second=0), zone, Pins(), since), instant


@settings(max_examples=60, deadline=None)
@given(nights())
def test_slots_around_a_change_are_those_of_a_walk_through_every_minute(night: tuple[Schedule, datetime]) -> None:
    schedule, instant = night
    middle = instant.replace(second=0)
    walk = Walk.through(middle - 8 * DAY, middle + 8 * DAY, schedule.zone)
    walked = list(
        walk_slots(
            walk,
            schedule.time,
            lambda day: is_due(schedule.frequency, schedule.anchor, schedule.day_of_month, day),
        )
    )
    found = list(slots_between(schedule, middle - 8 * DAY, middle + 8 * DAY))
    assert [slot for slot in found if walked and walked[0] <= slot <= walked[-1]] == walked


@settings(max_examples=200, deadline=None)
@given(schedules(), INSTANTS, st.integers(0, 2000))
def test_slots_increase_and_each_lies_on_a_due_day_of_its_own(schedule: Schedule, after: datetime, days: int) -> None:
    slots = list(slots_between(schedule, after, after + days * DAY))
    assert all(earlier < later for earlier, later in pairwise(slots))
    assert all(after < slot <= after + days * DAY for slot in slots)
    for slot in slots:
        shown = slot.astimezone(schedule.zone)
        due = [
            day
            for day in (shown.date() - DAY, shown.date())  # a gap at midnight puts a slot into the next day
            if is_due(schedule.frequency, schedule.anchor, schedule.day_of_month, day)
        ]
        assert due, slot


@settings(max_examples=200, deadline=None)
@given(schedules(), INSTANTS, st.integers(0, 400), st.integers(0, 400))
def test_slots_do_not_depend_on_where_the_counting_starts(
    schedule: Schedule, after: datetime, first: int, second: int
) -> None:
    middle, end = after + first * DAY, after + (first + second) * DAY
    whole = list(slots_between(schedule, after, end))
    assert whole == [*slots_between(schedule, after, middle), *slots_between(schedule, middle, end)]
    following = next_slot(schedule, after)
    assert following is not None
    assert whole[:1] == ([following] if following <= end else [])


@settings(max_examples=200, deadline=None)
@given(FREQUENCIES, TIMES, st.sampled_from(distinct_zones()), INSTANTS)
def test_a_natural_anchor_is_the_first_occurrence_of_the_time(
    frequency: Frequency, at: time, name: str, since: datetime
) -> None:
    zone = find_zone(name)
    assert zone is not None
    schedule = find_anchor(frequency, at, zone, Pins(), since)
    first = next_slot(schedule, since)
    daily = next_slot(find_anchor(Frequency.DAILY, at, zone, Pins(), since), since)
    assert first == daily
    assert first is not None
    assert timedelta() < first - since < 3 * DAY


@given(FREQUENCIES, TIMES, st.dates(date(2000, 1, 1), date(2100, 1, 1)), INSTANTS, INSTANTS)
def test_with_a_start_date_the_slots_do_not_depend_on_when_it_was_declared(
    frequency: Frequency, at: time, start: date, once: datetime, again: datetime
) -> None:
    zone = find_zone("Europe/Berlin")
    assert zone is not None
    pins = Pins(start_date=start, day_of_week=3, day_of_month=31)
    assert find_anchor(frequency, at, zone, pins, once) == find_anchor(frequency, at, zone, pins, again)


def local_days(frequency: Frequency, pins: Pins, zone: str, count: int) -> list[str]:
    found = find_zone(zone)
    assert found is not None
    schedule = find_anchor(frequency, time(8), found, pins, datetime(2026, 1, 1, tzinfo=UTC))
    after = datetime(2011, 1, 1, tzinfo=UTC) if pins.start_date else datetime(2026, 1, 1, tzinfo=UTC)
    slots = islice(slots_between(schedule, after, datetime(2099, 1, 1, tzinfo=UTC)), count)
    return [slot.astimezone(found).strftime("%Y-%m-%d") for slot in slots]


@pytest.mark.parametrize(
    ("frequency", "pins", "zone", "days"),
    [
        pytest.param(Frequency.DAILY, Pins(), "UTC", ["2026-01-01", "2026-01-02"], id="daily"),
        pytest.param(
            Frequency.EVERY_OTHER_DAY,
            Pins(date(2011, 12, 28)),
            "Pacific/Apia",
            ["2011-12-28", "2012-01-01", "2012-01-03"],
            id="a skipped day keeps the rhythm of the others",
        ),
        pytest.param(
            Frequency.BIWEEKLY,
            Pins(date(2026, 3, 1), day_of_week=7),
            "America/Chicago",
            ["2026-03-01", "2026-03-15", "2026-03-29"],
            id="biweekly over a change of offset",
        ),
        pytest.param(
            Frequency.WEEKLY, Pins(day_of_week=1), "UTC", ["2026-01-05", "2026-01-12"], id="weekly on Mondays"
        ),
        pytest.param(
            Frequency.MONTHLY,
            Pins(date(2028, 1, 31)),
            "UTC",
            ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"],
            id="the end of a month never drifts",
        ),
        pytest.param(
            Frequency.MONTHLY,
            Pins(date(2027, 2, 5), day_of_month=30),
            "UTC",
            ["2027-02-28", "2027-03-30"],
            id="a day that the first month lacks",
        ),
        pytest.param(
            Frequency.DAILY, Pins(day_of_week=3, day_of_month=9), "UTC", ["2026-01-01"], id="pins of other frequencies"
        ),
    ],
)
def test_days(frequency: Frequency, pins: Pins, zone: str, days: list[str]) -> None:
    assert local_days(frequency, pins, zone, len(days)) == days


def test_the_calendar_ends() -> None:
    utc = find_zone("UTC")
    assert utc is not None
    for frequency in Frequency:
        schedule = find_anchor(frequency, time(8), utc, Pins(date(9999, 12, 1)), datetime(2026, 1, 1, tzinfo=UTC))
        last = datetime(9999, 12, 31, 20, tzinfo=UTC)
        assert next_slot(schedule, last) is None
        assert list(slots_between(schedule, last, last)) == []
