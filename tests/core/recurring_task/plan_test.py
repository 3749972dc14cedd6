from datetime import date, timedelta

import pytest

from codecourier.core.recurring_task.due import CATCH_UP_SECONDS, LATE_AFTER
from codecourier.core.recurring_task.origin import RecurringTaskOrigin
from codecourier.core.shared.creations import ARRIVAL_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import GRACE
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.naming import ANNOTATION_RUN_NOW, ANNOTATION_UNPAUSE, FINALIZER
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.meta import LocalReference
from codecourier.resources.notification import NotificationType
from codecourier.resources.recurring_task import (
    MOST_ACTIVE,
    ConcurrencyPolicy,
    Disposition,
    Frequency,
    RecurringTaskPhase,
)
from codecourier.resources.run import PullRequest, PullRequestPhase, RunPhase
from tests.core.recurring_task.played import MINUTE, Played, make_task
from tests.support.worlds import NOW, make_project

SLOT = NOW + 30 * MINUTE
DAY = timedelta(days=1)
SOON = timedelta(seconds=1)
FIRED, SKIPPED, MISSED = Disposition.FIRED, Disposition.SKIPPED, Disposition.MISSED


def test_a_slot_fires_once_and_its_run_says_for_what_it_was_made() -> None:
    played = Played()
    assert played.look().look_again == SLOT
    assert (played.status.phase, played.status.next_run_time) == (RecurringTaskPhase.ACTIVE, SLOT)
    played.pass_time(SLOT + MINUTE)
    (name,) = played.made
    run = played.runs[name]
    assert name.endswith("-20260301t123000")
    assert run.metadata.finalizers == (FINALIZER,)
    assert run.spec.origin is not None
    assert (run.spec.origin.kind, run.spec.origin.uid, run.spec.origin.slot) == ("RecurringTask", "uid-audit", SLOT)
    assert (run.spec.scheduled_for, run.spec.recurrence_pattern) == (SLOT, "Daily")
    assert played.records == [("Fired", "OnTime")]
    assert (played.status.last_run_time, played.status.next_run_time) == (SLOT, SLOT + DAY)


def test_the_claim_is_written_before_the_run_is_made_and_made_good_after_a_crash() -> None:
    played = Played()
    played.look()
    first = played.look(SLOT)
    claimed, made = played.task, dict(played.runs)
    played.runs.clear()  # the operator was killed between the status and the creation
    again = played.look(SLOT + SOON)
    assert played.task == claimed
    assert again.creates == first.creates != ()
    assert played.runs.keys() == made.keys()


def test_the_end_of_a_run_is_recorded_and_lets_it_go() -> None:
    played = Played()
    played.look()
    played.look(SLOT)
    (name,) = played.made
    assert not RecurringTaskOrigin(played.task).has_recorded(played.runs[name])
    played.end(name, RunPhase.FAILED)
    played.rest()
    assert RecurringTaskOrigin(played.task).has_recorded(played.runs[name])
    assert played.last().result is RunPhase.FAILED
    assert (played.status.last_result, played.status.failures, played.status.active) == (RunPhase.FAILED, 1, ())


@pytest.mark.parametrize(
    ("policy", "second", "is_stopped"),
    [
        (ConcurrencyPolicy.FORBID, ("Skipped", "Overlap"), False),
        (ConcurrencyPolicy.ALLOW, ("Fired", "OnTime"), False),
        (ConcurrencyPolicy.REPLACE, ("Fired", "OnTime"), True),
    ],
)
def test_a_slot_that_is_due_while_a_run_is_unfinished(
    policy: ConcurrencyPolicy,
    second: tuple[str, str],
    is_stopped: bool,  # noqa: FBT001  a parameter of the table
) -> None:
    played = Played(make_task(concurrency_policy=policy))
    played.pass_time(SLOT + DAY)
    assert played.records == [second, ("Fired", "OnTime")]
    first = played.runs[played.made[0]]
    assert RecurringTaskOrigin(played.task).is_stopping(first) is is_stopped
    played.end(first.name, RunPhase.CANCELLED)
    played.rest()
    assert played.status.stopping == ()
    assert played.status.failures == 0


