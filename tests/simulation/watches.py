"""The history of the simulated API server's objects, and the watches that follow it."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import Literal

from codecourier.kube.api import Resource
from codecourier.kube.errors import Gone, Unanswered
from tests.simulation.network import Network
from tests.simulation.stored import Change

__all__ = ["History", "Watcher"]

_LAST_BOOKMARK_SECONDS = 2.0
"""How long before the end of a watch its last bookmark comes."""


class Watcher:
    """One watch of one client: a position in the history of a kind.

    Parameters
    ----------
    client
        The identity of the client.
    resource
        The kind.
    history
        The history of the kind.
    version
        The moment from which changes are wanted.
    timeout_seconds
        How long it lasts.
    bookmark_seconds
        How often a bookmark comes; one more comes shortly before the end.

    Raises
    ------
    Gone
        The moment is before the history's begin.
    """

    def __init__(
        self,
        client: str,
        resource: Resource,
        history: History,
        version: int,
        *,
        timeout_seconds: float,
        bookmark_seconds: float,
    ) -> None:
        self.client = client
        self.resource = resource
        self.is_cut = False
        self._history = history
        self._bookmark_seconds = bookmark_seconds
        self._version = version
        self._position = self._history.position(version)
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + timeout_seconds
        self._bookmark_time = self._next_bookmark()
        self._arrival = 0.0
        self._woken: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """Have the watcher look whether there is something new."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def next(self, network: Network) -> Change | Literal["bookmark"] | None:
        """Return the next change, or that a bookmark is due, or None at the end.

        Raises
        ------
        Unanswered
            The link broke.
        Gone
            The history was compacted beyond what was told.
        """
        while True:
            if self.is_cut:
                raise Unanswered(f"the watch of {self.resource.plural} broke")
            entry = self._history.at(self._position)
            now = self._loop.time()
            if entry is not None and entry[0].version <= self._version:
                # It was asked for a moment that had not been yet.
                self._position += 1
                continue
            if entry is not None:
                return await self._arrive(entry[0], entry[1], network)
            if now >= self._deadline:
                return None
            if now >= self._bookmark_time:
                self._bookmark_time = self._next_bookmark()
                return "bookmark"
            await self._wait(min(self._deadline, self._bookmark_time))

    async def _arrive(self, change: Change, time: float, network: Network) -> Change:
        self._arrival = max(self._arrival, time + network.event_delay(self.client, self.resource))
        while self._loop.time() < self._arrival:
            await self._wait(min(self._arrival, self._deadline))
            if self.is_cut or self._loop.time() >= self._deadline:
                raise Unanswered(f"the watch of {self.resource.plural} broke before an event arrived")
        self._position += 1
        return change

    def _next_bookmark(self) -> float:
        now, last = self._loop.time(), self._deadline - _LAST_BOOKMARK_SECONDS
        usual = now + self._bookmark_seconds
        return last if now < last < usual else usual

    async def _wait(self, until: float) -> None:
        self._woken = self._loop.create_future()
        timer = self._loop.call_at(until, self.wake)
        try:
            await self._woken
        finally:
            timer.cancel()
            self._woken = None


class History:
    """The changes of one kind since the last compaction, with the loop's time of each."""

    def __init__(self) -> None:
        self._entries: list[tuple[Change, float]] = []
        self._first = 0
        self._floor = 0

    def append(self, change: Change, time: float) -> None:
        """Remember a change."""
        self._entries.append((change, time))

    def compact(self, version: int) -> None:
        """Forget everything; moments before this version are gone."""
        self._first += len(self._entries)
        self._entries.clear()
        self._floor = version

    def position(self, version: int) -> int:
        """Return where the changes after a version begin."""
        if version < self._floor:
            raise Gone(410, "Expired", f"too old resource version: {version} ({self._floor})")
        return self._first + bisect_right(self._entries, version, key=lambda entry: entry[0].version)

    def at(self, position: int) -> tuple[Change, float] | None:
        """Return a change, None where it has not happened yet."""
        if position < self._first:
            raise Gone(410, "Expired", f"too old resource version: history begins at {self._floor}")
        index = position - self._first
        return self._entries[index] if index < len(self._entries) else None
