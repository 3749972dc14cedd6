"""A Single merge whose base branch has a merge queue: entered once, followed, left, and compared as far as possible."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.checks import MergeStrategy
from codecourier.core.merge_job.gate import LOOK_AGAIN
from codecourier.core.merge_job.landing import Verified, compare_queued
from codecourier.core.merge_job.waiting import CLAIM_LIMIT, HOST_LIMIT, QUEUE_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.merge_facts import CommitFact, QueueFact
from codecourier.core.shared.reasons import Reason
from codecourier.resources.merge_job import MergeJobPhase
from tests.core.merge_job.host import BASE, DOWN, GREEN, HEAD, OTHER, PULL, QUEUED, REFUSED, TREE, Host
from tests.support.worlds import NOW

GATE = replace(GREEN, has_queue=True, queue_strategy=MergeStrategy.SQUASH)
OUT = QueueFact(is_open=True, is_queued=False, exit_id="exit", exit_reason="failed_checks")
ON_OTHER = {"tree": OTHER, "parents": (OTHER,)}


def ended(host: Host) -> tuple[MergeJobPhase, str]:
    condition = host.status.condition("Succeeded")
    assert condition is not None
    return host.status.phase, condition.reason


def entered() -> Host:
    """Return the merge once the host has taken the pull request into the queue."""
    host = Host(gate=GATE)
    host.look()
    host.look(LOOK_AGAIN)
    return host


def test_it_enters_the_queue_once_and_says_that_the_strategy_is_the_queues() -> None:
    host = entered()
    host.look(timedelta(hours=1))
    (merge,) = host.merges
    assert (merge.head, merge.has_queue) == (HEAD, True)
    assert "not by spec.mergeStrategy. Its place there is 2." in host.status.waiting_for
    host.merged()
    host.look()
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


def test_the_base_may_move_while_it_is_in_the_queue() -> None:
    host = entered()
    host.base = OTHER
    host.look(timedelta(hours=1))
    assert (len(host.merges), host.status.landing is None) == (1, False)
    host.merged(**ON_OTHER)
    plan = host.look()
    assert plan is not None
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.MERGED_BY_QUEUE)
    assert not plan.events[-1].is_warning


def test_what_left_the_queue_is_told_with_the_reason_and_never_enters_it_again() -> None:
    host = entered()
    host.place = OUT
    host.look(timedelta(hours=1))
    assert host.status.phase is MergeJobPhase.RUNNING
    host.look(LOOK_AGAIN)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.MERGE_LEFT_QUEUE)
    assert "(failed_checks)" in host.status.message
    assert len(host.merges) == 1


def test_a_merge_that_is_shown_late_is_no_exit() -> None:
    host = entered()
    host.place = replace(OUT, exit_reason="merge")
    host.look(timedelta(hours=1))
    host.merged()
    host.look(LOOK_AGAIN)
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


def test_a_place_that_is_seen_again_is_no_exit() -> None:
    host = entered()
    host.place = OUT
    host.look(timedelta(hours=1))
    host.place = QUEUED
    host.look(LOOK_AGAIN)
    host.place = OUT
    host.look(LOOK_AGAIN)
    assert host.status.phase is MergeJobPhase.RUNNING


def test_an_exit_after_a_lost_answer_is_no_reason_to_enter_again() -> None:
    host = Host(gate=GATE, answer=DOWN, has_lost_answers=True)
    host.look()
    host.failed.clear()
    host.place = OUT
    host.look(LOOK_AGAIN)
    host.look(LOOK_AGAIN)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.MERGE_LEFT_QUEUE)
    assert len(host.merges) == 1


def test_an_exit_of_an_earlier_merge_does_not_count() -> None:
    host = Host(gate=GATE, place=OUT)
    host.look()
    assert len(host.merges) == 1
    host.look(LOOK_AGAIN)
    host.look(timedelta(hours=1))
    assert host.status.phase is MergeJobPhase.RUNNING


def test_a_request_that_was_lost_is_repeated() -> None:
    host = Host(gate=GATE, answer=DOWN)
    host.look()
    host.answer = None
    host.look(LOOK_AGAIN)
    host.look(LOOK_AGAIN)
    assert len(host.merges) == 2
    assert host.status.landing is not None
    assert host.status.landing.queue_time is not None


def test_a_refusal_of_the_queue_ends_the_merge() -> None:
    host = Host(gate=GATE, answer=REFUSED)
    host.look()
    host.look(LOOK_AGAIN)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.MERGE_REFUSED)


def test_a_queue_that_nothing_told_of_is_followed_once_the_host_says_so() -> None:
    host = Host(answer=Problem(Reason.MERGE_QUEUED, "It is in the queue."), place=QUEUED)
    host.look()
    host.look(LOOK_AGAIN)
    assert host.status.landing is not None
    assert (host.status.landing.has_queue, len(host.merges)) == (True, 1)
    host.place = OUT
    host.look(LOOK_AGAIN)
    host.look(LOOK_AGAIN)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.MERGE_LEFT_QUEUE)
    assert len(host.merges) == 1


def test_what_a_user_has_put_into_the_queue_is_followed_and_left_there() -> None:
    host = Host(gate=GATE, place=QUEUED)
    host.look()
    host.look(timedelta(hours=1))
    assert (host.merges, host.status.phase) == ([], MergeJobPhase.RUNNING)
    host.stop()
    assert (host.exits, host.status.phase) == ([], MergeJobPhase.CANCELLED)
    assert ended(host)[1] == Reason.MERGE_UNDER_WAY


def test_the_queue_is_waited_for_in_bounded_time() -> None:
    host = entered()
    plan = host.look(QUEUE_LIMIT - LOOK_AGAIN - timedelta(seconds=1))
    assert plan is not None
    assert plan.look_again == NOW + QUEUE_LIMIT
    host.look(timedelta(seconds=1))
    assert ended(host) == (MergeJobPhase.FAILED, Reason.MERGE_QUEUED)
    assert "may still" in host.status.message


@pytest.mark.parametrize("is_claimed", [True, False])
def test_a_queue_that_cannot_be_seen_is_waited_for_in_bounded_time(*, is_claimed: bool) -> None:
    host = entered() if is_claimed else Host(gate=GATE)
    host.place = DOWN
    host.look()
    host.look(HOST_LIMIT - timedelta(seconds=1))
    assert host.status.phase is MergeJobPhase.RUNNING
    host.look(timedelta(seconds=1))
    assert ended(host) == (MergeJobPhase.FAILED, Reason.FORGE_UNAVAILABLE)
    assert len(host.merges) == is_claimed


def test_a_stop_takes_out_of_the_queue_what_was_put_there() -> None:
    host = entered()
    host.stop()
    assert (len(host.exits), host.status.phase) == (1, MergeJobPhase.RUNNING)
    assert host.stop(LOOK_AGAIN) is None, "nothing is at the host any more"


def test_a_stop_waits_for_a_request_that_may_still_arrive() -> None:
    host = Host(gate=GATE, answer=DOWN)
    host.look()
    host.stop()
    assert host.exits == []
    host.place = QUEUED
    host.stop(timedelta(minutes=1))
    assert len(host.exits) == 1
    assert host.stop(LOOK_AGAIN) is None


@pytest.mark.parametrize("place", [QUEUED, DOWN])
def test_a_stop_gives_up_after_a_while_and_says_so(place: QueueFact | Problem) -> None:
    host = entered()
    host.place = place
    host.stop()
    host.place = place
    host.stop(CLAIM_LIMIT)
    assert ended(host) == (MergeJobPhase.CANCELLED, Reason.MERGE_UNDER_WAY)


def test_a_merge_that_comes_before_the_exit_counts() -> None:
    host = entered()
    host.stop()
    host.merged()
    host.stop(LOOK_AGAIN)
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


@pytest.mark.parametrize(
    ("tree", "parent", "strategy", "reason"),
    [
        (TREE, BASE, MergeStrategy.SQUASH, None),
        (TREE, BASE, None, None),
        (OTHER, BASE, MergeStrategy.SQUASH, Reason.LANDED_DIFFERENT),
        (OTHER, BASE, None, Reason.LANDED_DIFFERENT),
        (OTHER, OTHER, MergeStrategy.MERGE, Reason.MERGED_BY_QUEUE),
        (OTHER, OTHER, MergeStrategy.REBASE, Reason.MERGED_BY_QUEUE),
        (TREE, OTHER, MergeStrategy.SQUASH, Reason.BASE_MAYBE_UNDONE),
        (TREE, OTHER, MergeStrategy.REBASE, None),
        (TREE, OTHER, None, None),
    ],
)
def test_what_a_queue_landed_is_compared_as_far_as_it_can_be(
    tree: str, parent: str, strategy: MergeStrategy | None, reason: Reason | None
) -> None:
    verified = Verified(HEAD, "main", BASE, TREE)
    found = compare_queued(PULL.url, "6" * 40, CommitFact(tree, (parent,)), verified, strategy)
    assert (None if found is None else found.reason) == reason
    if reason in {Reason.MERGED_BY_QUEUE, Reason.BASE_MAYBE_UNDONE}:
        assert found is not None
        assert parent in found.message
        assert BASE in found.message


EVENTS = st.sampled_from(["nothing", "out", "in", "lose", "answer", "forget", "base", "base back"])


@given(st.lists(st.tuples(EVENTS, st.integers(0, 90)), max_size=25))
def test_after_an_exit_nothing_enters_the_queue(events: list[tuple[str, int]]) -> None:
    host = Host(gate=GATE)
    has_left = False
    for event, minutes in events:
        if host.status.phase.is_finished or host.status.head_tree is None:
            return
        assert isinstance(host.place, QueueFact)
        if event == "out" and host.place.is_queued:
            host.place, has_left = OUT, True
        elif event == "in":
            host.place = QUEUED
        elif event in {"lose", "answer"}:
            host.answer, host.has_lost_answers = (DOWN, True) if event == "lose" else (None, False)
        elif event == "forget":
            host.failed.clear()
        elif event in {"base", "base back"}:
            host.base = OTHER if event == "base" else BASE
        before, has_claim = len(host.merges), host.status.landing is not None
        host.look(timedelta(minutes=minutes))
        assert not (has_left and has_claim and len(host.merges) > before)
