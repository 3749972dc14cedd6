"""The queue: each state of a key, then whatever order of calls, failures and durations hypothesis finds."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.controller.queue import Backoff, KeyQueue
from tests.controller.queued import Refused, Work, make
from tests.simulation.clock import pass_time, virtual


@virtual
async def test_a_key_is_worked_on_once_however_often_it_was_added() -> None:
    work = Work()
    queue = make(work)
    queue.hold()
    for _ in range(3):
        queue.add("a")
    assert (queue.depth, queue.running) == (1, 0)
    queue.release()
    await queue.wait_idle()
    assert work.started == ["a"]


@virtual
async def test_what_is_added_while_it_is_worked_on_is_done_once_more() -> None:
    work = Work()
    queue = make(work)
    queue.add("a")
    await pass_time(0.5)
    for _ in range(3):
        queue.add("a")
    await queue.wait_idle()
    assert work.starts == [("a", 0.0), ("a", 1.0)]


@virtual
async def test_urgent_keys_start_first_and_their_groups_take_turns() -> None:
    work = Work()
    queue = make(work, workers=1, group=lambda key: key[0], is_urgent=lambda key: key.endswith("!"))
    queue.hold()
    for key in ("a1", "a2!", "a3!", "b1!", "b2"):
        queue.add(key)
    queue.release()
    await queue.wait_idle()
    assert work.started == ["a2!", "b1!", "a3!", "a1", "b2"]


@virtual
async def test_keys_start_in_the_order_in_which_they_came() -> None:
    work = Work()
    queue = make(work, workers=1)
    for key in ("c", "a", "b", "a"):
        queue.add(key)
    await queue.wait_idle()
    assert work.started == ["c", "a", "b"]


@virtual
async def test_one_more_run_waits_behind_the_others() -> None:
    work = Work()
    queue = make(work, workers=1)
    queue.add("a")
    await pass_time(0.5)
    queue.add("a")
    queue.add("b")
    await queue.wait_idle()
    assert work.started == ["a", "b", "a"]


@virtual
async def test_nothing_starts_while_it_is_held() -> None:
    work = Work()
    queue: KeyQueue[str] = KeyQueue(work, workers=2, random=Random(1))
    queue.add("a")
    queue.add_after("b", 5.0)
    await pass_time(60.0)
    assert (work.starts, queue.depth) == ([], 2)
    queue.release()
    await queue.wait_idle()
    assert sorted(work.started) == ["a", "b"]
    queue.hold()
    queue.add("a")
    await pass_time(60.0)
    assert len(work.starts) == 2


@virtual
async def test_a_later_moment_is_kept_and_the_earliest_counts() -> None:
    work = Work()
    queue = make(work)
    queue.add_at("a", 20.0)
    queue.add_at("a", 10.0)
    queue.add_at("a", 30.0)
    assert (queue.delayed, queue.next_time, queue.depth) == (1, 10.0, 0)
    await pass_time(100.0)
    assert work.times == [10.0]


@virtual
async def test_a_start_forgets_when_it_was_to_be_looked_at() -> None:
    work = Work()
    queue = make(work)
    queue.add_at("a", 20.0)
    await pass_time(5.0)
    queue.add("a")
    await pass_time(100.0)
    assert work.times == [5.0]
    assert queue.next_time is None


@virtual
async def test_a_moment_given_during_the_work_stays() -> None:
    work = Work(seconds=10.0)
    queue = make(work)
    queue.add("a")
    await pass_time(1.0)
    queue.add_at("a", 30.0)
    queue.add_at("b", 5.0)
    await pass_time(100.0)
    assert work.starts == [("a", 0.0), ("b", 5.0), ("a", 30.0)]


@virtual
async def test_a_moment_that_comes_during_the_work_leads_to_one_more_run() -> None:
    work = Work(seconds=10.0)
    queue = make(work)
    queue.add("a")
    await pass_time(1.0)
    queue.add_at("a", 5.0)
    await pass_time(100.0)
    assert work.times == [0.0, 10.0]


@virtual
async def test_a_moment_that_is_past_is_now() -> None:
    work = Work()
    queue = make(work)
    await pass_time(5.0)
    queue.add_at("a", 1.0)
    await queue.wait_idle()
    assert work.times == [5.0]


@virtual
async def test_a_drained_queue_ends_what_runs_and_starts_nothing() -> None:
    work = Work(seconds=3.0)
    queue = make(work, workers=1)
    queue.add("a")
    queue.add("b")
    queue.add_after("c", 1.0)
    await pass_time(1.0)
    drained = asyncio.create_task(queue.drain(10.0))
    await pass_time(1.0)
    for key in ("a", "d"):
        queue.add(key)
        queue.add_after(key, 1.0)
    assert await drained
    await pass_time(60.0)
    assert work.ends == [("a", 3.0)]
    assert (queue.depth, queue.running, queue.delayed, queue.next_time) == (0, 0, 0, None)


@virtual
async def test_a_drain_cancels_what_takes_too_long() -> None:
    work = Work(seconds=100.0)
    queue = make(work)
    queue.add("a")
    await pass_time(1.0)
    assert not await queue.drain(5.0)
    assert asyncio.get_running_loop().time() == 6.0
    assert (work.ends, queue.running) == ([], 0)


@virtual
async def test_what_fails_during_a_drain_is_not_tried_again() -> None:
    work = Work(seconds=3.0, failing={"a"})
    queue = make(work)
    queue.add("a")
    await pass_time(1.0)
    assert await queue.drain(5.0)
    await pass_time(60.0)
    assert work.started == ["a"]


@virtual
async def test_who_waits_for_idleness_is_told_of_a_drain() -> None:
    queue = make(Work())
    queue.hold()
    queue.add("a")
    waiter = asyncio.create_task(queue.wait_idle())
    await pass_time(1.0)
    assert await queue.drain(5.0)
    await waiter


@virtual
async def test_idleness_is_of_what_waits_and_what_runs_only() -> None:
    queue = make(Work())
    queue.add_after("later", 50.0)
    await queue.wait_idle()
    queue.add("a")
    await queue.wait_idle()
    assert asyncio.get_running_loop().time() == 1.0
    assert queue.delayed == 1


@virtual
async def test_an_observer_is_told_how_long_a_key_waited_and_took() -> None:
    told: list[tuple[str, str, float, str]] = []

    class Observer:
        def started(self, key: str, waited_seconds: float) -> None:
            told.append(("started", key, waited_seconds, ""))

        def finished(self, key: str, took_seconds: float, error: Exception | None) -> None:
            told.append(("finished", key, took_seconds, repr(error)))

    work = Work(seconds=2.0, failing={"b"})
    queue = KeyQueue(work, workers=1, random=Random(1), backoff=Backoff(100.0, 100.0), observer=Observer())
    queue.release()
    queue.add("a")
    queue.add("b")
    await queue.wait_idle()
    assert told == [
        ("started", "a", 0.0, ""),
        ("finished", "a", 2.0, "None"),
        ("started", "b", 2.0, ""),
        ("finished", "b", 2.0, "Refused('b')"),
    ]


def grouped(work: Work, workers: int) -> KeyQueue[str]:
    """Make a queue whose keys are grouped by their first letter."""
    queue = KeyQueue(work, workers=workers, random=Random(1), group=lambda key: key[0])
    queue.release()
    return queue


@virtual
async def test_groups_take_turns() -> None:
    work = Work()
    queue = grouped(work, workers=1)
    for key in ("a1", "a2", "a3", "a4", "b1", "c1", "b2"):
        queue.add(key)
    await queue.wait_idle()
    assert work.started == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


@virtual
async def test_a_group_that_hangs_leaves_workers_for_the_others() -> None:
    class Hanging(Work):
        async def __call__(self, key: str) -> bool:
            self.seconds = 100.0 if key[0] == "a" else 1.0
            return await super().__call__(key)

    work = Hanging()
    queue = grouped(work, workers=8)
    for number in range(50):
        queue.add(f"a{number}")
    await pass_time(1.0)
    assert queue.running == 6
    for number in range(4):
        queue.add(f"b{number}")
    await pass_time(2.5)
    assert [key for key, _ in work.ends] == ["b0", "b1", "b2", "b3"]
    await queue.wait_idle()
    assert len(work.ends) == 54


@virtual
async def test_the_oldest_key_is_that_of_all_groups() -> None:
    queue = grouped(Work(), workers=1)
    queue.hold()
    queue.add("a1")
    await pass_time(5.0)
    queue.add("b1")
    queue.add("a2")
    await pass_time(1.0)
    assert (queue.oldest_seconds, queue.depth) == (6.0, 3)
    queue.release()
    assert queue.oldest_seconds == 1.0


@virtual
async def test_a_busy_key_with_a_far_moment_fills_no_memory() -> None:
    queue = make(Work(seconds=0.0))
    for step in range(10_000):
        queue.add_at("a", 1e9 - step)
    assert queue.delayed == 1
    assert len(queue._delayed._heap) < 200


Step = tuple[float, str, str, float]
"""How long to wait before a call, the call, its key, and how far off its moment is."""

KEYS = st.sampled_from("abcd")
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.3, 1.0, 2.5]),
        st.sampled_from(["add", "add", "add", "add_after", "add_at", "hold", "release"]),
        KEYS,
        st.sampled_from([-1.0, 0.0, 0.2, 1.0, 4.0]),
    ),
    max_size=40,
)


class Watched:
    """A handler that holds the queue to what it promises, whatever its own durations and failures."""

    def __init__(self, random: Random, workers: int) -> None:
        self.sequence = 0
        self.asked: list[tuple[str, int]] = []
        self.starts: list[tuple[str, int]] = []
        self._random = random
        self._workers = workers
        self._active: set[str] = set()

    async def __call__(self, key: str) -> bool:
        assert key not in self._active, "two workers on one key"
        assert len(self._active) < self._workers, "more workers than there are"
        self._active.add(key)
        self.starts.append((key, self.next()))
        await pass_time(self._random.choice([0.0, 0.1, 0.7, 3.0]))
        self._active.discard(key)
        if self._random.random() < 0.3:
            raise Refused(key)
        return self._random.random() < 0.8

    def next(self) -> int:
        self.sequence += 1
        return self.sequence

    def note_asked(self, key: str) -> None:
        self.asked.append((key, self.next()))


async def take_step(queue: KeyQueue[str], watched: Watched, step: Step) -> None:
    pause, call, key, seconds = step
    await pass_time(pause)
    if call == "hold":
        queue.hold()
    elif call == "release":
        queue.release()
    else:
        watched.note_asked(key)
        if call == "add":
            queue.add(key)
        elif call == "add_after":
            queue.add_after(key, seconds)
        else:
            queue.add_at(key, asyncio.get_running_loop().time() + seconds)


@pytest.mark.parametrize("workers", [1, 3])
@given(steps=STEPS, seed=st.integers(0, 2**16), is_grouped=st.booleans())
def test_no_call_is_lost_and_no_key_has_two_workers(
    workers: int, steps: list[Step], seed: int, *, is_grouped: bool
) -> None:
    @virtual
    async def scenario() -> None:
        watched = Watched(Random(seed), workers)
        queue = make(watched, workers=workers, seed=seed, group=(lambda key: key in "ab") if is_grouped else None)
        for step in steps:
            await take_step(queue, watched, step)
        queue.release()
        await queue.wait_idle()
        while (due := queue.next_time) is not None:
            await pass_time(due - asyncio.get_running_loop().time())
            await queue.wait_idle()
        last = dict(watched.starts)
        for key, sequence in watched.asked:
            assert last.get(key, 0) > sequence, f"no worker took {key} after it was asked for"

    scenario()


@virtual
async def test_late_keys_wait_behind_the_others_and_have_every_fourth_turn() -> None:
    work = Work()
    queue = make(work, workers=1)
    queue.hold()
    for number in range(4):
        queue.add(f"late-{number}", is_late=True)
    for number in range(6):
        queue.add(f"new-{number}")
    assert queue.depth == 10
    queue.release()
    await queue.wait_idle()
    assert [key.partition("-")[0] for key in work.started] == ["new"] * 3 + ["late"] + ["new"] * 3 + ["late"] * 3


@virtual
async def test_a_late_key_that_is_added_as_others_are_waits_with_them() -> None:
    work = Work()
    queue = make(work, workers=1)
    queue.hold()
    queue.add("a", is_late=True)
    queue.add("b", is_late=True)
    queue.add("c")
    queue.add("b")
    queue.add("b", is_late=True)
    assert queue.depth == 3
    queue.release()
    await queue.wait_idle()
    assert work.started == ["c", "b", "a"]