def test_a_task_has_a_bounded_number_of_unfinished_runs() -> None:
    played = Played(make_task(concurrency_policy=ConcurrencyPolicy.ALLOW))
    played.pass_time(SLOT + MOST_ACTIVE * DAY)
    assert len(played.made) == MOST_ACTIVE
    assert played.records[0] == ("Skipped", "Overlap")


def test_what_was_due_while_the_task_was_suspended_never_fires() -> None:
    played = Played(make_task(suspend=True))
    played.pass_time(SLOT + DAY + MINUTE)
    assert played.status.phase is RecurringTaskPhase.SUSPENDED
    assert played.records == [("Skipped", "Suspended")] * 2
    assert played.status.next_run_time is None
    played.change(suspend=False)
    played.rest()
    assert played.made == []
    resumed = played.status
    assert (resumed.phase, resumed.next_run_time) == (RecurringTaskPhase.ACTIVE, SLOT + 2 * DAY)


def test_a_suspension_that_ends_while_the_operator_is_down_fires_nothing_of_its_time() -> None:
    played = Played(make_task(suspend=True))
    played.look()
    played.change(suspend=False)
    played.look(SLOT + MINUTE)
    assert played.records == [("Skipped", "Suspended")]
    assert played.made == []


def test_a_suspended_project_skips_slots() -> None:
    played = Played(project=make_project(suspend=True))
    played.pass_time(SLOT)
    assert played.records == [("Skipped", "ProjectSuspended")]
    assert played.status.phase is RecurringTaskPhase.SUSPENDED


def test_a_project_that_is_resumed_while_the_operator_is_down_is_why_its_slots_were_skipped() -> None:
    played = Played(project=make_project(suspend=True))
    played.look()
    played.project = make_project()
    played.look(SLOT + MINUTE)
    assert (played.made, played.records) == ([], [("Skipped", "ProjectSuspended")])
    assert played.last().message.startswith("The Project is suspended")


def test_of_several_late_slots_the_last_fires_and_the_others_are_missed() -> None:
    late = Played()
    late.look()
    late.look(SLOT + 2 * DAY + 5 * MINUTE)
    assert late.records == [("Missed", "Superseded"), ("Missed", "Superseded")]
    catch_up = late.status.catch_up_time
    assert catch_up is not None
    assert timedelta() <= catch_up - late.now <= timedelta(seconds=CATCH_UP_SECONDS)
    late.pass_time(catch_up)
    assert late.records[0] == ("Fired", "Late")
    assert len(late.made) == 1


def test_a_slot_after_its_deadline_is_missed() -> None:
    played = Played(make_task(starting_deadline_seconds=60))
    played.look()
    played.look(SLOT + 61 * SOON)
    assert played.records == [("Missed", "StartingDeadlineExceeded")]
    assert played.made == []


def test_a_slot_just_before_its_deadline_still_fires_in_time() -> None:
    late = Played(make_task(starting_deadline_seconds=60))
    late.look()
    late.look(SLOT + 58 * SOON)
    late.pass_time(SLOT + 60 * SOON)
    assert late.records == [("Fired", "Late")]


def test_late_slots_of_many_tasks_are_spread() -> None:
    times = set()
    for number in range(50):
        task = make_task()
        played = Played(task.updated(metadata=task.metadata.updated(uid=f"uid-{number}")))
        played.look()
        played.look(SLOT + 5 * MINUTE)
        assert played.status.catch_up_time is not None
        times.add(int((played.status.catch_up_time - played.now).total_seconds()) // 6)
    assert len(times) > CATCH_UP_SECONDS / 6 / 2


def test_a_slot_waits_for_a_missing_workflow_until_its_deadline() -> None:
    played = Played()
    workflow, played.workflow = played.workflow, None
    played.pass_time(SLOT + 10 * MINUTE + SOON)
    assert played.records == [("Skipped", "StartingDeadlineExceeded")]
    assert "Workflow 'scripted'" in played.last().message
    assert played.status.phase is RecurringTaskPhase.PENDING
    ready = played.status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "WorkflowNotFound")
    played.workflow = workflow
    played.pass_time(SLOT + DAY)
    assert played.records[0] == ("Fired", "OnTime")


