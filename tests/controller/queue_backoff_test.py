"""What the queue does with a key that fails: it waits ever longer, up to a bound, and the others go on."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from codecourier.controller.queue import Backoff
from tests.controller.queued import BASE, MOST, Refused, Work, make
from tests.simulation.clock import pass_time, virtual


@virtual
async def test_a_failing_key_waits_ever_longer_up_to_a_bound() -> None:
    work = Work(seconds=0.0, failing={"a"})
    queue = make(work)
    queue.add("a")
    await pass_time(200.0)
    waits = [after - before for before, after in pairwise(work.times)]
    for count, wait in enumerate(waits):
        full = min(MOST, BASE * 2.0**count)
        assert full / 2 <= wait <= full
    assert len(set(waits)) > len(waits) / 2, "chance spreads the retries of many keys"
    assert queue.failures("a") == len(work.starts)


@virtual
async def test_a_success_forgets_the_failures() -> None:
    work = Work(seconds=0.0, failing={"a"})
    queue = make(work)
    queue.add("a")
    await pass_time(20.0)
    assert queue.failures("a") > 2
    work.failing.clear()
    await pass_time(20.0)
    assert (queue.failures("a"), queue.delayed) == (0, 0)
    work.failing.add("a")
    queue.add("a")
    await pass_time(BASE / 4)
    assert queue.failures("a") == 1


@virtual
async def test_a_key_that_waits_for_an_answer_keeps_its_failures() -> None:
    work = Work(seconds=0.0, failing={"a"})
    queue = make(work)
    queue.add("a")
    await pass_time(20.0)
    failures = queue.failures("a")
    work.failing.clear()
    work.parking.add("a")
    queue.add("a")
    await pass_time(20.0)
    assert (queue.failures("a"), queue.delayed) == (failures, 0)


@virtual
async def test_what_comes_during_a_failing_run_does_not_escape_the_backoff() -> None:
    work = Work(failing={"a"})
    queue = make(work)
    queue.add("a")
    await pass_time(0.5)
    queue.add("a")
    await pass_time(1.0)
    assert work.times == [0.0]
    assert queue.delayed == 1


@virtual
async def test_a_retry_waits_as_long_as_the_error_asks() -> None:
    work = Work(seconds=0.0, failing={"a"})
    queue = make(work, least_delay=lambda error: 25.0 if isinstance(error, Refused) else 0.0)
    queue.add("a")
    await pass_time(30.0)
    assert work.times == [0.0, 25.0]


@virtual
async def test_a_failure_that_is_told_waits_too() -> None:
    work = Work(seconds=0.0)
    queue = make(work)
    assert queue.fail("a", at_least_seconds=20.0) == 20.0
    assert BASE <= queue.fail("b") + queue.fail("b") <= 3 * BASE
    queue.forget("b")
    assert queue.failures("b") == 0
    await pass_time(30.0)
    assert ("a", 20.0) in work.starts


@virtual
async def test_one_failing_key_does_not_stop_the_others() -> None:
    work = Work(failing={"a"})
    queue = make(work, workers=1)
    for key in ("a", "b", "c"):
        queue.add(key)
    await queue.wait_idle()
    assert work.started[:3] == ["a", "b", "c"]


@given(st.floats(0.01, 10.0), st.floats(0.01, 1000.0), st.integers(1, 5000), st.integers())
def test_a_backoff_is_never_above_its_bound(base: float, most: float, failures: int, seed: int) -> None:
    delay = Backoff(base, most).delay(failures, Random(seed))
    full = min(most, base * 2.0 ** min(failures - 1, 100))
    assert full / 2 <= delay <= full
