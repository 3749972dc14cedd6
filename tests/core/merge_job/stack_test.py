"""A Single merge of a pull request that is built on another one, or that others are built on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.checks import MergeStrategy
from codecourier.core.merge_job.waiting import CLAIM_LIMIT, HOST_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Retarget
from codecourier.core.shared.merge_facts import DependantsFact
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import MergeJobPhase, MergeMode
from tests.core.merge_job.host import DOWN, PULL, Host
from tests.core.merge_job.played import Played, commit, make_job, make_pull, reason_of
from tests.support.worlds import BASE, NOW, URL

SPRINT = make_pull(7, base_branch="sprint-1", below=(6,))
FREED = replace(SPRINT, below=(), new_base="main")
REFUSED = Problem(Reason.FORGE_REFUSED, "There is another one.", is_final=True)


def make_single() -> Played:
    job = make_job(7, mode=MergeMode.SINGLE, merge_strategy=MergeStrategy.SQUASH)
    return Played(job=job, pulls={7: SPRINT}, branches={"main": BASE, "sprint-1": commit("sprint 1")})


def ended(host: Host) -> tuple[MergeJobPhase, str]:
    condition = host.status.condition("Succeeded")
    assert condition is not None
    return host.status.phase, condition.reason


def test_a_sprint_waits_for_the_one_before_it_and_says_so() -> None:
    played = make_single()
    played.rest()
    assert (played.status.phase, reason_of(played, "Ready")) == (MergeJobPhase.PENDING, Reason.STACK_BELOW)
    assert f"{URL}/pull/6" in played.status.waiting_for
    plan = played.look(NOW + timedelta(hours=5))
    assert (played.made, played.merges) == ([], [])
    assert plan.look_again is not None


def test_it_is_given_its_base_and_verified_there_once_the_one_before_is_merged() -> None:
    played = make_single()
    played.rest()
    played.pulls[7] = FREED
    played.work()
    pull = played.pulls[7]
    assert not isinstance(pull, Problem)
    assert (played.status.base_branch, played.status.base_commit) == ("main", BASE)
    assert (played.status.phase, len(played.merges), len(played.made)) == (MergeJobPhase.COMPLETED, 1, 1)
    assert played.status.waiting_for == ""


def test_a_host_that_gives_it_no_base_is_told() -> None:
    played = make_single()
    played.pulls[7] = FREED
    played.host_problem = Problem(Reason.FORGE_REFUSED, "There is another one.")
    played.rest()
    assert (played.status.phase, reason_of(played, "Ready")) == (MergeJobPhase.PENDING, Reason.FORGE_REFUSED)
    assert played.merges == []


def test_it_can_be_cancelled_while_it_waits() -> None:
    played = make_single()
    played.rest()
    played.change(cancelled=True)
    played.rest()
    assert (played.status.phase, played.status.waiting_for) == (MergeJobPhase.CANCELLED, "")


def test_what_came_below_it_meanwhile_is_waited_for_in_bounded_time() -> None:
    host = Host(pull=replace(PULL, below=(6,)))
    host.look()
    host.look(HOST_LIMIT - timedelta(seconds=1))
    assert (host.status.phase, host.merges) == (MergeJobPhase.RUNNING, [])
    host.look(timedelta(seconds=1))
    assert ended(host) == (MergeJobPhase.FAILED, Reason.STACK_BELOW)


def test_nothing_is_asked_again_while_something_is_below() -> None:
    host = Host(answer=DOWN)
    host.look()
    host.failed.clear()
    host.pull = replace(PULL, below=(6,))
    host.look(timedelta(minutes=1))
    host.look(CLAIM_LIMIT)
    assert len(host.merges) == 1


def test_what_is_built_on_it_is_given_its_base_before_the_merge_ends() -> None:
    host = Host(dependants=DependantsFact((8, 9)))
    host.look()
    host.look()
    assert [(effect.number, effect.base) for effect in host.retargets] == [(8, "main"), (9, "main")]
    assert host.status.phase is MergeJobPhase.RUNNING
    host.dependants = DependantsFact(())
    host.look(timedelta(seconds=15))
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


def test_a_base_that_the_host_refuses_keeps_no_merge_from_its_end() -> None:
    host = Host(dependants=DependantsFact((8,)))
    host.look()
    host.look()
    host.failed[host.retargets[0]] = REFUSED
    host.look(timedelta(seconds=15))
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


@pytest.mark.parametrize("dependants", [DOWN, DependantsFact((8,))])
def test_dependants_are_looked_after_in_bounded_time(dependants: DependantsFact | Problem) -> None:
    host = Host(dependants=dependants)
    host.look()
    host.look()
    host.look(CLAIM_LIMIT - timedelta(seconds=1))
    assert host.status.phase is MergeJobPhase.RUNNING
    host.look(timedelta(seconds=1))
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


def test_a_merge_by_a_user_frees_them_too() -> None:
    host = Host(dependants=DependantsFact((8,)))
    host.merged()
    host.look()
    assert host.merges == []
    assert [type(effect) for effect in host.retargets] == [Retarget]


def test_a_pull_request_that_is_over_waits_for_nothing() -> None:
    played = make_single()
    played.pulls[7] = replace(SPRINT, state=PullRequestState.CLOSED)
    played.work()
    assert played.status.phase is MergeJobPhase.FAILED


def test_what_is_based_on_a_branch_of_users_stays_where_it_is() -> None:
    host = Host(pull=replace(PULL, is_own=False), dependants=DependantsFact((8, 9)))
    host.look()
    host.look()
    assert host.retargets == []
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


def test_dependants_have_their_time_after_a_host_that_did_not_answer() -> None:
    host = Host(dependants=DependantsFact((8,)))
    host.look()
    pull, host.pull = host.pull, DOWN
    host.look()
    host.look(CLAIM_LIMIT + timedelta(minutes=1))
    host.pull = pull
    host.merged()
    host.look(timedelta(minutes=1))
    assert [effect.number for effect in host.retargets] == [8]
    assert host.status.phase is MergeJobPhase.RUNNING
