"""The lane of a branch: one Single merge after the other, and none waits for another without an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codecourier.core.merge_job.lane import HOLD_LIMIT, POSITION_LIMIT, RENEWAL
from codecourier.core.merge_job.waiting import CLAIM_LIMIT, PATIENCE
from codecourier.core.shared.merge_facts import QueueFact
from codecourier.core.shared.reasons import Reason
from codecourier.resources.merge_job import MergeJobPhase
from codecourier.resources.run import RunPhase
from tests.core.merge_job.host import GREEN, RED, WAITING
from tests.core.merge_job.line import DOWN, Line, Member
from tests.core.merge_job.played import commit, make_pull, reason_of
from tests.support.worlds import URL


def make_line(*namespaces: str) -> Line:
    """Return a line in which each merge has verified its own; no one has looked at the host since."""
    line = Line()
    for number, namespace in enumerate(namespaces, 1):
        line.add(number, namespace)
    for member in line.members:
        member.look()
        member.end()
    return line


def hold_lane(line: Line, member: Member) -> None:
    """Let a merge hold the lane, and work on a base that has moved."""
    line.branches["main"] = commit("moved")
    line.rest()
    assert member.status.lane is not None
    assert member.status.lane.is_holder
    assert member.active is not None


def work(member: Member) -> None:
    """Let the Run of a merge begin to work."""
    run = member.active
    assert run is not None
    member.runs[run.name] = run.updated(status=run.status.updated(phase=RunPhase.RUNNING))


def test_merges_of_all_namespaces_land_one_after_the_other_the_oldest_first() -> None:
    line = make_line("shop", "bakery", "shop")
    first, second, third = line.members
    line.rest()
    assert line.landed == [1], "the others have to be verified on what it left"
    assert second.active is not None
    assert third.active is None
    second.end()
    line.rest()
    third.end()
    line.rest()
    assert line.landed == [1, 2, 3]
    assert [len(member.made) for member in (first, second, third)] == [1, 2, 2]
    assert {reason_of(member) for member in line.members} == {Reason.COMPLETED}


def test_what_is_ahead_is_named_in_the_own_project_and_counted_in_others() -> None:
    line = make_line("shop", "bakery", "dairy", "shop", "shop")
    hold_lane(line, line.members[0])
    last = line.members[-1].status
    assert "MergeJob merge-1, MergeJob merge-4 and 2 of other projects" in last.waiting_for
    assert f"branch main of {URL}" in last.waiting_for
    assert last.message == last.waiting_for
    for secret in ("merge-2", "merge-3", "bakery", "dairy"):
        assert secret not in last.to_json().__repr__()
    assert reason_of(line.members[-1]) == Reason.WAITING_FOR_LANE
    assert line.members[1].status.waiting_for.endswith("1 of other projects.")


def test_only_some_are_named() -> None:
    line = make_line(*["shop"] * 7)
    hold_lane(line, line.members[0])
    assert "merge-2, MergeJob merge-3 and 3 more of this project" in line.members[-1].status.waiting_for


def test_a_merge_that_waits_for_its_checks_holds_up_nothing() -> None:
    line = make_line("shop", "shop")
    line.members[0].gate = WAITING
    line.rest()
    assert line.members[0].status.lane is None
    assert line.landed == [2]


@pytest.mark.parametrize("trouble", ["late check", "red", "host", "blocked", "cancelled", "deleted", "namespace"])
def test_a_merge_with_a_position_gives_it_up_with_its_trouble(trouble: str) -> None:
    line = make_line("shop", "bakery", "shop")
    _, middle, last = line.members
    hold_lane(line, line.members[0])
    cause(middle, trouble)
    line.members[0].end()
    line.rest()
    assert line.landed == [1]
    assert last.active is not None, "it holds the lane"
    assert middle.status.lane is None or middle.is_gone


def cause(member: Member, trouble: str) -> None:
    """Let something happen to a merge."""
    number = int(member.job.name.rpartition("-")[2])
    match trouble:
        case "late check" | "red":
            member.gate = WAITING if trouble == "late check" else RED
        case "host":
            member.pull_problem = DOWN
        case "blocked":
            member.pulls[number] = make_pull(number, merge_state="blocked")
        case "cancelled":
            member.change(cancelled=True)
        case "deleted" | "namespace":
            member.delete()
            member.is_namespace_ending = trouble == "namespace"


@pytest.mark.parametrize("trouble", ["late check", "red", "blocked", "cancelled", "deleted", "namespace"])
def test_a_holder_gives_the_lane_up_with_its_trouble(trouble: str) -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    hold_lane(line, first)
    cause(first, trouble)
    first.look()
    if first.active is not None:
        first.end(RunPhase.CANCELLED) if trouble in {"cancelled", "deleted"} else first.end()
    line.rest()
    assert second.active is not None, "it holds the lane"
    assert line.landed == []
    assert first.is_gone or first.status.lane is None


@pytest.mark.parametrize("is_working", [True, False])
def test_a_run_that_takes_long_does_not_hold_the_lane_without_end(is_working: bool) -> None:  # noqa: FBT001  a parameter of pytest
    line = make_line("shop", "bakery")
    first, second = line.members
    hold_lane(line, first)
    if is_working:
        work(first)
        line.rest()
    limit = HOLD_LIMIT if is_working else PATIENCE
    assert first.plan().look_again == line.now + limit
    assert second.plan().look_again == min(line.now + limit, line.now + POSITION_LIMIT - RENEWAL)
    line.pass_time(limit)
    line.rest()
    assert first.status.lane is None
    assert second.active is not None, "it holds the lane"
    second.end()
    line.rest()
    assert line.landed == [2]
    first.end()
    line.rest()
    assert first.active is not None, "it is verified on what the other left"
    first.end()
    line.rest()
    assert line.landed == [2, 1]


def test_a_host_that_does_not_answer_costs_others_some_minutes() -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    hold_lane(line, first)
    first.pull_problem = DOWN
    first.end()
    line.rest()
    assert second.active is None
    line.pass_time(PATIENCE)
    line.rest()
    assert second.active is not None


def test_a_merge_that_is_never_planned_again_holds_up_nothing_for_long() -> None:
    line = make_line("shop", "bakery", "shop")
    first, _second, third = line.members
    hold_lane(line, first)
    line.pass_time(max(PATIENCE, POSITION_LIMIT))
    for _ in range(6):
        third.look()
    assert third.active is not None, "neither the first nor the second counts"


def test_a_merge_that_was_asked_for_holds_the_lane_while_it_may_be_under_way() -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    first.host_problem = DOWN
    first.pull_problem = None
    first._do = lambda effect: first.failed.__setitem__(effect, DOWN)  # type: ignore[method-assign]
    line.rest()
    assert first.is_landing
    assert (second.active, second.status.lane is not None) == (None, True)
    line.pass_time(CLAIM_LIMIT)
    second.look()
    second.look()
    assert second.is_landing, "the base has not moved, so it lands as it was verified"


def test_a_queue_of_the_host_orders_by_itself() -> None:
    line = make_line("shop", "bakery")
    line.is_slow = True
    for member in line.members:
        member.place = QueueFact(is_open=True, is_queued=False)
        member.gate = replace(GREEN, has_queue=True)
        member.look()
        assert (member.status.landing is not None, member.status.lane) == (True, None)


def test_waiting_in_the_line_asks_the_host_nothing() -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    hold_lane(line, first)
    second.is_mute = True
    plan = second.plan()
    assert plan.status == second.status, "nothing is written"
    assert plan.look_again is not None


def test_a_merge_that_waits_for_longer_than_its_gate_has_it_judged_anew() -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    hold_lane(line, first)
    work(first)
    for _ in range(5):
        line.pass_time(RENEWAL)
        line.rest()
    line.pass_time(timedelta(minutes=20))
    first.end()
    second.gate = WAITING
    line.rest()
    assert second.status.phase is MergeJobPhase.RUNNING, "a late check has its time"


def test_a_position_of_a_clock_that_was_set_back_counts_for_nothing() -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    hold_lane(line, first)
    line.pass_time(timedelta(days=-2))
    second.look()
    second.look()
    assert second.active is not None


def test_two_leaders_that_do_not_see_each_other_land_only_what_was_verified() -> None:
    line = make_line("shop", "bakery")
    first, second = line.members
    first.is_unfair = second.is_unfair = True
    line.rest()
    assert line.landed == [1]
    assert second.active is not None, "the last look saw the base move"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("has_second_begun", [True, False])
def test_two_that_take_the_lane_at_the_same_time_do_not_land_together(
    order: tuple[int, int],
    has_second_begun: bool,  # noqa: FBT001  a parameter of pytest
) -> None:
    line = make_line("shop", "bakery")
    one, other = (line.members[index] for index in order)
    line.is_slow = True
    one.begin()
    other.begin()
    one.arrive()
    one.begin()
    if has_second_begun:
        other.arrive()
    one.arrive()
    other.arrive()
    for member in (other, one, other, one):
        member.begin()
        member.arrive()
        assert sum(member.is_landing for member in line.members) <= 1
    assert sum(member.is_landing for member in line.members) == 1
    line.deliver()
    line.rest()
    assert len(line.landed) == 1


ACTIONS = st.sampled_from(
    ["begin", "arrive"] * 6
    + ["end"] * 3
    + ["fail", "pending", "green", "down", "up", "push", "cancel", "delete", "slow", "fast", "minutes", "hours"]
)


def play(member: Member, action: str) -> None:
    """Do something to a merge, or let it do something."""
    match action:
        case "begin":
            member.begin()
        case "arrive":
            member.arrive()
        case "end" | "fail" if member.active is not None and member.late is None:
            member.end(*((RunPhase.FAILED, Reason.VERIFY_FAILED) if action == "fail" else ()))
        case "cancel" | "delete" if member.late is None and not member.is_gone:
            member.change(cancelled=True) if action == "cancel" else member.delete()


def disturb(line: Line, member: Member, action: str) -> None:
    """Do something to the host, or let time pass."""
    match action:
        case "pending" | "green":
            member.gate = WAITING if action == "pending" else GREEN
        case "down" | "up":
            member.pull_problem = DOWN if action == "down" else None
        case "push":
            line.branches["main"] = commit(f"{line.branches['main']} pushed")
        case "slow":
            line.is_slow = True
        case "fast":
            line.is_slow = False
            line.deliver()
        case "minutes" | "hours":
            line.pass_time(timedelta(minutes=7) if action == "minutes" else timedelta(hours=2))


# A host that takes its time is what brings two together, and chance brings that about too seldom.
ONE_AFTER_THE_OTHER = [(0, "slow"), *[(index, action) for index in (0, 1) for action in ("begin", "arrive") * 3]]
AT_THE_SAME_TIME = [(0, "slow"), *[(index, action) for action in ("begin", "arrive") * 3 for index in (0, 1)]]


@settings(max_examples=60)
@example(ONE_AFTER_THE_OTHER)
@example(AT_THE_SAME_TIME)
@given(st.lists(st.tuples(st.integers(0, 2), ACTIONS), max_size=40))
def test_never_are_two_under_way_and_every_line_comes_to_an_end(actions: list[tuple[int, str]]) -> None:
    line = make_line("shop", "bakery", "dairy")
    for index, action in actions:
        play(line.members[index], action)
        disturb(line, line.members[index], action)
        assert sum(member.is_landing for member in line.members) <= 1
    for member in line.members:
        member.gate, member.pull_problem = GREEN, None
    line.is_slow = False
    for _ in range(60):
        line.rest()
        for member in line.members:
            if member.active is not None:
                member.end(RunPhase.CANCELLED if member.status.stopping else None)
        if all(member.is_over for member in line.members):
            return
        line.pass_time(timedelta(minutes=10))
    raise AssertionError([member.status for member in line.members])
