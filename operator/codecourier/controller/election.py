"""The leader election in a thread of its own, so that nothing that the operator does can delay a renewal.

It has its own event loop, which no plan holds up, and its own connections, which no slow call occupies. In return it
has to notice when the operator hangs: a process that renews its Lease and does nothing would never be replaced.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Protocol

from codecourier.kube.api import KubeApi
from codecourier.kube.lease import LeaderElector, LeaseIdentity, LeaseTiming

__all__ = ["Elect", "Election", "ElectionThread", "OpenKube"]

OpenKube = Callable[[], AbstractAsyncContextManager[KubeApi]]
"""Opens a client in the loop that it is called in."""

_BEAT_SECONDS = 1.0
_JOIN_SECONDS = 5.0


class Election(Protocol):
    """The leader election as the operator sees it, in the operator's loop."""

    leading: asyncio.Event
    """Set while this process may act."""

    def may_act(self) -> bool:
        """Return whether this process leads, by the clock."""
        ...

    async def run(self, on_lost: Callable[[], Any]) -> None:
        """Wait for the Lease and keep it until it is lost; see `LeaderElector.run`."""
        ...

    async def release(self) -> None:
        """Release the Lease."""
        ...


Elect = Callable[[LeaseIdentity], Election]
"""Makes the election for a Lease, in the operator's loop."""


@dataclass(frozen=True)
class _Thread:
    """What there is once the thread has begun."""

    loop: asyncio.AbstractEventLoop
    elector: LeaderElector
    task: asyncio.Task[Any]


class ElectionThread:
    """An `Election` in a thread. Make it in the operator's loop.

    Parameters
    ----------
    identity
        The Lease and our name.
    open_api
        Opens the election's own client.
    now
        The wall clock, in UTC.
    random
        Source of the jitter; no other thread may use it.
    timing
        Durations.
    hang_seconds
        Without a sign of life from the operator's loop for this long, the Lease is no longer renewed.
    """

    def __init__(
        self,
        identity: LeaseIdentity,
        open_api: OpenKube,
        *,
        now: Callable[[], datetime],
        random: Random,
        timing: LeaseTiming | None = None,
        hang_seconds: float = 60.0,
    ) -> None:
        self.leading = asyncio.Event()
        self._identity = identity
        self._open_api = open_api
        self._now = now
        self._random = random
        self._timing = timing
        self._hang_seconds = hang_seconds
        self._loop = asyncio.get_running_loop()
        self._beaten = self._loop.time()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._is_stopping = False
        self._running: _Thread | None = None
        self.thread = threading.Thread(target=self._run, name="election", daemon=True)

    def may_act(self) -> bool:
        """See `Election.may_act`; it does not wait for this loop to hear of a loss."""
        running = self._running
        return running is not None and running.elector.may_act()

    async def run(self, on_lost: Callable[[], Any]) -> None:
        """See `Election.run`."""
        beating = asyncio.create_task(self._beat())
        self.thread.start()
        try:
            await asyncio.shield(self._ended)
        finally:
            beating.cancel()
            self._stop()
            await asyncio.to_thread(self.thread.join, _JOIN_SECONDS)
            self.leading.clear()
        on_lost()

    async def release(self) -> None:
        """See `Election.release`."""
        running = self._running
        if running is not None and not running.loop.is_closed():
            with suppress(RuntimeError):  # the thread has ended in between
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(running.elector.release(), running.loop))

    async def _beat(self) -> None:
        while True:
            self._beaten = self._loop.time()
            await asyncio.sleep(_BEAT_SECONDS)

    def _is_alive(self) -> bool:
        return asyncio.get_running_loop().time() < self._beaten + self._hang_seconds

    def _stop(self) -> None:
        self._is_stopping = True
        running = self._running
        if running is not None:
            _call(running.loop, running.task.cancel)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            asyncio.run(self._elect())
        except BaseException as caught:  # noqa: BLE001
            # An exception ends only its thread: `run` raises it in the operator's loop.
            error = caught
        _call(self._loop, self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if error is None or self._is_stopping:
            self._ended.set_result(None)
        else:
            failure = RuntimeError(f"the leader election ended: {type(error).__name__}: {error}")
            failure.__cause__ = error
            self._ended.set_exception(failure)

    async def _elect(self) -> None:
        async with self._open_api() as api:
            elector = LeaderElector(
                api,
                self._identity,
                now=self._now,
                random=self._random,
                timing=self._timing,
                is_alive=self._is_alive,
            )
            elector.leading = _Relay(self._loop, self.leading)
            task = asyncio.create_task(elector.run(lambda: None))
            self._running = _Thread(asyncio.get_running_loop(), elector, task)
            if self._is_stopping:
                task.cancel()
            await task


class _Relay(asyncio.Event):
    """An event whose changes the operator's loop hears of."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        super().__init__()
        self._their_loop = loop
        self._their_event = event

    def set(self) -> None:
        """Set it here and there."""
        super().set()
        _call(self._their_loop, self._their_event.set)

    def clear(self) -> None:
        """Clear it here and there."""
        super().clear()
        _call(self._their_loop, self._their_event.clear)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """Call a function in the loop of another thread."""
    with suppress(RuntimeError):  # the loop is closed: no task waits any more
        loop.call_soon_threadsafe(function, *arguments)
