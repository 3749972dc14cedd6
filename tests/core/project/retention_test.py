"""What retention seals and deletes, and what it leaves: each sentence that begins with "nothing that" is a test."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.core.project.retention import AT_ONCE, GRACE
from codecourier.core.shared.daily import DayCount, count_days
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.learning import Learning, LearningRun, LearningSpec
from codecourier.resources.meta import Condition, ConditionStatus, CustomResource, LocalReference, ObjectMeta
from codecourier.resources.project import DayEnd
from codecourier.resources.recurring_task import (
    ActiveRun,
    Frequency,
    RecurringTask,
    RecurringTaskSpec,
    RecurringTaskStatus,
)
from codecourier.resources.run import Origin, PullRequest, PullRequestPhase, Run, RunPhase, Try
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.sprint_chain import SprintChain, SprintChainPhase, SprintChainStatus
from codecourier.resources.usage_record import UsageRecord
from tests.support.kept import DAY, Shop, ended_run, make_notification, make_usage_record, trashed
from tests.support.worlds import NOW, URL, make_run, make_sprint_chain, make_workflow, queued

OLD = NOW - 100 * DAY
CHAIN = Origin(kind="SprintChain", name="nightly", uid="uid-nightly", index=0)
TASK = Origin(kind="RecurringTask", name="audit", uid="uid-audit", slot=OLD)
OVER = {PullRequestPhase.SKIPPED, PullRequestPhase.FAILED, PullRequestPhase.MERGED}
REFUSED = Problem(Reason.QUOTA_EXCEEDED, "The quota is used up.")


def with_origin(run: Run, origin: Origin, **spec: Any) -> Run:
    return run.updated(spec=run.spec.updated(origin=origin, **spec))


def make_chain(phase: SprintChainPhase, **metadata: Any) -> SprintChain:
    chain = make_sprint_chain(metadata=metadata)
    return chain.updated(status=SprintChainStatus(phase=phase, attempt=1))


def make_task(settled: datetime, *active: str) -> RecurringTask:
    spec = RecurringTaskSpec(
        workflow_ref=LocalReference(name="scripted"),
        prompt="Audit.",
        frequency=Frequency.DAILY,
        time_zone="UTC",
        hour=0,
        minute=1,
    )
    waiting = tuple(ActiveRun(run=run, slot=OLD, claim_time=OLD) for run in active)
    metadata = ObjectMeta(name="audit", namespace="shop", uid="uid-audit", creation_timestamp=OLD - DAY)
    return RecurringTask(metadata=metadata, spec=spec, status=RecurringTaskStatus(settled_time=settled, active=waiting))


def with_pull_request(run: Run, phase: PullRequestPhase, state: PullRequestState | None = None) -> Run:
    return run.updated(status=run.status.updated(pull_request=PullRequest(phase=phase, state=state)))


def owing(*, is_given_up: bool = False) -> Run:
    entry = Try(
        number=1,
        sandbox="s1",
        claim_time=OLD,
        phase=SandboxPhase.COMPLETED,
        start_time=OLD,
        finish_time=OLD,
        is_recorded=False,
    )
    given_up = Condition(
        type="RecordsOwed", status=ConditionStatus.FALSE, reason="RecordsLost", message="", last_transition_time=OLD
    )
    return ended_run("old", OLD, tries=(entry,), conditions=(given_up,) if is_given_up else ())


FIX = ended_run("old", OLD)
SCHEDULED = with_origin(FIX, TASK, scheduled_for=OLD)

LEFT: dict[str, tuple[CustomResource, ...]] = {
    "one that is younger": (ended_run("old", NOW - 86 * DAY),),
    "one that is unfinished": (queued(make_run("old", age_seconds=100 * 86_400)),),
    "one that is to begin again": (FIX.updated(spec=FIX.spec.updated(attempt=2)),),
    "one that is being deleted": (FIX.updated(metadata=FIX.metadata.updated(deletion_timestamp=NOW)),),
    "one whose pull request is open": (with_pull_request(FIX, PullRequestPhase.CREATED, PullRequestState.OPEN),),
    "one whose pull request may be open": (with_pull_request(FIX, PullRequestPhase.CREATED),),
    "one whose pull request waits for its checks": (with_pull_request(FIX, PullRequestPhase.BLOCKED_ON_CI),),
    "one whose pull request is being opened": (with_pull_request(FIX, PullRequestPhase.CREATING),),
    "one of an unfinished chain": (with_origin(FIX, CHAIN), make_chain(SprintChainPhase.RUNNING)),
    "one of a chain that is being deleted": (
        with_origin(FIX, CHAIN),
        make_chain(SprintChainPhase.COMPLETED, deletion_timestamp=NOW),
    ),
    "one that its task waits for": (SCHEDULED, make_task(OLD, "old")),
    "one whose slot its task does not know": (SCHEDULED, make_task(OLD - DAY)),
    "one that owes a UsageRecord": (owing(),),
    "one that owes a Notification": (FIX.updated(status=FIX.status.updated(unnotified=("run-failed",))),),
}
GONE: dict[str, tuple[CustomResource, ...]] = {
    "one without a pull request": (FIX,),
    "one that changed nothing": (with_pull_request(FIX, PullRequestPhase.SKIPPED),),
    "one whose pull request was refused": (with_pull_request(FIX, PullRequestPhase.FAILED),),
    "one whose pull request was merged": (with_pull_request(FIX, PullRequestPhase.MERGED),),
    "one whose pull request was closed": (with_pull_request(FIX, PullRequestPhase.CREATED, PullRequestState.CLOSED),),
    "one that failed": (ended_run("old", OLD, phase=RunPhase.FAILED),),
    "one that was cancelled": (ended_run("old", OLD, phase=RunPhase.CANCELLED),),
    "one of a finished chain": (with_origin(FIX, CHAIN), make_chain(SprintChainPhase.COMPLETED)),
    "one of a chain that is gone": (with_origin(FIX, CHAIN),),
    "one whose slot is in the ledger": (SCHEDULED, make_task(OLD)),
    "one of a task that is gone": (SCHEDULED,),
    "one whose UsageRecord was given up": (owing(is_given_up=True),),
}


@pytest.mark.parametrize("case", LEFT)
def test_a_run_that_is_left(case: str) -> None:
    shop = Shop()
    shop.put(*LEFT[case])
    shop.wait(3 * DAY)
    assert "Run" not in {kind for kind, _ in shop.deleted}


@pytest.mark.parametrize("case", GONE)
def test_a_run_that_goes(case: str) -> None:
    shop = Shop()
    shop.put(*GONE[case])
    shop.wait(DAY)
    assert shop.deleted == [("Run", "old")]
    assert list(shop.days()) == [OLD.date()]


def test_a_run_that_this_version_cannot_read_is_left() -> None:
    shop = Shop()
    body = FIX.to_json()
    body["status"]["conditions"] = [{"type": "Ready", "status": "Perhaps"}]
    shop.put_json(body)
    shop.wait(3 * DAY)
    assert shop.names("Run") == ["old"]


def test_a_run_of_a_phase_that_only_a_newer_version_knows_stays_and_its_day_is_sealed_without_it() -> None:
    shop = Shop()
    odd = FIX.to_json()
    odd["status"]["phase"] = "Hibernating"
    shop.put_json(odd)
    shop.put(ended_run("young", OLD.replace(hour=1)))
    shop.wait(DAY)
    assert [
        (stats.spec.runs_created, stats.spec.runs_completed) for stats in shop.sealed if stats.spec.day == OLD.date()
    ] == [(1, 1)]
    assert shop.names("Run") == ["old"]


def test_a_run_goes_once_its_chain_is_finished() -> None:
    shop = Shop()
    shop.put(with_origin(FIX, CHAIN), make_chain(SprintChainPhase.RUNNING))
    shop.wait(DAY)
    shop.put(make_chain(SprintChainPhase.COMPLETED))
    shop.wait(DAY)
    assert shop.deleted == [("Run", "old")]


def test_the_oldest_beyond_the_number_go_and_those_that_stay_count() -> None:
    shop = Shop(runs={"maxCount": 3})
    runs = [ended_run(f"r{number}", NOW - (9 - number) * DAY) for number in range(6)]
    shop.put(*runs[1:], with_pull_request(runs[0], PullRequestPhase.CREATED))
    shop.wait(DAY)
    # Of six the three newest stay; of the others one has a pull request.
    assert shop.deleted == [("Run", "r1"), ("Run", "r2")]


def test_what_ended_today_stays_however_many_there_are() -> None:
    shop = Shop(runs={"maxCount": 1})
    shop.put(*(ended_run(f"r{number}", NOW - timedelta(minutes=number)) for number in range(5)))
    shop.wait(timedelta(hours=6))
    assert shop.deleted == []
    shop.wait(DAY)
    assert shop.names("Run") == ["r0"]


def test_notifications_usage_records_and_proposals_go_by_their_own_limits() -> None:
    shop = Shop(notifications={"maxAgeDays": 1}, usageRecords={"maxAgeDays": 2}, proposedLearnings={"maxAgeDays": 3})
    shop.put(
        make_notification("told", NOW - 3 * DAY, FIX),
        make_usage_record("used", NOW - 3 * DAY),
        make_learning("proposed", NOW - 4 * DAY),
        make_learning("accepted", NOW - 4 * DAY, accepted=True),
        make_learning("written", NOW - 4 * DAY, run=None),
    )
    shop.wait(DAY)
    assert sorted(shop.deleted) == [("Learning", "proposed"), ("Notification", "told"), ("UsageRecord", "used")]


def make_learning(name: str, created: datetime, *, accepted: bool = False, run: str | None = "gone") -> Learning:
    proposer = None if run is None else LearningRun(name=run, uid=f"uid-{run}")
    spec = LearningSpec(text="Test.", repository_url=URL, accepted=accepted, run=proposer)
    return Learning(
        metadata=ObjectMeta(name=name, namespace="shop", uid=f"uid-{name}", creation_timestamp=created), spec=spec
    )


UNFINISHED = queued(make_run("busy"))


@pytest.mark.parametrize(
    "kept",
    [
        make_notification("kept", OLD, UNFINISHED),
        make_usage_record("kept", OLD, run="busy"),
        make_learning("kept", OLD, run="busy"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_what_an_unfinished_run_would_make_again_is_left(kept: CustomResource) -> None:
    shop = Shop(usageRecords={"maxAgeDays": 1})
    shop.put(UNFINISHED, kept)
    shop.wait(3 * DAY)
    assert shop.deleted == []
    shop.put(ended_run("busy", shop.now))
    shop.wait(DAY)
    assert shop.deleted == [(kept.info.kind, "kept")]


def test_a_notification_that_its_object_claims_is_left() -> None:
    shop = Shop(runs={"maxAgeDays": 3650})
    claiming = FIX.updated(status=FIX.status.updated(unnotified=("told",)))
    shop.put(claiming, make_notification("told", OLD, FIX))
    shop.wait(3 * DAY)
    assert shop.deleted == []


def in_trash(since: datetime | None) -> tuple[CustomResource, ...]:
    return (
        trashed(with_pull_request(ended_run("run", NOW - 20 * DAY), PullRequestPhase.CREATED), since),
        trashed(make_workflow(), since),
        trashed(make_learning("lesson", OLD, accepted=True), since),
    )


def test_the_trash_is_emptied_after_its_days() -> None:
    shop = Shop(trash={"maxAgeDays": 7})
    shop.put(*in_trash(NOW - 6 * DAY))
    shop.wait(timedelta(hours=12))
    assert shop.deleted == []
    shop.wait(2 * DAY)
    assert sorted(shop.deleted) == [("Learning", "lesson"), ("Run", "run"), ("Workflow", "scripted")]


def test_what_is_in_the_trash_without_a_time_stays() -> None:
    shop = Shop()
    shop.put(*in_trash(None))
    shop.wait(60 * DAY)
    assert shop.deleted == []


@pytest.mark.parametrize(
    "user",
    [UNFINISHED, make_chain(SprintChainPhase.RUNNING), make_task(OLD)],
    ids=lambda model: type(model).__name__,
)
def test_a_workflow_in_use_stays_in_the_trash(user: CustomResource) -> None:
    shop = Shop()
    shop.put(trashed(make_workflow(), OLD), user)
    shop.wait(3 * DAY)
    assert shop.deleted == []


def test_an_unfinished_run_stays_in_the_trash() -> None:
    shop = Shop()
    shop.put(trashed(UNFINISHED, OLD))
    shop.wait(3 * DAY)
    assert shop.deleted == []


def test_daily_stats_go_last_and_not_before_the_objects_of_their_day() -> None:
    shop = Shop(runs={"maxAgeDays": 1}, dailyStats={"maxAgeDays": 31})
    shop.put(
        ended_run("old", NOW - 40 * DAY), with_pull_request(ended_run("open", NOW - 50 * DAY), PullRequestPhase.CREATED)
    )
    shop.wait(2 * DAY)
    day = (NOW - 40 * DAY).date()
    assert shop.deleted == [("Run", "old"), ("DailyStats", f"stats-{day}")]
    assert shop.names("DailyStats") == [f"stats-{(NOW - 50 * DAY).date()}"]
    shop.wait(3 * DAY)
    assert len(shop.sealed) == 2, "no day is sealed again"


def test_a_day_is_sealed_an_hour_after_its_end_was_seen() -> None:
    shop = Shop()
    shop.put(ended_run("r", NOW))
    shop.wait(timedelta(hours=12))
    assert shop.writes == 0
    shop.wait(timedelta(minutes=30))
    assert (shop.writes, shop.sealed) == (1, [])
    shop.wait(GRACE)
    assert list(shop.days()) == [NOW.date()]


def test_after_weeks_the_days_are_sealed_in_order_an_hour_after_the_first_look() -> None:
    shop = Shop()
    shop.put(*(ended_run(f"r{number}", NOW - number * DAY) for number in range(3, 30, 2)))
    shop.wait(timedelta(minutes=59))
    assert shop.sealed == []
    shop.wait(timedelta(minutes=2))
    assert list(shop.days()) == [(NOW - number * DAY).date() for number in range(29, 2, -2)]
    assert [stats.spec.total_runs for stats in shop.sealed] == list(range(1, 15))
    assert shop.writes == 1


def test_nothing_of_a_day_goes_that_cannot_be_sealed() -> None:
    shop = Shop()
    shop.put(FIX, make_notification("told", OLD, FIX), make_usage_record("used", OLD - 300 * DAY))
    shop.refuses_seals = REFUSED
    shop.wait(5 * DAY)
    assert shop.deleted == []
    shop.refuses_seals = None
    shop.wait(DAY)
    assert len(shop.deleted) == 3


def test_a_day_waits_for_a_try_that_is_under_way_since() -> None:
    late = NOW.replace(hour=23)
    shop = Shop()
    entry = Try(number=1, sandbox="s", claim_time=late, phase=SandboxPhase.RUNNING)
    working = queued(make_run("r"), phase=RunPhase.RUNNING, tries=(entry,))
    shop.put(working)
    shop.wait(DAY)
    assert shop.sealed == []
    closed = entry.updated(phase=SandboxPhase.COMPLETED, start_time=late, finish_time=late, is_recorded=True)
    shop.put(ended_run("r", shop.now, tries=(closed,)), make_usage_record("s", late, run="r"))
    shop.wait(timedelta(minutes=1))
    assert [(stats.spec.day, stats.spec.compute_seconds) for stats in shop.sealed] == [(NOW.date(), 60)]


def test_a_clock_that_was_ahead_delays_and_seals_no_day_that_is_not_over() -> None:
    shop = Shop()
    shop.put(ended_run("r", NOW))
    shop.project = shop.project.updated(
        status=shop.project.status.updated(day_end=DayEnd(day=NOW.date(), time=NOW + DAY))
    )
    shop.wait(timedelta(hours=6))
    assert shop.sealed == []
    shop.wait(DAY)
    assert list(shop.days()) == [NOW.date()]


def test_a_project_with_nothing_to_do_writes_nothing() -> None:
    shop = Shop()
    shop.put(ended_run("r", NOW - 3 * DAY), make_notification("told", NOW - 3 * DAY, FIX))
    shop.wait(DAY)
    assert (shop.writes, len(shop.sealed)) == (1, 1)
    shop.wait(30 * DAY)
    assert (shop.writes, len(shop.sealed), shop.deleted) == (1, 1, [])


def test_a_project_without_anything_is_not_looked_at_again() -> None:
    assert Shop().look() is None


def test_much_goes_in_pieces_the_oldest_first() -> None:
    shop = Shop(runs={"maxCount": 5})
    shop.put(*(ended_run(f"r{number:03}", NOW - (200 - number) * timedelta(hours=2)) for number in range(100)))
    seen = 0
    shop.look()
    shop.now += GRACE
    for _ in range(40):
        shop.look()
        assert len(shop.deleted) - seen <= AT_ONCE
        seen = len(shop.deleted)
    assert [name for _, name in shop.deleted] == [f"r{number:03}" for number in range(95)]


RUNS = st.tuples(
    st.integers(0, 20),
    st.integers(0, 3),
    st.sampled_from(RunPhase),
    st.sampled_from([None, *PullRequestPhase]),
    st.booleans(),
)


def build(
    number: int, ago: int, lasts: int, phase: RunPhase, pull_request: PullRequestPhase | None, *, owes: bool
) -> Run:
    """Return a Run that ended so many days ago, if it ended, after so many days."""
    finish = NOW - ago * DAY
    status = {"finish_time": finish if phase.is_finished else None, "unnotified": ("x",) if owes else ()}
    run = ended_run(f"r{number}", finish, seconds=lasts * 86_400 + 600, phase=phase, **status)
    return run if pull_request is None else with_pull_request(run, pull_request)


@settings(max_examples=40, deadline=None)
@given(
    made=st.lists(RUNS, max_size=12),
    used=st.lists(st.integers(0, 20), max_size=8),
    age=st.integers(1, 10),
    count=st.integers(1, 8),
    days=st.integers(0, 3),
)
def test_what_goes_is_sealed_and_the_seals_say_what_happened(
    made: list[Any], used: list[int], age: int, count: int, days: int
) -> None:
    """Nothing that is unfinished, owes something, has a pull request, is young and among the newest, or is unsealed."""
    limits = {"maxAgeDays": age, "maxCount": count}
    shop = Shop(runs=limits, usageRecords=limits)
    runs = [build(number, *rest, owes=owes) for number, (*rest, owes) in enumerate(made)]
    records = [make_usage_record(f"u{number}", NOW - ago * DAY) for number, ago in enumerate(used)]
    shop.put(*runs, *records)
    shop.wait(days * DAY + timedelta(hours=2))
    truth = count_days(runs, records)
    for stats in shop.sealed:
        assert DayCount.of(stats.spec) == truth[stats.spec.day]
    assert list(shop.days()) == sorted(shop.days())
    assert len(set(shop.days())) == len(shop.sealed)
    gone = set(shop.deleted)
    _check_runs([run for run in runs if ("Run", run.name) in gone], runs, limits, shop)
    _check_records([record for record in records if ("UsageRecord", record.name) in gone], records, limits, shop)


def _check_runs(gone: list[Run], runs: list[Run], limits: dict[str, int], shop: Shop) -> None:
    over = [run.status.finish_time for run in runs if run.status.phase.is_finished and run.status.finish_time]
    for run in gone:
        status = run.status
        assert status.phase.is_finished
        assert not status.unnotified
        assert status.pull_request is None or status.pull_request.phase in OVER
        assert status.finish_time is not None
        assert run.metadata.creation_timestamp is not None
        _check_place(status.finish_time, over, limits, shop)
        assert {status.finish_time.date(), run.metadata.creation_timestamp.date()} <= set(shop.days())


def _check_records(gone: list[UsageRecord], records: list[UsageRecord], limits: dict[str, int], shop: Shop) -> None:
    for record in gone:
        _check_place(record.spec.finish_time, [known.spec.finish_time for known in records], limits, shop)
        assert record.spec.finish_time.date() in set(shop.days())


def _check_place(end: datetime, ends: list[datetime], limits: dict[str, int], shop: Shop) -> None:
    is_old = end + limits["maxAgeDays"] * DAY <= shop.now
    assert is_old or sum(other >= end for other in ends) > limits["maxCount"]


@settings(max_examples=30, deadline=None)
@given(made=st.lists(RUNS, min_size=1, max_size=12))
def test_every_run_that_may_go_is_gone_in_the_end(made: list[Any]) -> None:
    shop = Shop()
    runs = [build(number, *rest, owes=owes) for number, (*rest, owes) in enumerate(made)]
    shop.put(*runs)
    shop.wait(120 * DAY)
    left = [
        run.name
        for run in runs
        if not run.status.phase.is_finished
        or run.status.unnotified
        or (run.status.pull_request is not None and run.status.pull_request.phase not in OVER)
    ]
    assert shop.names("Run") == sorted(left)


def test_two_leaders_seal_a_day_under_one_name() -> None:
    first, second = Shop(), Shop(now=NOW + timedelta(minutes=5))
    first.put(ended_run("r", NOW - DAY))
    second.put(ended_run("r", NOW - DAY), ended_run("later", NOW - DAY))
    for shop in (first, second):
        shop.wait(timedelta(hours=2))
    assert [s.name for s in first.sealed] == [s.name for s in second.sealed] == [f"stats-{(NOW - DAY).date()}"]
