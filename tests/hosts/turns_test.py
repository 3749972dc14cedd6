"""Whose turn it is: bounded in every group, and no namespace waits for what another one has waiting."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.hosts.turns import Bound, Bounds, Job, Lane, Turns, Turnstile
from tests.simulation.clock import pass_time, virtual

BOUNDS = Bounds(all=Bound(8, 4), namespace=Bound(4, 2), host=Bound(4, 2), lane=Bound(2, 1))


def turns(*proven: Lane, bounds: Bounds = BOUNDS) -> Turns:
    return Turns(bounds, lambda lane: lane in proven)


def lane(host: str, credential: str = "token") -> Lane:
    return Lane(host, credential)


def add(queue: Turns, count: int, namespace: str, where: Lane) -> list[Job]:
    jobs = [Job(namespace, where) for _ in range(count)]
    for job in jobs:
        queue.add(job)
    return jobs


def test_a_lane_that_has_not_answered_has_one_turn() -> None:
    queue = turns()
    jobs = add(queue, 5, "a", lane("h"))
    assert queue.take() == jobs[:1]
    assert queue.take() == []
    queue.end(jobs[0])
    assert queue.take() == jobs[1:2]
    assert (queue.running, queue.waiting) == (1, 3)


def test_a_lane_that_answers_has_as_many_as_its_bound() -> None:
    queue = turns(lane("h"))
    assert queue.take() == []
    jobs = add(queue, 5, "a", lane("h"))
    assert queue.take() == jobs[:2]


def test_lanes_of_a_host_that_hang_leave_room_for_those_that_answer() -> None:
    queue = turns(lane("h", "good"))
    for number in range(6):
        add(queue, 3, f"bad-{number}", lane("h", f"bad-{number}"))
    assert len(queue.take()) == BOUNDS.host.most_unproven
    good = add(queue, 2, "good", lane("h", "good"))
    assert queue.take() == good


def test_hosts_of_one_namespace_that_hang_leave_room_for_other_namespaces() -> None:
    queue = turns()
    for number in range(50):
        add(queue, 3, "bad", lane(f"h{number}"))
    assert len(queue.take()) == BOUNDS.namespace.most_unproven
    assert [job.namespace for job in queue.take()] == []
    (new,) = add(queue, 1, "new", lane("other"))
    assert queue.take() == [new]


def test_all_hosts_that_hang_leave_room_for_those_that_answer() -> None:
    queue = turns(lane("good"))
    for number in range(50):
        add(queue, 1, f"bad-{number}", lane(f"h{number}"))
    assert len(queue.take()) == BOUNDS.all.most_unproven
    good = add(queue, 2, "good", lane("good"))
    assert queue.take() == good


def test_namespaces_take_turns_at_one_host() -> None:
    queue = turns(lane("h", "a"), lane("h", "b"), bounds=Bounds(*[Bound(1, 1)] * 4))
    add(queue, 200, "a", lane("h", "a"))
    add(queue, 3, "b", lane("h", "b"))
    order = ""
    for _ in range(8):
        (job,) = queue.take()
        order += job.namespace
        queue.end(job)
    assert order == "abababaa"


def test_lanes_of_a_namespace_take_turns() -> None:
    queue = turns(lane("x"), lane("y"), bounds=Bounds(*[Bound(1, 1)] * 4))
    add(queue, 9, "a", lane("x"))
    add(queue, 2, "a", lane("y"))
    order = ""
    for _ in range(5):
        (job,) = queue.take()
        order += job.lane.host
        queue.end(job)
    assert order == "xyxyx"


def test_a_job_that_is_taken_out_leaves_nothing() -> None:
    queue = turns()
    jobs = add(queue, 3, "a", lane("h"))
    queue.take()
    queue.remove(jobs[1])
    assert queue.is_used(lane("h"))
    assert queue.remove_all(lane("h")) == [jobs[2]]
    queue.end(jobs[0])
    assert (queue.waiting, queue.running, queue.is_used(lane("h"))) == (0, 0, False)
    kept = [queue._waiting, queue._used, queue._unproven, queue._queued]
    assert not any(kept), "nothing is kept of what is over"


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from("12"), st.booleans()), max_size=80
)


@given(steps=STEPS)
def test_no_bound_is_exceeded_and_nothing_waits_without_a_reason(steps: list[tuple[str, str, str, bool]]) -> None:
    queue = turns(lane("x", "1"), lane("y", "2"))
    running: list[Job] = []
    for namespace, host, credential, is_end in steps:
        queue.add(Job(namespace, lane(host, credential)))
        running += queue.take()
        if is_end and running:
            queue.end(running.pop(0))
            running += queue.take()
        used = Counter(group for job in running for group, _ in BOUNDS.of(job))
        assert all(used[group] <= bound.most for job in running for group, bound in BOUNDS.of(job))
    while running:
        queue.end(running.pop())
        running += queue.take()
    assert (queue.waiting, queue.running) == (0, 0)


@virtual
async def test_a_task_waits_for_its_turn() -> None:
    turnstile, entered = Turnstile(turns()), []

    async def work(name: str) -> None:
        job = Job("a", lane("h"))
        await turnstile.enter(job)
        entered.append(name)
        await pass_time(10.0)
        turnstile.leave(job)

    tasks = [asyncio.create_task(work(name)) for name in "xyz"]
    await pass_time(5.0)
    assert entered == ["x"]
    tasks[1].cancel()
    await pass_time(10.0)
    assert entered == ["x", "z"]
    tasks[2].cancel()
    await pass_time(1.0)
    assert turnstile.turns.waiting == 0


@pytest.mark.parametrize("is_cancelled_first", [False, True])
def test_a_task_that_is_cancelled_as_its_turn_comes_gives_it_back(is_cancelled_first: bool) -> None:  # noqa: FBT001
    @virtual
    async def scenario() -> None:
        turnstile = Turnstile(turns())
        first, second = Job("a", lane("h")), Job("a", lane("h"))
        await turnstile.enter(first)
        task = asyncio.create_task(turnstile.enter(second))
        await pass_time(1.0)
        if is_cancelled_first:
            task.cancel()
        turnstile.leave(first)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (turnstile.turns.running, turnstile.turns.waiting) == (0, 0)

    scenario()


@virtual
async def test_what_waits_in_a_lane_can_be_refused() -> None:
    turnstile = Turnstile(turns())
    first, second = Job("a", lane("h")), Job("b", lane("h"))
    await turnstile.enter(first)
    task = asyncio.create_task(turnstile.enter(second))
    await pass_time(1.0)
    turnstile.refuse(lane("h"), lambda: ValueError("closed"))
    with pytest.raises(ValueError, match="closed"):
        await task
    assert (turnstile.turns.running, turnstile.turns.waiting) == (1, 0)
