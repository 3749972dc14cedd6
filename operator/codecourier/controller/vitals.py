"""The tasks that an operator needs: when one of them ends, the operator must end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["VitalTaskEndedError", "Vitals"]


class VitalTaskEndedError(Exception):
    """A task that must run as long as the operator has ended; the message names it and says why."""


class Vitals:
    """Starts the vital tasks, reports which have ended, and waits for the first.

    A task that ends without an error is as bad as one that fails: its work is no longer done.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._ended: list[str] | None = None

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Start a task under a name for people."""
        self._tasks[name] = asyncio.create_task(work, name=name)

    @property
    def ended(self) -> list[str]:
        """A sentence about each task that has ended by itself."""
        if self._ended is not None:
            return self._ended
        return [f"{name} {_why(task)}" for name, task in self._tasks.items() if task.done()]

    async def wait_ended(self) -> None:
        """Wait until a task has ended; at least one must have been started."""
        await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)

    async def cancel(self) -> None:
        """Cancel all tasks; `ended` keeps reporting those that ended before."""
        self._ended = self.ended
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _why(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return "was cancelled"
    error = task.exception()
    return "ended" if error is None else f"failed: {type(error).__name__}: {error}"
