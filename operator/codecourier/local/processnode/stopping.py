"""Stop containers: SIGTERM to the first process, the grace period, then SIGKILL to all."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable

from codecourier.local.processnode.container import Container

__all__ = ["Deadline", "Signal", "stop"]

_START_SECONDS = 2.0
_POLL_SECONDS = 0.02
_AGAIN_SECONDS = 0.2


class Signal:
    """Wakes all tasks that wait; a task that checks and waits without an await in between misses nothing."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake every waiting task."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, timeout_seconds: float | None) -> None:
        """Wait until woken, or until the time is over; None waits without limit."""
        event = self._event
        try:
            async with asyncio.timeout(timeout_seconds):
                await event.wait()
        except TimeoutError:
            return


class Deadline:
    """When a pod's grace period is over; a shorter period that is set meanwhile counts from the same beginning.

    Parameters
    ----------
    seconds
        Returns the present grace period.
    changed
        Wakes the waiting tasks when the period may have changed.
    """

    def __init__(self, seconds: Callable[[], float], changed: Signal) -> None:
        self._seconds = seconds
        self._begin = time.monotonic()
        self.changed = changed

    def left(self) -> float:
        """Return what is left of the grace period in seconds, perhaps less than 0."""
        return self._begin + self._seconds() - time.monotonic()


async def stop(container: Container, deadline: Deadline) -> None:
    """Stop a container and return when its launcher has ended."""
    if not container.is_running():
        return
    ended = asyncio.create_task(container.wait())
    try:
        await _wait_until_started(container, ended)
        container.signal(signal.SIGTERM)
        while not ended.done():
            if (left := deadline.left()) <= 0:
                container.kill()
                await asyncio.wait({ended}, timeout=_AGAIN_SECONDS)
            else:
                changed = asyncio.create_task(deadline.changed.wait(left))
                await asyncio.wait({ended, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
    finally:
        ended.cancel()


async def _wait_until_started(container: Container, ended: asyncio.Task[object]) -> None:
    # Before its command runs, the first process of a PID namespace would not hear the signal.
    give_up = time.monotonic() + _START_SECONDS
    while container.started is None and not ended.done() and time.monotonic() < give_up:
        await asyncio.wait({ended}, timeout=_POLL_SECONDS)
