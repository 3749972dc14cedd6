"""What is scheduled is planned again when the wall clock jumps, and never otherwise."""

from __future__ import annotations

import asyncio

import pytest

from codecourier.controller.clock_watch import CHECK_SECONDS, JUMP_SECONDS, watch_clock
from tests.controller.queued import Work, make
from tests.simulation.clock import WallClock, pass_time, virtual


@virtual
@pytest.mark.parametrize("seconds", [86_400.0, -3600.0, JUMP_SECONDS])
async def test_a_jump_is_noticed_once(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    clock, jumps = WallClock(loop), list[float]()
    task = loop.create_task(watch_clock(clock.now, lambda: jumps.append(loop.time())))
    await pass_time(10.5 * CHECK_SECONDS)
    assert jumps == []
    clock.jump(seconds)
    await pass_time(10 * CHECK_SECONDS)
    assert jumps == [11 * CHECK_SECONDS]
    task.cancel()


@virtual
async def test_a_slow_drift_adds_up() -> None:
    loop = asyncio.get_running_loop()
    clock, jumps = WallClock(loop), list[float]()
    task = loop.create_task(watch_clock(clock.now, lambda: jumps.append(loop.time())))
    for _ in range(20):
        clock.jump(JUMP_SECONDS / 8)
        await pass_time(CHECK_SECONDS)
    assert len(jumps) == 2
    task.cancel()


@virtual
async def test_scheduled_keys_run_at_once_and_are_scheduled_no_more() -> None:
    work = Work()
    queue = make(work)
    queue.add_after("tomorrow", 86_400.0)
    queue.add_after("later", 3600.0)
    queue.add_delayed()
    await queue.wait_idle()
    assert work.started == ["later", "tomorrow"]
    assert queue.delayed == 0
