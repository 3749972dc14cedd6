"""A queue whose handler notes what it is asked to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from random import Random

from codecourier.controller.queue import Backoff, KeyQueue
from tests.simulation.clock import pass_time

__all__ = ["BASE", "MOST", "Refused", "Work", "make"]

BASE, MOST = 1.0, 8.0
"""The first and the longest pause after failures, in seconds of virtual time."""


class Refused(Exception):  # noqa: N818
    """What a handler raises."""


@dataclass
class Work:
    """A handler that notes what it is asked to do."""

    seconds: float = 1.0
    failing: set[str] = field(default_factory=set)
    parking: set[str] = field(default_factory=set)
    """Keys that wait for what will add them again."""

    starts: list[tuple[str, float]] = field(default_factory=list)
    ends: list[tuple[str, float]] = field(default_factory=list)

    async def __call__(self, key: str) -> bool:
        loop = asyncio.get_running_loop()
        self.starts.append((key, loop.time()))
        await pass_time(self.seconds)
        self.ends.append((key, loop.time()))
        if key in self.failing:
            raise Refused(key)
        return key not in self.parking

    @property
    def started(self) -> list[str]:
        """The keys in the order of their starts."""
        return [key for key, _ in self.starts]

    @property
    def times(self) -> list[float]:
        """When work started."""
        return [time for _, time in self.starts]


def make(
    handler: Callable[[str], Awaitable[bool]],
    *,
    workers: int = 2,
    seed: int = 1,
    least_delay: Callable[[Exception], float] | None = None,
    group: Callable[[str], Hashable] | None = None,
    is_urgent: Callable[[str], bool] | None = None,
) -> KeyQueue[str]:
    """Make a queue that is released."""
    queue = KeyQueue(
        handler,
        workers=workers,
        random=Random(seed),
        backoff=Backoff(BASE, MOST),
        least_delay=least_delay,
        group=group,
        is_urgent=is_urgent,
    )
    queue.release()
    return queue
