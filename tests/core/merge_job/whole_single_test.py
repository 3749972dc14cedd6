"""A Single merge from its beginning: recorded, made and verified by one Run, then merged."""

from __future__ import annotations

import pytest

from codecourier.checks import MergeStrategy
from codecourier.core.merge_job.gate import LOOK_AGAIN
from codecourier.core.shared.merge_facts import QueueFact
from codecourier.core.shared.reasons import Reason
from codecourier.merging import MergeState
from codecourier.resources.merge_job import MergeJob, MergeJobPhase, MergeMode
from codecourier.resources.run import RunPhase
from tests.core.merge_job.played import Played, commit, make_job, make_pull, reason_of
from tests.support.worlds import BASE, NOW

OTHER = commit("another base")


def make_single() -> MergeJob:
    return make_job(7, mode=MergeMode.SINGLE, merge_strategy=MergeStrategy.REBASE)


def test_one_run_verifies_the_merge_and_then_the_host_merges_that_head() -> None:
    played = Played(job=make_single())
    played.look()
    run = played.active
    assert run is not None
    assert run.spec.merge is not None
    assert not run.spec.merge.resolves
    assert run.spec.base_commit == BASE
    played.work()
    (merge,) = played.merges
    assert (merge.number, merge.head, merge.strategy) == (7, commit("head 7"), MergeStrategy.REBASE)
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)
    assert (len(played.made), played.opened) == (1, [])
    assert list(played.branches) == ["main"]


def test_nothing_is_merged_before_the_run_has_ended() -> None:
    played = Played(job=make_single())
    played.rest()
    assert played.active is not None
    assert played.merges == []


def test_a_base_that_moves_while_the_run_works_is_verified_by_another_run() -> None:
    played = Played(job=make_single())
    played.rest()
    played.branches["main"] = OTHER
    played.work()
    assert [step.base_commit for step in played.status.steps] == [BASE, OTHER]
    assert (len(played.merges), played.status.phase) == (1, MergeJobPhase.COMPLETED)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"broken": {7}}, Reason.VERIFY_FAILED),
        ({"states": {7: MergeState.CONTAINED}}, Reason.MERGE_CONTAINED),
        ({"pulls": {7: make_pull(7, is_fork=True)}}, Reason.PULL_REQUEST_FROM_FORK),
        ({"pulls": {7: make_pull(7, is_draft=True)}}, Reason.PULL_REQUEST_DRAFT),
    ],
)
def test_what_cannot_be_verified_is_not_merged(trouble: dict[str, object], reason: Reason) -> None:
    played = Played(job=make_single(), **trouble)  # type: ignore[arg-type]
    played.work()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, reason)
    assert played.merges == []


def test_a_conflict_is_reported_after_one_run() -> None:
    played = Played(job=make_single(), attempts_needed={7: 9})
    played.work()
    assert played.status.phase is MergeJobPhase.FAILED
    assert (len(played.made), played.merges) == (1, [])
    assert "attempt" not in played.status.message, "no agent has tried"


def test_cancelling_stops_the_run_and_merges_nothing() -> None:
    played = Played(job=make_single())
    played.rest()
    played.change(cancelled=True)
    played.rest()
    assert played.status.stopping == (played.made[0],)
    played.end(RunPhase.CANCELLED, Reason.CANCELLED)
    played.rest()
    assert (played.status.phase, played.merges) == (MergeJobPhase.CANCELLED, [])


def test_what_a_merge_queue_drops_needs_another_merge_job() -> None:
    played = Played(job=make_single(), place=QueueFact(is_open=True, is_queued=False))
    played.work()
    assert (played.status.phase, len(played.merges)) == (MergeJobPhase.RUNNING, 1)
    played.branches["main"] = OTHER
    played.place = QueueFact(is_open=True, is_queued=False, exit_id="exit", exit_reason="failed_checks")
    played.look(NOW + LOOK_AGAIN)
    played.look(NOW + 2 * LOOK_AGAIN)
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.MERGE_LEFT_QUEUE)
    assert (len(played.made), len(played.merges)) == (1, 1)


def test_the_merge_is_over_at_once_where_nothing_is_waited_for() -> None:
    played = Played(job=make_single())
    played.work()
    assert played.now == NOW
