"""The tasks without which an operator only looks alive: when one of them ends, the operator has to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["VitalTaskEndedError", "Vitals"]


class VitalTaskEndedError(Exception):
    """A task that has to run for as long as the operator does has ended; the message names it and says why."""


class Vitals:
    """Starts the vital tasks, tells which have ended, and waits for that.

    A task that ends well is as bad as one that fails: nobody does its work any more.
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
        """Wait until a task has ended; there has to be one."""
        await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)

    async def cancel(self) -> None:
        """End all tasks; what is said of those that ended before stays."""
        self._ended = self.ended
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _why(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return "was cancelled"
    error = task.exception()
    return "ended" if error is None else f"failed: {type(error).__name__}: {error}"
