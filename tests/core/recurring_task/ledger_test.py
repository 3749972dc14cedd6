"""A ledger whose world does what it should not: clocks that go far, statuses that are lost, Runs that others take."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from codecourier.core.recurring_task.ledger import record_unfired
from codecourier.core.recurring_task.records import missed
from codecourier.core.shared.naming import ANNOTATION_RUN_NOW, ANNOTATION_UNPAUSE, task_run_name
from codecourier.core.shared.reasons import Reason
from codecourier.resources.recurring_task import MOST_RECORDS, Disposition, RecurringTaskStatus, SlotRecord
from codecourier.resources.run import RunPhase
from tests.core.recurring_task.played import MINUTE, Played, make_task
from tests.support.worlds import NOW

SLOT = NOW + 30 * MINUTE
DAY = timedelta(days=1)
YEAR = 365 * DAY
SOON = timedelta(seconds=1)


def slots_of(played: Played) -> list[str]:
    return [f"{record.slot} {record.is_manual}" for record in played.status.history]


def fire(played: Played) -> None:
    """Let the next slot fire, and its Run complete."""
    time = played.status.next_run_time
    assert time is not None
    played.pass_time(time)
    played.end(played.made[-1])
    played.rest()


def test_a_schedule_that_is_changed_after_the_clock_went_back_settles_no_slot_twice() -> None:
    played = Played()
    played.rest()
    fire(played)
    played.look(SLOT - 10 * MINUTE)
    played.change(minute=45)
    played.rest()
    played.change(minute=30)
    played.rest()
    settled = played.status.settled_time
    assert settled is not None
    assert settled >= SLOT
    played.pass_time(SLOT + MINUTE)
    assert played.made == [played.made[0]]
    assert len(set(slots_of(played))) == len(played.status.history) == 1
    assert played.status.next_run_time == SLOT + DAY


def test_a_clock_that_was_a_year_ahead_fires_once_and_the_task_says_until_when_it_is_settled() -> None:
    played = Played()
    played.rest()
    fire(played)
    played.look(SLOT + YEAR + MINUTE)
    played.rest()
    played.pass_time(SLOT + YEAR + 3 * MINUTE)
    assert len(played.made) == 2
    assert played.count(Disposition.MISSED) == 364
    assert len(played.status.history) == MOST_RECORDS
    played.end(played.made[-1])
    played.look(SLOT + 2 * MINUTE)
    played.pass_time(SLOT + 3 * DAY)
    assert len(played.made) == 2
    assert "a clock was ahead" in played.status.message
    assert "2027-03-01 12:30 (UTC)" in played.status.message


def test_years_of_missed_slots_are_counted_and_only_the_history_is_written_out() -> None:
    built: list[datetime] = []

    def build(slot: datetime) -> SlotRecord:
        built.append(slot)
        return missed(slot, Reason.SUPERSEDED, "It is late.", NOW)

    slots = tuple(SLOT + number * DAY for number in range(10_000))
    status = record_unfired(RecurringTaskStatus(), slots, build)
    assert built == list(slots[-MOST_RECORDS:])
    assert (status.totals.missed, status.settled_time) == (10_000, slots[-1])
    assert [record.slot for record in status.history] == built[::-1]
    assert record_unfired(status, (), build) == status


def test_a_clock_that_goes_a_year_back_changes_nothing() -> None:
    played = Played()
    played.rest()
    fire(played)
    before = played.status.history
    played.pass_time(SLOT - YEAR)
    assert played.status.history == before
    played.pass_time(SLOT + DAY)
    assert (len(played.made), played.records[0]) == (2, ("Fired", "OnTime"))


def test_a_clock_before_the_creation_waits() -> None:
    played = Played(now=NOW - YEAR)
    played.rest()
    assert played.status.next_run_time == SLOT
    played.pass_time(SLOT)
    assert played.records == [("Fired", "OnTime")]


@pytest.mark.parametrize("days", [0, 1, 3])
def test_a_status_that_was_lost_fires_no_slot_twice(days: int) -> None:
    played = Played()
    played.rest()
    for _ in range(3):
        fire(played)
    played.task = played.task.updated(status=RecurringTaskStatus())
    played.pass_time(SLOT + (2 + days) * DAY + 5 * MINUTE)
    assert len(played.made) == len(set(played.made)) == (3 if days == 0 else 3 + 1)
    assert len(set(slots_of(played))) == len(played.status.history)
    fired = [record for record in played.status.history if record.disposition is Disposition.FIRED]
    assert {record.run for record in fired} == set(played.made)
    assert played.count(Disposition.FIRED) == len(played.made)
    assert [record.result for record in fired][-3:] == [RunPhase.COMPLETED] * 3


def test_runs_that_people_take_away_after_their_end_are_not_made_again() -> None:
    played = Played()
    played.rest()
    for _ in range(3):
        fire(played)
    played.runs.clear()
    played.pass_time(SLOT + 2 * DAY + 5 * MINUTE)
    assert (len(played.made), played.runs) == (3, {})


def test_an_older_status_adopts_the_runs_that_were_made_since() -> None:
    played = Played(make_task(starting_deadline_seconds=10))
    played.rest()
    fire(played)
    old = played.status
    fire(played)
    time = played.status.next_run_time
    assert time is not None
    played.pass_time(time)  # its Run is not finished
    played.task = played.task.updated(status=old)
    played.pass_time(SLOT + 2 * DAY + 10 * MINUTE)
    assert played.records == [("Fired", "Recovered"), ("Fired", "Recovered"), ("Fired", "OnTime")]
    assert [active.run for active in played.status.active] == [played.made[2]]
    played.end(played.made[2])
    played.rest()
    assert [record.result for record in played.status.history] == [RunPhase.COMPLETED] * 3
    assert len(played.made) == 3


def test_a_task_that_is_changed_each_second_for_a_day_writes_bounded_news() -> None:
    played = Played()
    played.rest()
    events = 0
    for number in range(86_400 // 60):  # a minute of it stands for each second
        played.change(minute=number % 60, hour=number // 60 % 24)
        events += len(played.look(NOW + number * MINUTE).events)
        played.rest()
    total = sum(played.count(disposition) for disposition in Disposition)
    assert events <= total + 1
    assert len(played.status.history) <= MOST_RECORDS
    assert len(set(slots_of(played))) == len(played.status.history)


@pytest.mark.parametrize(
    ("value", "count"),
    [("", 0), ("please", 1), ("\n", 1), (" ", 1), ("x" * 1_048_576, 1), ("\u3042" * 256, 1), ("null", 1)],
    ids=["empty", "word", "newline", "blank", "1 MiB", "wide", "null"],
)
def test_a_wish_of_any_value_is_granted_once(value: str, count: int) -> None:
    played = Played()
    played.rest()
    for _ in range(3):
        played.annotate(ANNOTATION_RUN_NOW, value)
        played.annotate(ANNOTATION_UNPAUSE, value)
        played.rest()
    assert len(played.made) == count
    assert len(played.status.handled_run_now) <= 256


def test_two_wishes_that_share_their_first_characters_are_two() -> None:
    played = Played()
    played.rest()
    for end in ("a", "b"):
        played.annotate(ANNOTATION_RUN_NOW, "x" * 300 + end)
        played.rest()
    assert len(played.made) == 2


def test_names_of_runs_differ_for_tasks_that_share_a_long_prefix() -> None:
    names = {
        task_run_name("a" * 39 + end, uid, slot, is_manual=is_manual)
        for end in "xy"
        for uid in ("uid-1", "uid-2")
        for slot in (SLOT, SLOT + SOON, SLOT + DAY)
        for is_manual in (False, True)
    }
    assert len(names) == 2 * 2 * 3 * 2
    assert max(map(len, names)) <= 80


def test_limits_of_nothing_keep_nothing_but_what_is_awaited() -> None:
    played = Played(make_task(completed_runs_history_limit=0, failed_runs_history_limit=0, jitter_seconds=3600))
    played.rest()
    fire(played)
    assert played.runs == {}
    assert played.last().result is RunPhase.COMPLETED
    fire(played)
    assert len(played.made) == 2
