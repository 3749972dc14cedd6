"""The new pull request of a Combine after it was opened, and the sources that are closed once it is merged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.merge_job.following import CLOSING_LIMIT, REOPENING
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.following import PullRequestLifeFact
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import SourceClosing
from codecourier.resources.notification import NotificationType
from tests.core.merge_job.played import Played, commit, make_job, make_pull
from tests.support.worlds import NOW, URL

DOWN = Problem(Reason.FORGE_UNAVAILABLE, "It is down.")
SEEN = NOW + timedelta(minutes=5)
OPEN = PullRequestLifeFact(
    state=PullRequestState.OPEN,
    is_draft=False,
    title="Combine",
    base_branch="main",
    head_commit=commit("combined"),
    seen_time=SEEN,
)
MERGED = replace(
    OPEN,
    state=PullRequestState.MERGED,
    merge_time=SEEN,
    close_time=SEEN,
    merge_commit=commit("landed"),
)
CLOSED = replace(OPEN, state=PullRequestState.CLOSED, close_time=SEEN)


def opened(**spec: Any) -> Played:
    """Return a Combine of 7, 8 and 9 whose new pull request is open; 9 was left out."""
    played = Played(job=make_job(7, 8, 9, **spec), pulls={9: make_pull(9, is_draft=True)})
    played.work()
    played.now = SEEN
    return played


def merged(**spec: Any) -> Played:
    """Return the same once it is merged."""
    played = opened(**spec)
    played.life = MERGED
    return played


def closings(played: Played) -> dict[int, SourceClosing | None]:
    """Return what became of the sources."""
    return {source.number: source.closing for source in played.status.sources}


def types(played: Played) -> list[NotificationType]:
    """Return the types of all Notifications that were made."""
    return sorted(n.spec.type for n in played.notifications.values())


def test_the_new_pull_request_is_followed_until_it_is_merged() -> None:
    played = opened()
    assert played.follow is not None
    assert (played.follow.ask.number, played.follow.since) == (100, played.status.finish_time)
    played.life = OPEN
    played.rest()
    assert played.follow is not None
    played.life = MERGED
    played.rest()
    assert played.plan() == Plan(status=played.status)
    result = played.status.result
    assert result is not None
    assert (result.state, result.merge_time, result.merge_commit) == (PullRequestState.MERGED, SEEN, commit("landed"))


def test_its_merge_is_told_once_also_where_the_status_was_not_written() -> None:
    played = merged()
    before = played.job
    played.rest()
    made = dict(played.notifications)
    assert types(played).count(NotificationType.PR_MERGED) == 1
    played.job = before
    played.now += timedelta(hours=1)
    played.rest()
    assert played.notifications == made
    told = next(n for n in made.values() if n.spec.type is NotificationType.PR_MERGED)
    assert (told.spec.event_time, told.spec.pr_url) == (SEEN, f"{URL}/pull/100")


def test_one_that_is_closed_is_looked_at_for_a_day() -> None:
    played = opened()
    played.life = CLOSED
    played.rest()
    assert played.plan().look_again == SEEN + REOPENING
    assert played.events[-1].reason == Reason.CLOSED_UNMERGED
    played.now = SEEN + REOPENING
    played.rest()
    assert played.follow is None
    assert NotificationType.PR_MERGED not in types(played)


def test_one_that_is_opened_again_is_followed_on() -> None:
    played = opened()
    played.life = CLOSED
    played.rest()
    played.life = replace(OPEN, seen_time=SEEN + timedelta(minutes=1))
    played.rest()
    assert played.events[-1].reason == Reason.PULL_REQUEST_REOPENED
    played.now = SEEN + 2 * REOPENING
    played.rest()
    assert played.follow is not None


def test_an_older_answer_changes_nothing() -> None:
    played = opened()
    played.life = CLOSED
    played.rest()
    played.life = replace(OPEN, seen_time=SEEN - timedelta(minutes=1))
    played.rest()
    assert played.status.result is not None
    assert played.status.result.state is PullRequestState.CLOSED


def test_sources_stay_open_unless_closing_is_asked_for() -> None:
    played = merged()
    played.rest()
    assert played.closed == []


def test_no_source_is_closed_before_the_new_one_is_merged() -> None:
    played = opened(close_sources=True)
    for life in (OPEN, CLOSED):
        played.life = life
        played.rest()
    assert played.closed == []


def test_the_merged_sources_are_closed_once() -> None:
    played = merged(close_sources=True)
    played.rest()
    assert played.closed == [7, 8]
    assert closings(played) == {7: SourceClosing.CLOSED, 8: SourceClosing.CLOSED, 9: None}
    played.pulls[7] = make_pull(7)
    played.rest()
    assert played.closed == [7, 8], "a user has opened it again"


def test_a_source_whose_head_moved_is_left_open_and_that_is_said() -> None:
    played = merged(close_sources=True)
    played.pulls[7] = make_pull(7, head_commit=commit("pushed"))
    played.rest()
    assert played.closed == [8]
    (source, *_) = played.status.sources
    assert source.closing is SourceClosing.LEFT_OPEN
    assert source.message is not None
    assert commit("head 7") in source.message
    assert commit("pushed") in source.message
    assert [e.reason for e in played.events].count(Reason.SOURCE_LEFT_OPEN) == 1


@pytest.mark.parametrize("state", [PullRequestState.MERGED, PullRequestState.CLOSED])
def test_a_source_that_is_closed_already_is_left_as_it_is(state: PullRequestState) -> None:
    played = merged(close_sources=True)
    played.pulls[7] = make_pull(7, state=state)
    played.rest()
    assert played.closed == [8]
    assert closings(played)[7] is SourceClosing.CLOSED


def test_an_answer_that_is_lost_closes_nothing_twice() -> None:
    played = merged(close_sources=True)
    played.is_answer_lost = True
    played.rest()
    assert played.closed == [7, 8]
    assert closings(played)[8] is SourceClosing.CLOSED


def test_a_host_that_refuses_is_asked_for_a_day() -> None:
    played = merged(close_sources=True)
    played.host_problem = DOWN
    played.rest()
    plan = played.plan()
    assert plan.look_again is not None
    assert SEEN < plan.look_again <= SEEN + CLOSING_LIMIT
    assert closings(played)[7] is None
    played.now = SEEN + CLOSING_LIMIT
    played.rest()
    assert closings(played)[7] is SourceClosing.LEFT_OPEN
    assert "It is down" in (played.status.sources[0].message or "")


def test_a_source_that_cannot_be_read_does_not_keep_the_others_open() -> None:
    played = merged(close_sources=True)
    played.pulls[7] = DOWN
    played.rest()
    assert (played.closed, closings(played)[7]) == ([8], None)
    played.now = SEEN + CLOSING_LIMIT
    played.rest()
    assert closings(played)[7] is SourceClosing.LEFT_OPEN


def test_many_sources_are_closed_some_at_a_time() -> None:
    numbers = range(1, 26)
    played = Played(job=make_job(*numbers, close_sources=True))
    played.work()
    played.now, played.life = SEEN, MERGED
    looked = [played.look() for _ in range(2)]
    assert len(looked[1].effects) == 10
    for _ in range(8):
        played.look()
    assert played.closed == [*numbers]
