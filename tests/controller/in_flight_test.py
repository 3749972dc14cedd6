"""Effects beside the workers: their object waits for their end, and what they raise reaches the queue."""

from __future__ import annotations

import pytest

from codecourier.controller.background import Background
from codecourier.controller.in_flight import InFlight
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import WorkKey
from codecourier.kube.errors import Unanswered
from tests.simulation.clock import pass_time, virtual

KEY = WorkKey(RUNS, "shop", "fix")


@virtual
async def test_an_object_is_busy_until_its_effects_have_ended_and_then_woken() -> None:
    woken: list[WorkKey] = []
    in_flight = InFlight(Background(), woken.append)
    in_flight.start(KEY, ("strays", KEY), lambda: pass_time(30.0))
    await pass_time(29.0)
    assert (in_flight.is_busy(("strays", KEY)), in_flight.is_busy(KEY), woken) == (True, False, [])
    await pass_time(2.0)
    assert (in_flight.is_busy(("strays", KEY)), woken) == (False, [KEY])
    in_flight.check(("strays", KEY))


@virtual
async def test_what_an_effect_raises_is_raised_once_by_a_worker() -> None:
    async def fail() -> None:
        raise Unanswered("away")

    woken: list[WorkKey] = []
    in_flight = InFlight(Background(), woken.append)
    in_flight.start(KEY, KEY, fail)
    await pass_time(1.0)
    assert woken == [KEY]
    with pytest.raises(Unanswered):
        in_flight.check(KEY)
    in_flight.check(KEY)


@virtual
async def test_no_effect_begins_once_the_operator_ends_and_none_is_left() -> None:
    background, ended = Background(), []
    in_flight = InFlight(background, lambda _: None)

    async def work(seconds: float) -> None:
        await pass_time(seconds)
        ended.append(seconds)

    in_flight.start(KEY, "short", lambda: work(3.0))
    in_flight.start(KEY, "long", lambda: work(60.0))
    await background.drain(5.0)
    in_flight.start(KEY, "late", lambda: work(1.0))
    await pass_time(100.0)
    assert (ended, len(background), len(in_flight)) == ([3.0], 0, 0)
