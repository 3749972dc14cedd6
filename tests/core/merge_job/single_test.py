"""A Single merge after its step: gate, last look, claim, the host's answer, and the comparison."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.checks import Check, CheckState, Gate, MergeStrategy
from codecourier.core.merge_job.gate import GATE_LIMIT, QUIET
from codecourier.core.merge_job.single import MOST_VERIFICATIONS, cancel_single
from codecourier.core.merge_job.waiting import CLAIM_LIMIT, HOST_LIMIT, QUEUE_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.merge_facts import CommitFact, MergePullFact
from codecourier.core.shared.reasons import Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import MergeJobPhase, MergeJobStatus, SourceResult
from tests.core.merge_job.host import (
    BASE,
    DOWN,
    GREEN,
    HEAD,
    LANDED,
    OTHER,
    PULL,
    QUEUED,
    RACED,
    RED,
    REFUSED,
    TREE,
    WAITING,
    Host,
    make_single,
)
from tests.support.worlds import NOW


def ended(host: Host) -> tuple[MergeJobPhase, str]:
    condition = host.status.condition("Succeeded")
    assert condition is not None
    return host.status.phase, condition.reason


def test_a_green_pull_request_is_merged_at_its_head_and_compared() -> None:
    host = Host()
    plan = host.look()
    assert plan is not None
    (merge,) = host.merges
    assert (merge.number, merge.head, merge.strategy) == (7, HEAD, MergeStrategy.SQUASH)
    landing = host.status.landing
    assert landing is not None
    assert (landing.head_commit, landing.base_commit, landing.commit) == (HEAD, BASE, None)
    host.look()
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)
    landing = host.status.landing
    assert landing is not None
    assert (landing.commit, landing.tree) == (LANDED, TREE)
    assert len(host.merges) == 1


def test_a_pending_check_is_waited_for() -> None:
    host = Host(gate=WAITING)
    plan = host.look()
    assert plan is not None
    assert plan.look_again is not None
    assert [check.name for check in host.status.checks] == ["test"]
    assert "test" in host.status.waiting_for
    assert host.merges == []
    host.gate = GREEN
    host.look(timedelta(minutes=20))
    assert len(host.merges) == 1
    assert (host.status.checks, host.status.waiting_for) == ((), "")


def test_a_failed_check_ends_the_merge() -> None:
    host = Host(gate=RED)
    host.look()
    assert ended(host) == (MergeJobPhase.FAILED, Reason.CHECKS_FAILED)
    assert host.merges == []


_UNCHECKED = replace(GREEN, required=(), checks=())


def test_a_merge_that_nothing_checks_passes_only_where_the_project_says_so() -> None:
    for allows, phase in ((True, MergeJobPhase.COMPLETED), (False, MergeJobPhase.FAILED)):
        host = Host(gate=_UNCHECKED, allows_no_checks=allows)
        host.look()
        assert not host.merges  # checks may still be registered
        while host.status.phase is MergeJobPhase.RUNNING:
            host.look(timedelta(minutes=2))
        assert host.status.phase is phase
        assert len(host.merges) == (1 if allows else 0)
        assert ("spec.merges.allowNoChecks" in host.status.message) is not allows


@pytest.mark.parametrize(
    "gate",
    [
        replace(GREEN, checks=()),
        replace(WAITING, required=()),
        replace(RED, required=()),
        replace(_UNCHECKED, unfinished_suites=1),
        replace(_UNCHECKED, is_whole=False),
    ],
)
def test_a_check_that_is_required_or_reported_must_pass_though_the_project_needs_none(gate: Gate) -> None:
    host = Host(gate=gate, allows_no_checks=True)
    for _ in range(40):
        host.look(timedelta(minutes=2))
    assert (host.status.phase, host.merges) == (MergeJobPhase.FAILED, [])


def test_checks_that_never_come_end_the_merge_and_are_named() -> None:
    host = Host(gate=WAITING)
    host.look()
    host.look(GATE_LIMIT)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.CHECKS_MISSING)
    assert "test" in host.status.message


@pytest.mark.parametrize("gate", [RED, WAITING, Problem(Reason.CHECKS_FORBIDDEN, "It may not read them.")])
def test_only_the_gate_can_be_skipped(gate: Gate | Problem) -> None:
    host = Host(make_single(skip_ci_check=True), gate=gate)
    host.look()
    assert len(host.merges) == 1
    blocked = Host(make_single(skip_ci_check=True), gate=gate, pull=replace(PULL, merge_state="blocked"))
    blocked.look()
    assert blocked.merges == []
    blocked.look(GATE_LIMIT)
    assert ended(blocked) == (MergeJobPhase.FAILED, Reason.MERGE_BLOCKED)


def test_checks_that_may_not_be_read_end_the_merge() -> None:
    host = Host(gate=Problem(Reason.CHECKS_FORBIDDEN, "It may not read them."))
    host.look()
    assert ended(host) == (MergeJobPhase.FAILED, Reason.CHECKS_FORBIDDEN)


def test_a_check_that_registers_late_is_seen_by_the_last_look() -> None:
    quiet = replace(GREEN, required=())
    host = Host(gate=quiet)
    host.look()
    assert host.merges == []
    late = Check("slow", 7, CheckState.PENDING, "queued", NOW + QUIET)
    host.gate = replace(quiet, checks=(*quiet.checks, late))
    host.look(QUIET)
    assert host.merges == []
    host.gate = replace(quiet, checks=(*quiet.checks, replace(late, state=CheckState.FAILED, word="failure")))
    host.look(QUIET)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.CHECKS_FAILED)


@pytest.mark.parametrize("moved", [{"base": OTHER}, {"pull": replace(PULL, base_branch="next")}])
def test_a_base_that_moved_has_the_merge_made_again(moved: dict[str, object]) -> None:
    host = Host()
    for name, value in moved.items():
        setattr(host, name, value)
    assert host.look() is None
    assert host.merges == []
    status = host.status
    assert (status.base_commit, status.head_commit, status.head_tree) == (host.base, None, None)
    assert isinstance(host.pull, MergePullFact)
    assert status.base_branch == host.pull.base_branch
    assert [source.result for source in status.sources] == [SourceResult.PENDING]


def test_a_base_that_never_rests_ends_the_merge() -> None:
    host = Host(base=OTHER)
    steps = tuple(host.status.steps[0].updated(index=index) for index in range(MOST_VERIFICATIONS))
    host.job = host.job.updated(status=host.status.updated(steps=steps))
    host.look()
    assert ended(host) == (MergeJobPhase.FAILED, Reason.BASE_UNSTEADY)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"head_commit": OTHER}, Reason.HEAD_MOVED),
        ({"state": PullRequestState.CLOSED}, Reason.PULL_REQUEST_CLOSED),
        ({"is_draft": True}, Reason.PULL_REQUEST_DRAFT),
        ({"state": PullRequestState.MERGED, "head_commit": OTHER, "merge_commit": LANDED}, Reason.HEAD_MOVED),
    ],
)
def test_a_pull_request_that_changed_is_not_merged(changes: dict[str, object], reason: Reason) -> None:
    host = Host(pull=replace(PULL, **changes))  # type: ignore[arg-type]
    host.look()
    assert ended(host) == (MergeJobPhase.FAILED, reason)
    assert host.merges == []


def test_a_lost_answer_after_the_merge_ends_as_merged_once() -> None:
    host = Host(answer=DOWN, has_lost_answers=True)
    host.look()
    host.look(timedelta(seconds=15))
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)
    assert len(host.merges) == 1


def test_a_request_that_was_lost_is_repeated() -> None:
    host = Host(answer=DOWN)
    host.look()
    host.answer = None
    host.look(timedelta(seconds=15))
    host.look()
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)
    assert len(host.merges) == 2


def test_an_operator_that_forgot_what_the_host_said_asks_again() -> None:
    host = Host(answer=Problem(Reason.MERGE_PENDING, "It works on it."))
    host.look()
    host.failed.clear()
    host.look()
    assert len(host.merges) == 2
    assert host.status.phase is MergeJobPhase.RUNNING


@pytest.mark.parametrize(
    ("reason", "limit"),
    [(Reason.MERGE_PENDING, HOST_LIMIT), (Reason.MERGE_RACED, HOST_LIMIT), (Reason.MERGE_REQUESTED, QUEUE_LIMIT)],
)
def test_a_merge_that_is_under_way_is_waited_for_in_bounded_time(reason: Reason, limit: timedelta) -> None:
    host = Host(answer=Problem(reason, "It works on it."))
    host.look()
    plan = host.look(limit - timedelta(seconds=1))
    assert plan is not None
    assert plan.look_again == NOW + limit
    assert host.status.waiting_for == "It works on it."
    host.look(timedelta(seconds=1))
    assert ended(host) == (MergeJobPhase.FAILED, reason)


def test_a_refusal_ends_the_merge() -> None:
    host = Host(answer=REFUSED)
    host.look()
    host.look()
    assert ended(host) == (MergeJobPhase.FAILED, Reason.MERGE_REFUSED)


@pytest.mark.parametrize("answer", [REFUSED, RACED])
def test_a_refusal_because_the_base_moved_takes_the_claim_back(answer: Problem) -> None:
    host = Host(answer=answer)
    host.look()
    host.base = OTHER
    host.look()
    assert (host.status.landing, host.status.phase) == (None, MergeJobPhase.RUNNING)
    host.answer = None
    assert host.look() is None
    assert host.status.base_commit == OTHER


def test_a_host_that_says_that_a_branch_moved_is_asked_again_where_none_did() -> None:
    host = Host(answer=RACED)
    host.look()
    host.answer = None
    host.look(timedelta(seconds=15))
    host.look()
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)
    assert len(host.merges) == 2


def test_nothing_is_asked_again_on_another_base() -> None:
    host = Host(answer=DOWN)
    host.look()
    host.failed.clear()
    host.base = OTHER
    host.look(timedelta(minutes=1))
    assert len(host.merges) == 1
    assert host.look(CLAIM_LIMIT) is None
    assert host.status.landing is None


@pytest.mark.parametrize("reason", [Reason.MERGE_PENDING, Reason.MERGE_REQUESTED])
def test_a_request_under_way_on_another_base_is_given_up_after_a_while(reason: Reason) -> None:
    host = Host(answer=Problem(reason, "It works on it."))
    host.look()
    host.base = OTHER
    host.look(timedelta(minutes=1))
    assert (len(host.merges), host.status.phase) == (1, MergeJobPhase.RUNNING)
    assert host.look(CLAIM_LIMIT) is None


@pytest.mark.parametrize(
    ("landed", "reason"),
    [
        (CommitFact(OTHER, (BASE,)), Reason.LANDED_DIFFERENT),
        (CommitFact(TREE, (OTHER,)), Reason.BASE_UNDONE),
        (Problem(Reason.FORGE_REFUSED, "No.", is_final=True), Reason.LANDING_UNSEEN),
    ],
)
def test_what_landed_otherwise_is_told(landed: CommitFact | Problem, reason: Reason) -> None:
    host = Host(landed=landed)
    host.look()
    host.look()
    assert ended(host) == (MergeJobPhase.COMPLETED, reason)


def test_a_merge_is_never_told_as_failed_for_want_of_a_comparison() -> None:
    host = Host(landed=DOWN)
    host.look()
    host.look()
    assert host.status.phase is MergeJobPhase.RUNNING
    host.look(HOST_LIMIT)
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.LANDING_UNSEEN)


@pytest.mark.parametrize("name", ["pull", "gate"])
def test_a_host_that_is_away_is_waited_for_in_bounded_time(name: str) -> None:
    host = Host()
    setattr(host, name, DOWN)
    host.look()
    host.look(HOST_LIMIT - timedelta(seconds=1))
    assert host.status.phase is MergeJobPhase.RUNNING
    host.look(timedelta(seconds=1))
    assert ended(host) == (MergeJobPhase.FAILED, Reason.FORGE_UNAVAILABLE)


def test_a_host_that_is_away_twice_is_waited_for_twice() -> None:
    host = Host(answer=Problem(Reason.MERGE_QUEUED, "It is in the queue."), place=QUEUED)
    host.look()
    for _ in range(2):
        host.pull = DOWN
        host.look(HOST_LIMIT / 2)
        host.pull = PULL
        host.look(timedelta(hours=2))
        assert host.status.phase is MergeJobPhase.RUNNING


def test_a_merge_that_was_asked_for_and_is_not_seen_any_more_may_still_happen() -> None:
    host = Host(answer=DOWN)
    host.look()
    host.pull = DOWN
    host.look()
    host.look(HOST_LIMIT)
    assert ended(host) == (MergeJobPhase.FAILED, Reason.FORGE_UNAVAILABLE)
    assert "may still" in host.status.message


def test_a_merge_is_seen_although_its_base_cannot_be_read() -> None:
    host = Host()
    host.look()
    host.base = DOWN
    host.look()
    assert ended(host) == (MergeJobPhase.COMPLETED, Reason.COMPLETED)


def test_a_host_that_came_back_is_waited_for_anew() -> None:
    host = Host(gate=DOWN)
    host.look()
    host.gate = WAITING
    host.look(timedelta(minutes=50))
    assert host.status.waiting_since is None


def test_a_source_that_was_left_out_ends_the_merge_with_its_reason() -> None:
    host = Host()
    out = host.status.sources[0].updated(
        result=SourceResult.EXCLUDED, reason=Reason.VERIFY_FAILED.value, message="A step failed."
    )
    host.job = host.job.updated(status=host.status.updated(sources=(out,)))
    host.look()
    assert ended(host) == (MergeJobPhase.FAILED, Reason.VERIFY_FAILED)


def test_a_stop_before_the_claim_has_nothing_to_wait_for() -> None:
    assert Host().plan(cancel_single) is None


def test_a_stop_after_the_claim_says_what_became_of_it() -> None:
    host = Host(answer=DOWN, has_lost_answers=True)
    host.look()
    plan = host.plan(cancel_single)
    assert isinstance(plan, Plan)
    assert isinstance(plan.status, MergeJobStatus)
    assert plan.status.phase is MergeJobPhase.COMPLETED
    host = Host(answer=DOWN)
    host.look()
    plan = host.plan(cancel_single)
    assert isinstance(plan, Plan)
    assert isinstance(plan.status, MergeJobStatus)
    assert (plan.status.phase, plan.events[0].reason) == (MergeJobPhase.CANCELLED, Reason.MERGE_UNDER_WAY)


EVENTS = st.sampled_from(
    ["nothing", "base", "base back", "head", "green", "red", "waiting", "refuse", "lose", "merge", "forget", "draft"]
)


def disturb(host: Host, event: str) -> None:
    """Change the host as users and networks do."""
    match event:
        case "base" | "base back":
            host.base = OTHER if event == "base" else BASE
        case "head" | "draft" if isinstance(host.pull, MergePullFact) and host.pull.state is PullRequestState.OPEN:
            host.pull = replace(host.pull, **({"head_commit": OTHER} if event == "head" else {"is_draft": True}))
        case "green" | "red" | "waiting":
            host.gate = {"green": GREEN, "red": RED, "waiting": WAITING}[event]
        case "refuse" | "lose" | "merge":
            host.answer = {"refuse": REFUSED, "lose": DOWN, "merge": None}[event]
            host.has_lost_answers = event == "lose"
        case "forget":
            host.failed.clear()


@given(st.lists(st.tuples(EVENTS, st.integers(0, 90)), max_size=25))
def test_only_the_verified_head_is_ever_asked_for_and_only_on_the_verified_base(events: list[tuple[str, int]]) -> None:
    host = Host()
    for event, minutes in events:
        disturb(host, event)
        before = len(host.merges)
        is_verified = host.status.head_tree is not None
        if host.status.phase.is_finished or not is_verified:
            break
        merged_before = isinstance(host.pull, MergePullFact) and host.pull.state is PullRequestState.MERGED
        host.look(timedelta(minutes=minutes))
        for merge in host.merges[before:]:
            assert merge.head == HEAD
            assert not merged_before
            assert host.base == BASE
    if host.status.phase is MergeJobPhase.COMPLETED:
        assert isinstance(host.pull, MergePullFact)
        assert (host.pull.state, host.pull.head_commit) == (PullRequestState.MERGED, HEAD)


@given(st.lists(EVENTS, max_size=12))
def test_every_merge_comes_to_an_end_once_nothing_changes_any_more(events: list[str]) -> None:
    host = Host()
    for event in events:
        disturb(host, event)
        if host.status.phase.is_finished or host.status.head_tree is None:
            return
        host.look(timedelta(minutes=1))
    for _ in range(400):
        if host.status.phase.is_finished or host.status.head_tree is None:
            return
        host.look(timedelta(minutes=10))
    raise AssertionError(host.status)
