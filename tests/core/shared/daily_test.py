"""Each event counts on its own day, once, also after retention has deleted what it was counted from."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.shared.daily import (
    DayCount,
    count_days,
    count_total_runs,
    is_seal,
    record_events,
    run_events,
    seal_days,
)
from codecourier.resources.daily_stats import MAX_COUNT, DailyStatsSpec
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase, RunStatus
from codecourier.resources.usage_record import UsageItem, UsageKind, UsageRecord, UsageRecordSpec, UsageUnit
from tests.support.worlds import make_run

MONDAY, TUESDAY, WEDNESDAY = (date(2026, 11, 30) + timedelta(days=number) for number in range(3))
CREATED = PullRequest(phase=PullRequestPhase.CREATED, number=1, url="https://forge.test/example/shop/pull/1")


def at(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """Return a time of a day."""
    return datetime.combine(day, time(hour, minute, second), UTC)


def run_of(created: datetime, name: str = "fix", **status: Any) -> Run:
    """Return a Run that was created then."""
    run = make_run(name)
    metadata = run.metadata.updated(creation_timestamp=created)
    return run.updated(metadata=metadata, status=RunStatus(**status))


def record_of(finish: datetime, *items: UsageItem) -> UsageRecord:
    """Return a record of a try that ended then."""
    spec = UsageRecordSpec(
        run="fix",
        run_uid="uid-fix",
        attempt=1,
        try_number=1,
        workflow="scripted",
        start_time=finish - timedelta(hours=1),
        finish_time=finish,
        items=items,
    )
    return UsageRecord(metadata=ObjectMeta(name="fix-1", namespace="shop"), spec=spec)


def seconds(quantity: int, cost_micro_usd: int = 0) -> UsageItem:
    """Return so much compute."""
    unit, kind = UsageUnit.SECOND, UsageKind.COMPUTE
    return UsageItem(service="kubernetes", kind=kind, quantity=quantity, unit=unit, cost_micro_usd=cost_micro_usd)


def test_a_run_counts_on_the_days_of_its_creation_and_of_its_end() -> None:
    run = run_of(at(MONDAY, 23, 59, 59), phase=RunPhase.COMPLETED, finish_time=at(TUESDAY), pull_request=CREATED)
    assert count_days((run,), ()) == {
        MONDAY: DayCount(runs_created=1),
        TUESDAY: DayCount(runs_completed=1, prs_created=1),
    }


def test_an_end_counts_by_its_phase_and_a_pull_request_only_if_it_exists() -> None:
    def count(phase: RunPhase, pull_request: PullRequestPhase) -> DayCount:
        found = PullRequest(phase=pull_request)
        run = run_of(at(MONDAY), phase=phase, finish_time=at(MONDAY, 1), pull_request=found)
        return count_days((run,), ())[MONDAY] - DayCount(runs_created=1)

    assert count(RunPhase.FAILED, PullRequestPhase.CREATED) == DayCount(runs_failed=1, prs_created=1)
    assert count(RunPhase.COMPLETED, PullRequestPhase.MERGED) == DayCount(runs_completed=1, prs_created=1)
    assert count(RunPhase.FAILED, PullRequestPhase.FAILED) == DayCount(runs_failed=1)
    assert count(RunPhase.CANCELLED, PullRequestPhase.CREATING) == DayCount(runs_cancelled=1)
    assert count(RunPhase.COMPLETED, PullRequestPhase.SKIPPED) == DayCount(runs_completed=1)


def test_a_merge_counts_on_its_own_day() -> None:
    merged = PullRequest(phase=PullRequestPhase.MERGED, merge_time=at(TUESDAY))
    run = run_of(at(MONDAY), phase=RunPhase.COMPLETED, finish_time=at(MONDAY, 1), pull_request=merged)
    assert count_days((run,), ()) == {
        MONDAY: DayCount(runs_created=1, runs_completed=1, prs_created=1),
        TUESDAY: DayCount(prs_merged=1),
    }


def test_a_run_that_goes_on_has_only_its_creation() -> None:
    running = run_of(at(MONDAY), phase=RunPhase.RUNNING, start_time=at(MONDAY, 1))
    assert count_days((running,), ()) == {MONDAY: DayCount(runs_created=1)}


def test_consumption_counts_on_the_day_on_which_the_try_ended() -> None:
    tokens = UsageItem(
        service="anthropic", kind=UsageKind.TOKENS, quantity=7, unit=UsageUnit.TOKEN, cost_micro_usd=1_000_001
    )
    calls = UsageItem(service="other", kind=UsageKind.API_CALLS, quantity=3, unit=UsageUnit.CALL, cost_micro_usd=9)
    record = record_of(at(TUESDAY, 0, 30), seconds(3600, 2), tokens, calls)
    assert count_days((), (record,)) == {
        TUESDAY: DayCount(compute_seconds=3600, tokens=7, api_calls=3, cost_micro_usd=1_000_012)
    }


def test_a_day_holds_no_number_that_its_object_refuses() -> None:
    most = record_of(at(MONDAY), *[seconds(MAX_COUNT, MAX_COUNT)] * 8)
    count = count_days((), (most, most))[MONDAY]
    spec = count.to_spec(MONDAY, 2 * MAX_COUNT, at(TUESDAY))
    assert (spec.compute_seconds, spec.cost_micro_usd, spec.total_runs) == (MAX_COUNT,) * 3
    assert DayCount.of(spec) == count.bounded


def test_days_are_sealed_in_order_each_once_and_not_before_they_are_over() -> None:
    runs = [run_of(at(MONDAY), "a"), run_of(at(MONDAY), "b"), run_of(at(WEDNESDAY), "c")]
    live = count_days(runs, ())
    sealed = seal_days("shop", (), live, WEDNESDAY, at(WEDNESDAY, 6))
    assert [(stats.name, stats.namespace, stats.spec.total_runs) for stats in sealed] == [
        ("stats-2026-11-30", "shop", 2)
    ]
    assert seal_days("shop", [stats.spec for stats in sealed], live, WEDNESDAY, at(WEDNESDAY, 6)) == ()
    later = seal_days("shop", [stats.spec for stats in sealed], live, date(2027, 1, 1), at(WEDNESDAY, 6))
    assert [(stats.name, stats.spec.total_runs) for stats in later] == [("stats-2026-12-02", 3)]


def test_only_the_name_of_its_day_seals_a_day() -> None:
    (stats,) = seal_days("shop", (), count_days((run_of(at(MONDAY)),), ()), TUESDAY, at(TUESDAY))
    assert is_seal(stats)
    assert not is_seal(stats.updated(metadata=stats.metadata.updated(name="stats-2026-12-01")))


days = st.integers(0, 6).map(lambda number: MONDAY + timedelta(days=number))
times = st.builds(lambda day, second: at(day) + timedelta(seconds=second), days, st.integers(0, 86_399))
pull_requests = st.none() | st.sampled_from(PullRequestPhase).map(lambda phase: PullRequest(phase=phase))


@st.composite
def some_runs(draw: st.DrawFn) -> Run:
    """Draw a Run somewhere in its life."""
    created, phase = draw(times), draw(st.sampled_from(RunPhase))
    finish = created + timedelta(hours=draw(st.integers(0, 48))) if phase.is_finished else None
    return run_of(created, phase=phase, finish_time=finish, pull_request=draw(pull_requests))


items = st.lists(st.builds(seconds, st.integers(0, MAX_COUNT), st.integers(0, MAX_COUNT)), max_size=8)
some_records = st.builds(lambda finish, found: record_of(finish, *found), times, items)


@given(st.lists(some_runs(), max_size=8), st.lists(some_records, max_size=8))
def test_sums_are_the_same_one_by_one_and_come_back_to_nothing(runs: list[Run], records: list[UsageRecord]) -> None:
    left = count_days(runs, records)
    for events in (*map(run_events, runs), *map(record_events, records)):
        for day, count in events:
            left[day] -= count
    assert set(left.values()) <= {DayCount()}
    assert sum(count.runs_created for count in count_days(runs, records).values()) == len(runs)


def shown(sealed: list[DailyStatsSpec], live: dict[date, DayCount]) -> dict[date, DayCount]:
    """Return the days as users see them."""
    found = {day: count.bounded for day, count in live.items()} | {spec.day: DayCount.of(spec) for spec in sealed}
    return {day: count for day, count in found.items() if count != DayCount()}


@given(st.lists(some_runs(), max_size=8), st.lists(some_records, max_size=4), days, days, st.data())
def test_nothing_that_is_shown_changes_when_days_are_sealed_and_then_deleted(
    runs: list[Run], records: list[UsageRecord], first: date, second: date, data: st.DataObject
) -> None:
    live = count_days(runs, records)
    before, total = shown([], live), count_total_runs((), live)
    sealed = [stats.spec for stats in seal_days("shop", (), live, min(first, second), at(second))]
    sealed += [stats.spec for stats in seal_days("shop", sealed, live, max(first, second), at(second))]
    assert (shown(sealed, live), count_total_runs(sealed, live)) == (before, total)
    known = {spec.day for spec in sealed}
    kept = [run for run in runs if any(day not in known for day, _ in run_events(run)) or data.draw(st.booleans())]
    left = [record for record in records if record.spec.finish_time.date() not in known or data.draw(st.booleans())]
    live = count_days(kept, left)
    assert (shown(sealed, live), count_total_runs(sealed, live)) == (before, total)


@given(some_runs())
def test_what_becomes_known_after_the_seal_counts_on_no_sealed_day(run: Run) -> None:
    sealed = [DayCount(runs_created=5).to_spec(MONDAY, 5, at(TUESDAY))]
    live = count_days((run,), ())
    assert shown(sealed, live)[MONDAY] == DayCount(runs_created=5)
    is_later = run.metadata.creation_timestamp is not None and run.metadata.creation_timestamp.date() > MONDAY
    assert count_total_runs(sealed, live) == 5 + is_later