def test_a_slot_fires_once_what_it_lacked_is_there() -> None:
    played = Played()
    workflow, played.workflow = played.workflow, None
    played.pass_time(SLOT + LATE_AFTER - SOON)
    assert played.records == []
    played.workflow = workflow
    played.rest()
    assert played.records == [("Fired", "OnTime")]


def test_an_unknown_zone_fires_nothing_and_names_the_field() -> None:
    played = Played(make_task(time_zone="Mars/Olympus"))
    played.pass_time(SLOT + 3 * DAY)
    assert played.records == []
    assert played.status.anchor is None
    assert played.status.next_run_time is None
    ready = played.status.condition("Ready")
    assert ready is not None
    assert ready.reason == "TimeZoneUnknown"
    assert "spec.timeZone" in ready.message
    played.change(time_zone="Europe/Berlin")
    played.rest()
    assert played.status.phase is RecurringTaskPhase.ACTIVE


def test_a_change_of_a_schedule_field_begins_the_schedule_anew() -> None:
    played = Played()
    played.pass_time(NOW + MINUTE)
    played.change(hour=12, minute=10)
    played.rest()
    assert played.status.next_run_time == NOW + 10 * MINUTE
    played.change(frequency=Frequency.WEEKLY)
    played.look(NOW + 20 * MINUTE)
    assert played.records == [("Missed", "ScheduleChanged")]
    assert played.status.next_run_time == NOW + DAY + 10 * MINUTE


@pytest.mark.parametrize(
    ("frequency", "changes", "expected"),
    [
        (Frequency.DAILY, {"hour": 11}, "Mon 2026-03-02 11:30"),
        (Frequency.DAILY, {"minute": 29}, "Mon 2026-03-02 12:29"),
        (Frequency.DAILY, {"time_zone": "America/Chicago"}, "Sun 2026-03-01 12:30"),
        (Frequency.DAILY, {"start_date": date(2026, 2, 1)}, "Mon 2026-03-02 12:30"),
        (Frequency.DAILY, {"start_date": date(2026, 4, 1)}, "Wed 2026-04-01 12:30"),
        (Frequency.DAILY, {"frequency": Frequency.EVERY_OTHER_DAY}, "Mon 2026-03-02 12:30"),
        (Frequency.DAILY, {"frequency": Frequency.MONTHLY}, "Mon 2026-03-02 12:30"),
        (Frequency.WEEKLY, {"day_of_week": 1}, "Mon 2026-03-02 12:30"),
        (Frequency.WEEKLY, {"frequency": Frequency.BIWEEKLY}, "Mon 2026-03-02 12:30"),
        (Frequency.MONTHLY, {"day_of_month": 31}, "Tue 2026-03-31 12:30"),
    ],
)
def test_a_change_of_each_schedule_field_fires_nothing_of_the_past(
    frequency: Frequency, changes: dict[str, object], expected: str
) -> None:
    played = Played(make_task(frequency=frequency))
    played.pass_time(SLOT + MINUTE)
    records, settled = played.records, played.status.settled_time
    assert settled is not None
    played.change(**changes)
    played.rest()
    assert (played.records, len(played.made)) == (records, 1)
    assert played.status.settled_time is not None
    assert played.status.settled_time >= settled
    assert played.status.next_local_time == expected


