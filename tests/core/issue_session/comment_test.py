from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.issue_session.comment import ARRIVAL_LIMIT, WAIT_LIMIT, build_comment
from codecourier.core.shared.facts import OwnCommentsAsk, Problem
from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.run import RunPhase
from codecourier.text import session_marker
from tests.core.issue_session.played import MINUTE, Played, make_session
from tests.support.worlds import NOW, URL, make_project

SILENCE = Problem(Reason.FORGE_UNAVAILABLE, "It does not answer.")
LOCKED = Problem(Reason.ISSUE_LOCKED, "It is locked.", is_refusal=True)


def condition_of(played: Played) -> tuple[ConditionStatus, str] | None:
    condition = played.status.condition("Commented")
    return None if condition is None else (condition.status, condition.reason)


def test_one_comment_says_what_the_session_does_and_is_changed_with_it() -> None:
    played = Played()
    played.rest()
    (comment,) = played.comments
    assert "is working on this issue" in comment.body
    assert f"| `{played.made[0]}` | at work | none |" in comment.body
    played.end(played.made[0])
    played.rest()
    (comment,) = played.comments
    assert "has worked on this issue" in comment.body
    assert f"| `{played.made[0]}` | completed | {URL}/pull/1 |" in comment.body
    assert condition_of(played) == (ConditionStatus.TRUE, "Commented")
    played.pass_time(NOW + timedelta(days=2))
    assert len(played.written) == 2


def test_the_comment_holds_no_word_of_an_agent_or_of_a_cluster() -> None:
    played = Played()
    played.rest()
    played.end(played.made[0], RunPhase.FAILED)
    played.rest()
    assert "It ended." not in played.comments[0].body


def test_it_is_claimed_before_it_is_written() -> None:
    played = Played()
    while not (plan := played.look()).effects:
        assert played.comments == []
    assert plan.status is not None
    assert played.status.comment is not None
    assert played.status.comment.claim_time == NOW


def test_a_lost_answer_makes_no_second_comment() -> None:
    played = Played()
    while not played.look().effects:
        pass
    written, played.comments = played.comments, []  # the request is on its way, and the operator is killed
    played.restart()
    played.pass_time(NOW + ARRIVAL_LIMIT - timedelta(seconds=1))
    assert len(played.written) == 1
    played.comments = written
    played.pass_time(NOW + timedelta(hours=1))
    assert (len(played.written), len(played.comments)) == (1, 1)


def test_a_request_that_cannot_arrive_any_more_is_sent_again() -> None:
    played = Played()
    while not played.look().effects:
        pass
    played.comments = []
    played.restart()
    played.pass_time(NOW + ARRIVAL_LIMIT + MINUTE)
    assert (len(played.written), len(played.comments)) == (2, 1)


def test_silence_is_waited_out_before_another_request() -> None:
    played = Played(comment_problem=SILENCE)
    played.rest()
    assert (len(played.written), condition_of(played)) == (1, (ConditionStatus.FALSE, Reason.FORGE_UNAVAILABLE))
    played.pass_time(NOW + ARRIVAL_LIMIT - timedelta(seconds=1))
    assert len(played.written) == 1
    played.comment_problem = None
    played.pass_time(NOW + timedelta(hours=1))
    assert (len(played.written), len(played.comments)) == (2, 1)
    assert condition_of(played) == (ConditionStatus.TRUE, "Commented")


def test_an_operator_that_starts_anew_waits_before_it_repeats_a_request_that_had_no_answer() -> None:
    played = Played(comment_problem=SILENCE)
    played.rest()
    played.restart()
    played.comment_problem = None
    played.pass_time(NOW + ARRIVAL_LIMIT - timedelta(seconds=1))
    assert len(played.written) == 1
    played.pass_time(NOW + timedelta(hours=3))
    (first, *more) = played.written
    assert first.comment is None
    assert len(more) == 1
    assert len(played.comments) == 1


def test_a_refusal_is_said_once_and_given_up_after_a_day_until_there_is_news() -> None:
    played = Played(comment_problem=replace(LOCKED, refused_since=NOW))
    played.rest()
    assert condition_of(played) == (ConditionStatus.FALSE, Reason.ISSUE_LOCKED)
    played.pass_time(NOW + WAIT_LIMIT + timedelta(hours=1))
    tried = len(played.written)
    assert [event.reason for event in played.events].count(Reason.ISSUE_LOCKED) == 1
    played.pass_time(played.now + timedelta(days=2))
    assert len(played.written) == tried
    assert played.status.phase == "Running"
    played.comment_problem = None
    played.end(played.made[0])
    played.rest()
    assert (len(played.comments), condition_of(played)) == (1, (ConditionStatus.TRUE, "Commented"))


