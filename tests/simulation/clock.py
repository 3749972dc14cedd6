"""A virtual-time event loop: nothing waits, everything happens in a fixed order, and a stuck program is noticed.

When nothing is ready the loop's time jumps to the next timer. There is no input or output and there are no threads, so
a run depends on nothing but its seed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime, timedelta
from functools import wraps
from heapq import heappop, heappush
from typing import Any, NoReturn, ParamSpec, TypeVar, TypeVarTuple

__all__ = ["EPOCH", "Deadlock", "Livelock", "VirtualLoop", "WallClock", "pass_time", "run_virtual", "virtual"]

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the wall clock starts."""

_MAX_CALLBACKS_AT_ONCE = 1_000_000


class Deadlock(AssertionError):  # noqa: N818
    """Nothing is ready, nothing will ever be, and the program is not done."""


class Livelock(AssertionError):  # noqa: N818
    """The program works on without time ever passing."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop; it relies on how `BaseEventLoop` keeps what is ready and what is scheduled (CPython 3.11 to 3.14)."""

    _ready: deque[Any]
    _scheduled: list[Any]

    def __init__(self) -> None:
        super().__init__()
        self._time = 0.0
        self._at_once = 0

    def time(self) -> float:
        """Return the virtual time in seconds since the start."""
        return self._time

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See `BaseEventLoop.call_soon`, whose checks of each call cost more than the call."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `BaseEventLoop.call_at`."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._scheduled, timer)
        timer._scheduled = True  # type: ignore[attr-defined]  # as the base class does
        return timer

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        """Refuse: a thread would end at a moment that no seed decides."""
        raise RuntimeError(f"{func} would run in a thread; a simulation has none")

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            scheduled_handle = heappop(scheduled)
            scheduled_handle._scheduled = False
        if not ready:
            if not scheduled:
                self._stuck()
            if scheduled[0]._when > self._time:
                self._time = scheduled[0]._when
                self._at_once = 0
        now = self._time
        while scheduled and scheduled[0]._when <= now:
            handle = heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        count = len(ready)
        self._at_once += count
        if self._at_once > _MAX_CALLBACKS_AT_ONCE:
            raise Livelock(f"{self._at_once} callbacks ran at {now} s without time passing")
        for _ in range(count):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # Cancelled timers are dropped when they come up; the base class counts them to clean up earlier.
        pass

    def _write_to_self(self) -> None:
        # Wakes a real loop out of its wait for input; this one never waits.
        pass

    def _stuck(self) -> NoReturn:
        tasks = sorted(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks(self))
        raise Deadlock(f"at {self._time} s nothing is ready and no timer is set; waiting: {tasks}")


class WallClock:
    """The wall clock of a simulation: the loop's time since an epoch, plus what jumps have added.

    Parameters
    ----------
    loop
        The loop whose time it follows.
    epoch
        What it shows at the loop's time 0.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, epoch: datetime = EPOCH) -> None:
        self._loop = loop
        self._epoch = epoch

    def now(self) -> datetime:
        """Return the wall time in UTC."""
        return self._epoch + timedelta(seconds=self._loop.time())

    def jump(self, seconds: float) -> None:
        """Set the clock forward, or back where negative; the loop's timers do not notice."""
        self._epoch += timedelta(seconds=seconds)


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end on a virtual loop of its own, and cancel the tasks that are left.

    Raises
    ------
    Deadlock
        It waits for what never comes.
    Livelock
        It works without time passing.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


async def pass_time(seconds: float) -> None:
    """Let virtual time pass; a real loop is refused, since a test that waited for real would be slow and flaky."""
    if not isinstance(asyncio.get_running_loop(), VirtualLoop):
        raise TypeError("only a virtual loop's time can be made to pass")
    await asyncio.sleep(seconds)


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a coroutine function a test that runs on a virtual loop of its own."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        run_virtual(lambda: test(*args, **kwargs))

    return run