def test_a_change_of_anything_else_keeps_the_rhythm() -> None:
    played = Played(make_task(frequency=Frequency.EVERY_OTHER_DAY))
    played.pass_time(SLOT + DAY)
    anchor = played.status.anchor
    played.change(prompt="Audit it well.", suspend=True)
    played.pass_time(SLOT + DAY + MINUTE)
    played.change(suspend=False)
    played.rest()
    assert played.status.anchor == anchor
    assert played.status.next_run_time == SLOT + 2 * DAY


def test_a_start_date_in_the_past_fires_nothing_of_the_past() -> None:
    played = Played(make_task(start_date=date(2020, 1, 1), frequency=Frequency.BIWEEKLY))
    played.rest()
    assert played.status.history == ()
    assert played.status.next_run_time is not None
    days = (played.status.next_run_time.date() - date(2020, 1, 1)).days
    assert days % 14 == 0


def test_jitter_delays_a_task_by_the_same_time_each_day() -> None:
    played = Played(make_task(jitter_seconds=600))
    played.rest()
    assert played.status.next_run_time is not None
    delay = played.status.next_run_time - SLOT
    assert timedelta() <= delay <= timedelta(seconds=600)
    played.pass_time(SLOT + DAY)
    assert played.status.next_run_time == SLOT + DAY + delay
    assert played.last().slot == SLOT


def fail(played: Played, count: int) -> None:
    for _ in range(count):
        time = played.status.next_run_time
        assert time is not None
        played.pass_time(time)
        played.end(played.made[-1], RunPhase.FAILED)
        played.rest()


def test_failures_in_a_row_pause_a_task_and_people_are_told_once() -> None:
    played = Played(make_task(pause_after_failures=2))
    played.rest()
    fail(played, 2)
    assert (played.status.phase, played.status.failures) == (RecurringTaskPhase.PAUSED, 2)
    (notification,) = played.notifications.values()
    assert notification.spec.type is NotificationType.TASK_PAUSED
    played.pass_time(SLOT + 3 * DAY)
    assert played.records[0] == ("Skipped", "PausedByFailures")
    assert len(played.notifications) == 1
    assert len(played.made) == 2


@pytest.mark.parametrize("ends_pause", ["annotation", "spec"])
def test_a_user_ends_a_pause(ends_pause: str) -> None:
    played = Played(make_task(pause_after_failures=1))
    played.rest()
    fail(played, 1)
    played.pass_time(SLOT + DAY + MINUTE)
    if ends_pause == "annotation":
        played.annotate(ANNOTATION_UNPAUSE, "1")
    else:
        played.change(prompt="Audit it better.")
    played.rest()
    assert (played.status.phase, played.status.failures) == (RecurringTaskPhase.ACTIVE, 0)
    assert played.status.next_run_time == SLOT + 2 * DAY
    fail(played, 1)
    assert played.status.phase is RecurringTaskPhase.PAUSED
    assert len(played.notifications) == 2


def test_a_completed_run_ends_a_row_of_failures() -> None:
    played = Played(make_task(pause_after_failures=2))
    played.rest()
    fail(played, 1)
    played.pass_time(SLOT + DAY)
    played.end(played.made[-1])
    played.rest()
    fail(played, 1)
    assert played.status.phase is RecurringTaskPhase.ACTIVE


def test_a_user_runs_a_task_now_without_moving_its_slots() -> None:
    played = Played(make_task(suspend=True))
    played.rest()
    anchor = played.status.anchor
    played.annotate(ANNOTATION_RUN_NOW, "please")
    played.rest()
    (name,) = played.made
    assert "-now-" in name
    assert played.runs[name].spec.scheduled_for is None
    assert (played.last().is_manual, played.status.totals.manual, played.status.totals.fired) == (True, 1, 0)
    assert played.status.anchor == anchor
    played.annotate(ANNOTATION_RUN_NOW, "again")
    played.rest()
    assert len(set(played.made)) == 2
    played.change(prompt="Audit it well.")
    played.rest()
    assert len(played.made) == 2


