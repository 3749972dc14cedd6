"""Whose turn it is to use something slow: bounded for each place, fair over namespaces.

`Turns` decides and knows no time; `Turnstile` lets tasks wait for its decision.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Bound", "Bounds", "Job", "Lane", "Turns", "Turnstile"]


class Lane(NamedTuple):
    """Where a job goes: jobs of one lane hang or succeed together."""

    host: str
    credential: str


@dataclass(eq=False)
class Job:
    """What waits for a turn, or has one."""

    namespace: str
    lane: Lane
    turn: asyncio.Future[None] | None = None
    is_waiting: bool = False
    has_turn: bool = False
    is_proven: bool = True
    """Whether the lane had answered lately when the job's turn came."""


class Bound(NamedTuple):
    """How many jobs may have a turn at once."""

    most: int
    most_unproven: int
    """Of these, how many in lanes that have not answered yet, or not lately: each may hold its turn for long."""


@dataclass(frozen=True)
class Bounds:
    """The bounds; each job counts in all of them."""

    all: Bound
    namespace: Bound
    host: Bound
    lane: Bound

    def of(self, job: Job) -> Iterator[tuple[Hashable, Bound]]:
        """Return the groups that a job counts in."""
        yield "all", self.all
        yield ("namespace", job.namespace), self.namespace
        yield ("host", job.lane.host), self.host
        yield ("lane", job.lane), self.lane


class Turns:
    """Decides which of the waiting jobs come next: namespaces in turn, within each its lanes in turn.

    Parameters
    ----------
    bounds
        How many jobs may have a turn.
    is_proven
        Tells whether a lane has answered lately.
    """

    def __init__(self, bounds: Bounds, is_proven: Callable[[Lane], bool]) -> None:
        self._bounds = bounds
        self._is_proven = is_proven
        self._waiting: OrderedDict[str, OrderedDict[Lane, deque[Job]]] = OrderedDict()
        self._used: Counter[Hashable] = Counter()
        self._unproven: Counter[Hashable] = Counter()
        self._queued: Counter[Lane] = Counter()
        self.waiting = 0
        """How many jobs wait."""

    @property
    def running(self) -> int:
        """How many jobs have a turn."""
        return self._used["all"]

    def is_used(self, lane: Lane) -> bool:
        """Return whether a job of a lane waits or has a turn."""
        return self._used["lane", lane] > 0 or self._queued[lane] > 0

    def add(self, job: Job) -> None:
        """Let a job wait."""
        self._waiting.setdefault(job.namespace, OrderedDict()).setdefault(job.lane, deque()).append(job)
        self._queued[job.lane] += 1
        self.waiting += 1
        job.is_waiting = True

    def remove(self, job: Job) -> None:
        """Take a job out that waits."""
        self._waiting[job.namespace][job.lane].remove(job)
        self._dropped(job)

    def remove_all(self, lane: Lane) -> list[Job]:
        """Take all jobs of a lane out that wait, and return them."""
        found = [job for lanes in self._waiting.values() for job in lanes.get(lane, ())]
        for job in found:
            self.remove(job)
        return found

    def take(self) -> list[Job]:
        """Return the jobs whose turn has come; each keeps it until `end`."""
        taken: list[Job] = []
        while (job := self._next()) is not None:
            job.is_proven = self._is_proven(job.lane)
            self._count(job, 1)
            job.has_turn = True
            taken.append(job)
        return taken

    def end(self, job: Job) -> None:
        """Take a job's turn back."""
        self._count(job, -1)
        job.has_turn = False

    def _next(self) -> Job | None:
        if self._used["all"] >= self._bounds.all.most:
            return None
        for namespace, lanes in self._waiting.items():
            for lane, jobs in lanes.items():
                if self._has_room(jobs[0]):
                    job = jobs.popleft()
                    lanes.move_to_end(lane)
                    self._waiting.move_to_end(namespace)
                    self._dropped(job)
                    return job
        return None

    def _has_room(self, job: Job) -> bool:
        is_proven = self._is_proven(job.lane)
        return all(
            self._used[group] < bound.most and (is_proven or self._unproven[group] < bound.most_unproven)
            for group, bound in self._bounds.of(job)
        )

    def _count(self, job: Job, step: int) -> None:
        for group, _ in self._bounds.of(job):
            for counter in (self._used,) if job.is_proven else (self._used, self._unproven):
                counter[group] += step
                if not counter[group]:
                    del counter[group]

    def _dropped(self, job: Job) -> None:
        self.waiting -= 1
        job.is_waiting = False
        self._queued -= Counter({job.lane: 1})
        lanes = self._waiting[job.namespace]
        if not lanes[job.lane]:
            del lanes[job.lane]
        if not lanes:
            del self._waiting[job.namespace]


@dataclass
class Turnstile:
    """Lets tasks wait for their turns. Use it from one event loop only.

    Parameters
    ----------
    turns
        Decides.
    """

    turns: Turns

    async def enter(self, job: Job) -> None:
        """Wait for a turn; `leave` gives it back.

        Raises
        ------
        Exception
            What `refuse` was given.
        """
        job.turn = asyncio.get_running_loop().create_future()
        self.turns.add(job)
        self._call()
        try:
            await job.turn
        except asyncio.CancelledError:
            # Its turn may have come in the moment in which it was given up.
            if job.is_waiting:
                self.turns.remove(job)
            elif job.has_turn:
                self.leave(job)
            raise

    def leave(self, job: Job) -> None:
        """Give a turn back."""
        self.turns.end(job)
        self._call()

    def refuse(self, lane: Lane, error: Callable[[], Exception]) -> None:
        """Let every task that waits in a lane go on with an error."""
        for job in self.turns.remove_all(lane):
            if job.turn is not None and not job.turn.done():
                job.turn.set_exception(error())

    def _call(self) -> None:
        for job in self.turns.take():
            if job.turn is not None and not job.turn.done():
                job.turn.set_result(None)