def test_a_comment_that_a_user_deleted_stays_deleted() -> None:
    played = Played()
    played.rest()
    played.comments.clear()
    played.end(played.made[0])
    played.pass_time(NOW + timedelta(days=1))
    assert played.comments == []
    assert condition_of(played) == (ConditionStatus.FALSE, "CommentDeleted")


def test_a_restored_session_adopts_the_comment_that_is_there() -> None:
    played = Played()
    played.rest()
    restored = played.session.updated(status=played.status.updated(comment=None))
    played.session = restored
    played.rest()
    assert (len(played.comments), len(played.written)) == (1, 1)


def test_of_two_comments_the_oldest_is_kept_true_and_the_other_is_left_alone() -> None:
    played = Played()
    played.rest()
    copy = replace(played.comments[0], id=2, body=f"Look: {session_marker('uid-total')}")
    played.comments.append(copy)
    played.end(played.made[0])
    played.rest()
    assert "has worked on this issue" in played.comments[0].body
    assert played.comments[1] == copy


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_ends_that_a_host_changes_are_no_news(ending: str) -> None:
    played = Played()
    played.rest()
    played.comments = [replace(c, body=c.body.replace("\n", ending) + ending) for c in played.comments]
    played.session = played.session.updated(status=played.status.updated(comment=None))
    played.rest()
    assert len(played.written) == 1


def test_nothing_is_written_where_no_run_was_made() -> None:
    played = Played(session=make_session(), project=make_project(), workflow=None)
    played.pass_time(NOW + timedelta(days=1))
    assert played.written == []


def test_the_comment_ends_with_the_marker_by_which_it_is_found() -> None:
    played = Played()
    played.rest()
    assert build_comment(played.session).endswith(session_marker("uid-total"))


def test_a_clock_that_went_back_delays_the_comment_by_minutes() -> None:
    played = Played()
    while not played.look().effects:
        pass
    played.comments = []
    played.restart()
    played.now = NOW - timedelta(days=30)
    played.pass_time(played.now + 2 * ARRIVAL_LIMIT)
    assert len(played.comments) == 1


def test_a_comment_is_written_soon_after_the_issue_was_unlocked() -> None:
    played = Played(comment_problem=replace(LOCKED, refused_since=NOW))
    played.rest()
    played.comment_problem = None
    played.pass_time(NOW + timedelta(seconds=20))
    assert len(played.comments) == 1


def finished_with(problem: Problem) -> Played:
    """Return a finished session whose host has this problem with comments."""
    played = Played(comment_problem=problem)
    played.rest()
    played.end(played.made[0])
    played.rest()
    played.written.clear()
    return played


def test_a_host_that_asks_to_wait_is_not_asked_before() -> None:
    played = finished_with(replace(SILENCE, retry_time=NOW + timedelta(minutes=20)))
    played.pass_time(NOW + timedelta(minutes=3))
    assert played.plan().look_again == NOW + timedelta(minutes=20)


def test_a_host_that_takes_no_comment_is_asked_less_and_less_often() -> None:
    played = finished_with(replace(LOCKED, refused_since=NOW))
    played.pass_time(NOW + WAIT_LIMIT)
    assert 40 < len(played.written) < 80


def test_which_comment_it_is_stands_in_the_status_before_it_is_changed() -> None:
    played = Played()
    played.rest()
    played.session = played.session.updated(status=played.status.updated(comment=None))
    played.end(played.made[0])
    while not played.look().effects:
        pass
    assert played.status.comment is not None
    assert played.status.comment.id == 1


def test_a_change_that_comes_after_a_later_one_is_put_right() -> None:
    played = Played()
    played.rest()
    before = played.comments[0]
    played.end(played.made[0])
    played.rest()
    wanted = played.comments[0]
    played.comments[0] = before  # a request of an operator that was killed comes last
    session = played.session
    played.pass_time(NOW + ARRIVAL_LIMIT + MINUTE)
    assert (played.comments[0], played.session) == (wanted, session)


def test_what_a_user_makes_of_the_comment_later_is_left_until_there_is_news() -> None:
    played = Played()
    played.rest()
    played.pass_time(NOW + timedelta(minutes=30))
    edited = replace(played.comments[0], body=f"Thanks! {session_marker('uid-total')}")
    played.comments[0] = edited
    played.pass_time(NOW + timedelta(days=1))
    assert played.comments == [edited]


def test_what_is_to_be_written_does_not_wait_for_what_is_asked_of_the_comment() -> None:
    played = Played(comment_problem=SILENCE)
    played.rest()
    played.change_issue(state=IssueState.CLOSED)
    played.now = NOW + timedelta(minutes=10)
    plan = played.plan(unanswered=OwnCommentsAsk)
    assert plan.asks == ()
    assert plan.status is not None
