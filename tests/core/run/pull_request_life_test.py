"""What becomes of a pull request after it was opened, as its Run records it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.run.checks import MOST_CHECKS
from codecourier.core.run.pull_request_life import REOPENING, RETRY, with_fact
from codecourier.core.shared.debts import DEBT_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.following import PullRequestLifeFact
from codecourier.core.shared.intents import Failures, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.pull_request import ChecksStatus, PullRequest, PullRequestPhase
from codecourier.resources.run import Run
from tests.support.opened import ASK, LATER, MINUTE, OPEN, after, check, checked, opened, world_of
from tests.support.plans import plan_run
from tests.support.runs import FOUND, HEAD, claiming, pull_request_world, run_status_of
from tests.support.worlds import NOW

MERGED = replace(
    OPEN,
    state=PullRequestState.MERGED,
    merge_time=LATER - MINUTE,
    close_time=LATER - MINUTE,
    merge_commit="c" * 40,
    seen_time=LATER,
)
CLOSED = replace(OPEN, state=PullRequestState.CLOSED, close_time=LATER - MINUTE, seen_time=LATER)
MADE = PullRequest(phase=PullRequestPhase.CREATED, state=PullRequestState.OPEN, number=FOUND.number, url=FOUND.url)
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "The quota refuses it.", since=NOW, is_refusal=True, refused_since=NOW)


def made_of(run: Run) -> PullRequest:
    """Return the pull request of a Run."""
    assert run.status.pull_request is not None
    return run.status.pull_request


def notified(plan: Plan) -> list[NotificationType]:
    """Return what a plan notifies people of."""
    made = (create.resource for create in (*plan.records, *plan.creates) if hasattr(create, "resource"))
    return [found.spec.type for found in made if isinstance(found, Notification)]


def test_an_open_pull_request_is_followed_from_its_end_on_and_nothing_is_written() -> None:
    plan = plan_run(world_of(opened()), LATER)
    assert plan.follow is not None
    assert (plan.follow.ask, plan.follow.since) == (ASK, opened().status.finish_time)
    assert replace(plan, follow=None) == Plan()


def test_the_first_look_writes_what_was_seen_and_the_same_again_writes_nothing() -> None:
    run = after(opened(), OPEN)
    made = made_of(run)
    assert (made.title, made.base_branch, made.head_commit) == ("Fix it", "main", HEAD)
    assert made.checks is None
    again = plan_run(world_of(run, replace(OPEN, seen_time=LATER)), LATER)
    assert (again.status, again.records, again.events) == (None, (), ())
    assert again.follow is not None
    assert again.follow.since == OPEN.seen_time


@pytest.mark.parametrize(
    ("fact", "status", "phase"),
    [
        (checked(check("test", None)), "Pending", "Created"),
        (checked(check("test", "SUCCESS"), check("lint", "SKIPPED"), check("docs", "NEUTRAL")), "Passed", "Created"),
        (checked(check("test", "SUCCESS"), check("lint", None)), "Pending", "Created"),
        (checked(check("test", "FAILURE"), check("lint", None)), "Failed", "BlockedOnCI"),
        (checked(check("test", "TIMED_OUT")), "Failed", "BlockedOnCI"),
        (checked(check("test", "CANCELLED")), "Failed", "BlockedOnCI"),
        (checked(check("test", "ACTION_REQUIRED")), "Failed", "BlockedOnCI"),
        (checked(check("test", "STARTUP_FAILURE")), "Failed", "BlockedOnCI"),
        (checked(check("ci/old", "ERROR")), "Failed", "BlockedOnCI"),
        (checked(check("test", "STALE")), "Pending", "Created"),
        (checked(check("test", "A_WORD_OF_NEXT_YEAR")), "Pending", "Created"),
        (checked(check("test", "SUCCESS", required=True), check("flaky", "FAILURE")), "Passed", "Created"),
        (checked(check("test", None, required=True), check("lint", "SUCCESS")), "Pending", "Created"),
        (checked(check("test", "FAILURE", required=True), check("lint", "SUCCESS")), "Failed", "BlockedOnCI"),
        (replace(checked(check("a", "SUCCESS")), has_more_checks=True, rollup="FAILURE"), "Failed", "BlockedOnCI"),
        (replace(checked(check("a", "SUCCESS")), has_more_checks=True, rollup="PENDING"), "Pending", "Created"),
        (replace(checked(check("a", "SUCCESS")), has_more_checks=True, rollup="SUCCESS"), "Passed", "Created"),
    ],
)
def test_failed_checks_block_and_no_others(fact: PullRequestLifeFact, status: str, phase: str) -> None:
    made = with_fact(MADE, fact, LATER)
    assert made.checks is not None
    assert (made.checks.status, made.phase) == (status, phase)


def test_it_is_blocked_and_free_again_with_an_event_each_and_no_notification() -> None:
    run = after(opened(), OPEN)
    failed = checked(check("test", "FAILURE"), check("lint", "SUCCESS"), minutes=2)
    plan = plan_run(world_of(run, failed), failed.seen_time)
    assert [(event.reason, event.is_warning) for event in plan.events] == [("BlockedOnCI", True)]
    assert ": test." in plan.events[0].message
    assert notified(plan) == []
    run = run.updated(status=run_status_of(plan))
    assert (made_of(run).phase, run.status.phase) == (PullRequestPhase.BLOCKED_ON_CI, opened().status.phase)
    rerun = checked(check("test", None), check("lint", "SUCCESS"), minutes=3)
    plan = plan_run(world_of(run, rerun), rerun.seen_time)
    assert [event.reason for event in plan.events] == ["ChecksRecovered"]
    assert made_of(run.updated(status=run_status_of(plan))).phase is PullRequestPhase.CREATED


def test_the_time_of_checks_is_that_of_their_last_change() -> None:
    run = after(opened(), checked(check("test", None), check("lint", None)))
    for minutes, fact in ((2, checked(check("lint", None), check("test", None))), (3, replace(OPEN, title="New"))):
        seen = replace(fact, checks=(check("lint", None), check("test", None)), seen_time=NOW + minutes * MINUTE)
        run = after(run, seen)
        checks = made_of(run).checks
        assert checks is not None
        assert checks.check_time == NOW + MINUTE
    assert made_of(run).observed_time == NOW + 3 * MINUTE


def test_checks_that_are_gone_are_none_and_those_that_never_were_need_no_write() -> None:
    assert with_fact(MADE, checked(), LATER).checks is None
    gone = with_fact(with_fact(MADE, checked(check("test", "FAILURE")), LATER), checked(minutes=2), LATER)
    assert gone.checks is not None
    assert (gone.checks.status, gone.checks.items, gone.phase) == (ChecksStatus.NONE, (), PullRequestPhase.CREATED)


def test_a_first_look_that_finds_what_was_opened_writes_nothing() -> None:
    found = replace(FOUND, title=OPEN.title, base_branch=OPEN.base_branch, head_commit=OPEN.head_commit)
    run = claiming()
    run = run.updated(status=run_status_of(plan_run(pull_request_world(run, found), NOW)))
    run = run.updated(status=run_status_of(plan_run(world_of(run), NOW)))
    assert plan_run(world_of(run, OPEN), LATER).status is None


def test_a_status_names_the_checks_that_matter_most_first() -> None:
    many = tuple(check(f"c{number:03}", "SUCCESS") for number in range(80))
    made = with_fact(MADE, checked(*many, check("x" * 300, "FAILURE"), check("wait", None)), LATER)
    assert made.checks is not None
    assert len(made.checks.items) == MOST_CHECKS
    assert [item.name for item in made.checks.items[:3]] == ["x" * 127 + "…", "wait", "c000"]
    assert [item.conclusion for item in made.checks.items[:3]] == ["Failure", None, "Success"]
    assert made.checks.items[1].status == "InProgress"


def test_checks_that_cannot_be_read_stay_for_the_same_commit_and_are_unknown_for_another() -> None:
    blocked = with_fact(MADE, checked(check("test", "FAILURE")), LATER)
    unread = replace(OPEN, checks=None, seen_time=NOW + 2 * MINUTE)
    assert with_fact(blocked, unread, LATER) == blocked
    pushed = with_fact(blocked, replace(unread, head_commit="d" * 40), LATER)
    assert (pushed.checks, pushed.phase) == (None, PullRequestPhase.CREATED)


def test_a_merge_is_notified_of_before_it_is_written_and_then_nothing_is_followed() -> None:
    run = after(opened(), OPEN)
    plan = plan_run(world_of(run, MERGED), LATER)
    assert notified(plan) == [NotificationType.PR_MERGED]
    assert [event.reason for event in plan.events] == ["PullRequestMerged"]
    assert (plan.follow, len(plan.records)) == (None, 1)
    merged = run.updated(status=run_status_of(plan))
    made = made_of(merged)
    assert (made.phase, made.state) == (PullRequestPhase.MERGED, PullRequestState.MERGED)
    assert (made.merge_time, made.merge_commit) == (MERGED.merge_time, MERGED.merge_commit)
    assert (merged.status.phase, merged.status.message) == (run.status.phase, run.status.message)
    assert plan_run(world_of(merged, replace(CLOSED, seen_time=LATER + MINUTE)), LATER + MINUTE) == Plan()


def test_every_leader_notifies_of_a_merge_alike_and_not_again_where_it_is_known() -> None:
    run = after(opened(), OPEN)
    first = plan_run(world_of(run, MERGED), LATER)
    late = plan_run(world_of(run, replace(MERGED, seen_time=LATER + MINUTE)), LATER + MINUTE)
    assert first.records == late.records
    known = frozenset(create.resource.name for create in first.records)
    assert plan_run(world_of(run, MERGED, notifications=known), LATER).records == ()


def test_a_merge_that_the_cluster_refuses_a_notification_for_is_owed_and_paid() -> None:
    run = after(opened(), OPEN)
    world = world_of(run, MERGED)
    refused = Failures(dict.fromkeys(plan_run(world, LATER).records, QUOTA))
    plan = plan_run(replace(world, failures=refused), LATER)
    run = run.updated(status=run_status_of(plan))
    assert (plan.records, len(run.status.unnotified)) == ((), 1)
    assert notified(plan_run(world_of(run), LATER)) == [NotificationType.PR_MERGED]
    owing = replace(world_of(run), failures=Failures(dict.fromkeys(plan_run(world_of(run), LATER).creates, QUOTA)))
    assert plan_run(owing, LATER + DEBT_LIMIT - 2 * MINUTE).creates
    assert not plan_run(owing, LATER + DEBT_LIMIT).creates


def test_one_that_was_closed_is_looked_at_for_another_day_and_may_be_opened_again() -> None:
    run = after(opened(), OPEN, CLOSED)
    made = made_of(run)
    assert (made.phase, made.state, made.close_time) == ("Created", "Closed", CLOSED.close_time)
    plan = plan_run(world_of(run, CLOSED), LATER)
    assert (plan.status, plan.follow is not None) == (None, True)
    assert plan.look_again == LATER - MINUTE + REOPENING
    again = replace(OPEN, seen_time=LATER + MINUTE)
    reopened = plan_run(world_of(run, again), again.seen_time)
    assert [event.reason for event in reopened.events] == ["PullRequestReopened"]
    assert made_of(run.updated(status=run_status_of(reopened))).state is PullRequestState.OPEN
    assert plan_run(world_of(run), LATER + REOPENING) == Plan()


def test_a_closed_one_keeps_its_phase() -> None:
    blocked = with_fact(MADE, checked(check("test", "FAILURE")), LATER)
    closed = with_fact(blocked, replace(CLOSED, checks=(check("test", "SUCCESS"),)), LATER)
    assert (closed.phase, closed.state) == (PullRequestPhase.BLOCKED_ON_CI, PullRequestState.CLOSED)


def test_another_base_and_title_are_recorded_and_the_base_is_an_event() -> None:
    run = after(opened(), OPEN)
    plan = plan_run(world_of(run, replace(OPEN, base_branch="next", title="B" * 300, seen_time=LATER)), LATER)
    assert [event.reason for event in plan.events] == ["PullRequestRetargeted"]
    made = made_of(run.updated(status=run_status_of(plan)))
    assert (made.base_branch, made.title) == ("next", "B" * 255 + "…")


def test_what_is_not_followed() -> None:
    run = after(opened(), OPEN)
    leaving = run.updated(metadata=run.metadata.updated(deletion_timestamp=NOW))
    assert plan_run(world_of(leaving, MERGED), LATER).follow is None
    again = run.updated(spec=run.spec.updated(attempt=2))
    assert plan_run(world_of(again, MERGED), LATER).follow is None
    assert plan_run(world_of(run, is_namespace_ending=True), LATER).follow is None
    assert plan_run(world_of(run, project=None), LATER) == Plan(look_again=LATER + RETRY)


def test_a_rotated_token_is_the_same_question() -> None:
    versions = {"token": "7"}
    world = world_of(opened())
    world = replace(world, credentials=replace(world.credentials, versions=versions))
    plan = plan_run(world, LATER)
    assert plan.follow is not None
    assert plan.follow.ask == ASK


@st.composite
def lives(draw: st.DrawFn) -> list[PullRequestLifeFact]:
    """Return what a host says at increasing times."""
    found = []
    for number in range(draw(st.integers(1, 8))):
        seen = NOW + number * MINUTE
        state = draw(st.sampled_from(PullRequestState))
        conclusions = draw(st.lists(st.sampled_from([None, "SUCCESS", "FAILURE"]), max_size=3))
        found.append(
            replace(
                OPEN,
                state=state,
                seen_time=seen,
                base_branch=draw(st.sampled_from(["main", "next"])),
                checks=tuple(check(f"c{index}", word) for index, word in enumerate(conclusions)),
                merge_time=seen if state is PullRequestState.MERGED else None,
                close_time=None if state is PullRequestState.OPEN else seen,
            )
        )
        if state is PullRequestState.MERGED:
            break
    return found


@given(lives(), st.randoms(use_true_random=False))
def test_answers_that_overlap_end_as_the_last_look_says(facts: list[PullRequestLifeFact], random: Random) -> None:
    made = MADE
    for fact in facts:
        made = with_fact(made, fact, LATER)
    shuffled = [*facts]
    random.shuffle(shuffled)
    for late in shuffled:
        assert with_fact(made, replace(late, seen_time=late.seen_time - timedelta(hours=1)), LATER) == made
    assert (made.phase is PullRequestPhase.MERGED) == (facts[-1].state is PullRequestState.MERGED)


@given(lives())
def test_a_life_notifies_of_its_merge_once_and_leaves_the_outcome_alone(facts: list[PullRequestLifeFact]) -> None:
    run = opened()
    told: list[NotificationType] = []
    for fact in [*facts, facts[-1]]:
        plan = plan_run(world_of(run, fact), fact.seen_time)
        told += notified(plan)
        run = run if plan.status is None else run.updated(status=run_status_of(plan))
        assert (run.status.phase, run.status.message) == (opened().status.phase, opened().status.message)
    assert told == [NotificationType.PR_MERGED] * (facts[-1].state is PullRequestState.MERGED)


def test_a_clock_that_was_set_back_hinders_nothing() -> None:
    ahead = with_fact(MADE, replace(OPEN, seen_time=LATER), LATER)
    assert with_fact(ahead, replace(MERGED, seen_time=NOW), NOW).phase is PullRequestPhase.MERGED