def test_a_wish_that_cannot_be_granted_is_answered() -> None:
    played = Played(workflow=None)
    played.annotate(ANNOTATION_RUN_NOW, "please")
    played.pass_time(NOW + GRACE + SOON)
    assert played.records == [("Skipped", "WorkflowNotFound")]
    assert played.made == []


def test_a_wish_waits_for_what_comes_after_the_task() -> None:
    played = Played(workflow=None)
    played.annotate(ANNOTATION_RUN_NOW, "please")
    played.pass_time(NOW + GRACE - SOON)
    played.workflow = Played().workflow
    played.rest()
    assert played.records == [("Fired", "Manual")]


def test_a_run_that_is_refused_until_its_deadline_is_skipped() -> None:
    played = Played()
    played.rest()
    played.refusal = Problem(Reason.QUOTA_EXCEEDED, "too many runs", since=SLOT, is_refusal=True, refused_since=SLOT)
    played.pass_time(SLOT + 9 * MINUTE)
    assert played.records == [("Fired", "OnTime")]
    played.pass_time(SLOT + 10 * MINUTE + ARRIVAL_LIMIT)
    assert played.records == [("Skipped", "QuotaExceeded")]
    assert (played.count(FIRED), played.count(SKIPPED), played.status.active) == (0, 1, ())


@pytest.mark.parametrize(
    ("phase", "state", "stays"),
    [
        (PullRequestPhase.CREATED, None, True),
        (PullRequestPhase.CREATED, PullRequestState.OPEN, True),
        (PullRequestPhase.BLOCKED_ON_CI, PullRequestState.OPEN, True),
        (PullRequestPhase.CREATED, PullRequestState.CLOSED, False),
        (PullRequestPhase.MERGED, PullRequestState.MERGED, False),
    ],
)
def test_old_runs_go_beyond_the_limits_but_none_with_an_open_pull_request(
    phase: PullRequestPhase, state: PullRequestState | None, *, stays: bool
) -> None:
    played = Played(make_task(completed_runs_history_limit=1, failed_runs_history_limit=0))
    played.rest()
    for number in range(4):
        time = played.status.next_run_time
        assert time is not None
        played.pass_time(time)
        name = played.made[-1]
        if number == 0:
            opened = PullRequest(phase=phase, number=1, state=state)
            run = played.runs[name]
            played.runs[name] = run.updated(status=run.status.updated(pull_request=opened))
        played.end(name, RunPhase.FAILED if number == 2 else RunPhase.COMPLETED)
        played.rest()
    assert list(played.runs) == ([played.made[0], played.made[3]] if stays else [played.made[3]])


def test_old_runs_wait_until_the_days_of_their_creation_and_end_are_sealed() -> None:
    played = Played(make_task(completed_runs_history_limit=0), sealed_days=frozenset())
    played.pass_time(SLOT)
    (name,) = played.runs
    played.end(name, RunPhase.COMPLETED)
    played.rest()
    created, finished = played.runs[name].metadata.creation_timestamp, played.runs[name].status.finish_time
    assert created is not None
    days = {time.date() for time in (created, finished) if time is not None}
    for day in days:
        played.sealed_days = frozenset(days - {day})
        played.rest()
        assert list(played.runs) == [name]
    played.sealed_days = frozenset(days)
    played.rest()
    assert played.runs == {}


def test_a_task_that_is_deleted_leaves_its_runs_alone() -> None:
    played = Played()
    played.pass_time(SLOT)
    (run,) = played.runs.values()
    played.task = played.task.updated(metadata=played.task.metadata.updated(deletion_timestamp=SLOT))
    assert played.plan() == Plan()
    origin = RecurringTaskOrigin(played.task)
    assert (origin.is_stopping(run), origin.has_recorded(run), origin.reports_ends) == (False, True, False)


def test_a_workflow_that_is_not_ready_is_named() -> None:
    played = Played(make_task(workflow_ref=LocalReference(name="other")), workflow=None)
    played.rest()
    assert "'other'" in played.status.message
