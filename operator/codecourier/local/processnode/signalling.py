"""Wake the tasks that wait for something to change."""

from __future__ import annotations

import asyncio

__all__ = ["Signal"]


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
