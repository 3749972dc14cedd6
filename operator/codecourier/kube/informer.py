"""List and watch: keeps a cache equal to the API server, whatever breaks.

| state | what it does | goes to |
|---|---|---|
| listing | reads the whole list; what it lacks is removed from the cache | watching, or waits and lists again |
| watching | applies each event; the server ends the watch after a while | resuming |
| watching, connection broken or silent | | waits, then resuming |
| watching, 410 or an unusable answer | | waits and lists again |
| resuming | asks for the server's version | watching from the last event; listing where history went back |
| resuming, no answer | | waits and lists again |

A watch is resumed only from a version that the server has. After a restore from a backup the server's versions are
lower; it accepts a watch from a version that it has not reached, and delivers nothing until it has passed that version
(https://github.com/kubernetes/kubernetes/issues/107457). A server that was away may have been restored and have passed
it already, so that its answer proves nothing: then only a list does.

A watch that the process can do without may be refused by the API server: then the informer says so once, counts as
listed, and tries it again from time to time.

It never ends by itself: each failure lengthens the wait, up to a bound; an event, or a watch that lasted, resets it. A
list alone does not reset it: a server whose history is always too short would be listed without a pause.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from math import inf
from random import Random
from typing import Protocol

from codecourier.kube.api import KubeApi, Resource, WatchEvent
from codecourier.kube.cache import Cache, Taken
from codecourier.kube.errors import ApiError, Forbidden, Gone, KubeError, TooManyRequests, Unanswered

__all__ = ["Informer", "InformerObserver", "InformerTiming"]

_LOGGER = logging.getLogger(__name__)

_SHORT_WATCH_SECONDS = 1.0
"""A watch that ends sooner, without an event, counts as failed."""


@dataclass(frozen=True)
class InformerTiming:
    """How long a watch lasts and how long to wait after failures, in seconds.

    Parameters
    ----------
    watch_seconds
        The server ends a watch after this long; up to as much again is added at random, so that watches of many
        kinds do not all end at once.
    first_retry_seconds
        The wait after a first failure; it doubles with each further one, less up to half at random.
    max_retry_seconds
        The longest wait by its own reckoning.
    max_told_seconds
        The longest wait that a server may ask for. The maintenance page of a proxy may ask for a day; meanwhile the
        cache would be stale without a sign.
    refused_retry_seconds
        The wait after a refusal of a watch that the process can do without.
    """

    watch_seconds: int = 240
    first_retry_seconds: float = 0.2
    max_retry_seconds: float = 10.0
    max_told_seconds: float = 30.0
    refused_retry_seconds: float = 60.0


class InformerObserver(Protocol):
    """Receives what happens, for metrics."""

    def listed(self, resource: Resource, count: int) -> None:
        """Note a list and its number of objects."""
        ...

    def received(self, resource: Resource, event: WatchEvent) -> None:
        """Note an event."""
        ...

    def failed(self, resource: Resource, error: Exception) -> None:
        """Note a list or watch that failed."""
        ...

    def restored(self, resource: Resource) -> None:
        """Note that history went back, before the cache takes what the API server has now."""
        ...


class _HistoryError(KubeError):
    """The server has lost history that this process has seen."""


class Informer:
    """Keeps one cache equal to the API server.

    Parameters
    ----------
    api
        The API server.
    cache
        The cache to fill; its kind is listed and watched.
    random
        Source of the jitter.
    namespace
        The namespace; None for all.
    label_selector
        Restricts what is listed and watched.
    timing
        Durations.
    observer
        Receives lists, events and failures.
    is_optional
        Whether the process can do without the watch, so that it may be refused.
    """

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        *,
        random: Random,
        namespace: str | None = None,
        label_selector: str | None = None,
        timing: InformerTiming | None = None,
        observer: InformerObserver | None = None,
        is_optional: bool = False,
    ) -> None:
        self.cache = cache
        self.synced = asyncio.Event()
        """Set after the first complete list, or its refusal; it stays set while later lists fail."""
        self._api = api
        self._resource = cache.resource
        self._random = random
        self._namespace = namespace
        self._label_selector = label_selector
        self._timing = timing or InformerTiming()
        self._observer = observer
        self._is_optional = is_optional
        self._is_refused = False
        self._version: str | None = None
        self._epoch = 0
        self._is_listed = False
        self._watching: asyncio.Timeout | None = None
        self._failures = 0
        self._read_time = -inf
        """When the last complete list began, by the event loop's clock."""

        self._heard_time = -inf
        """When the last event or bookmark came."""

        self._failed_time = inf
        """When the first list or watch failed after the cache was last known to be up to date."""

    @property
    def silent_seconds(self) -> float:
        """How long ago the cache was last known to be up to date: a list began, or an event or bookmark came."""
        return asyncio.get_running_loop().time() - max(self._read_time, self._heard_time)

    @property
    def failing_seconds(self) -> float:
        """How long the cache is not known to be up to date after a list or watch failed; negative: none failed."""
        return asyncio.get_running_loop().time() - self._failed_time

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if self._version is None:
                    await self._list()
                else:
                    await self._resume(self._version)
                    self._failures = 0
                    self._follow()
            except Exception as error:  # noqa: BLE001
                # Not even an unexpected answer may end the cache's only source of truth.
                await self._recover(error)

    async def freshen(self, since: float = inf) -> None:
        """Read the whole list once more, beside the watch, and retry until that works.

        Use this before a decision that must not rest on stale data: a stalled watch looks the same as a quiet one.

        Parameters
        ----------
        since
            A list that began at this time of the event loop or later is new enough, so none is read.
        """
        if self._read_time >= since:
            return
        failures = 0
        while True:
            try:
                await self._load()
            except Exception as error:  # noqa: BLE001
                if self._note_refusal(error):
                    return
                # As in `run`: whatever went wrong, the next try may work.
                failures += 1
                self._report(error)
                await asyncio.sleep(self._delay(error, failures))
            else:
                return

    async def _list(self) -> None:
        self._version = await self._load()
        self._failed_time = inf
        self._epoch = self.cache.epoch
        self._is_listed = True
        self.cache.is_followed = not self._is_refused
        self.synced.set()

    async def _load(self) -> str:
        while True:
            begin, time = self.cache.begin_list(), asyncio.get_running_loop().time()
            result = await self._api.list(self._resource, self._namespace, label_selector=self._label_selector)
            version = result.resource_version
            restart = partial(self._start_again, begin.version, version)
            if self.cache.replace_all(result.items, version, begin, restart) is not Taken.OUTDATED:
                break
        self._read_time = time
        if time >= self._failed_time:
            # Without a watch the cache is behind again from then on.
            self._failed_time = inf if self._watching is not None else time
        if self._observer is not None:
            self._observer.listed(self._resource, len(result.items))
        return version

    def _start_again(self, before: int, version: str) -> None:
        """Follow the history that the server has now, whichever list found it."""
        _LOGGER.warning(
            "the history of %s went back, from version %d to %s: the API server was restored from a backup;"
            " its objects are taken as they are now",
            self._resource.title,
            before,
            version,
        )
        self._version, self._epoch, self._is_listed = version, self.cache.epoch, True
        if self._watching is not None:
            # A watch from a version that the server has lost is silent, so it would not end by itself.
            self._watching.reschedule(asyncio.get_running_loop().time())
        if self._observer is not None:
            self._observer.restored(self._resource)

    async def _resume(self, version: str) -> None:
        if not self._is_listed:
            await self._check_history(version)
            if self._version != version:
                # `freshen` found another history meanwhile.
                return
        self._is_listed = False
        self._watching = watching = asyncio.timeout(None)
        try:
            async with watching:
                await self._watch(version)
        except TimeoutError:
            if not watching.expired():
                raise
        finally:
            self._watching = None

    async def _check_history(self, version: str) -> None:
        seen = max(int(version), self.cache.newest)
        try:
            current = int(await self._api.current_version(self._resource, self._namespace))
        except Unanswered:
            self._version = None
            raise
        if current < seen:
            raise _HistoryError(f"the API server is at version {current}, and {seen} was seen")

    async def _watch(self, version: str) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        seconds = self._timing.watch_seconds
        events = self._api.watch(
            self._resource,
            namespace=self._namespace,
            resource_version=version,
            timeout_seconds=seconds + self._random.randrange(seconds + 1),
            label_selector=self._label_selector,
        )
        async with aclosing(events):
            async for event in events:
                self._take(event)
        if self._version == version and loop.time() - start < _SHORT_WATCH_SECONDS:
            # Without this, a server or proxy that ends every watch at once would be called without a pause.
            raise Unanswered("the watch was ended at once")

    def _take(self, event: WatchEvent) -> None:
        # The version is read first: the cache owns the object afterwards.
        version: str = event.object["metadata"]["resourceVersion"]
        if self._epoch != self.cache.epoch or int(version) < int(self._version or 0):
            raise _HistoryError(f"a watch from version {self._version} delivered {version}")
        if event.type == "DELETED":
            self.cache.remove(event.object)
        elif event.type != "BOOKMARK":
            self.cache.apply(event.object)
        self.cache.reach(int(version))
        self._version = version
        self._failures = 0
        self._heard_time, self._failed_time = asyncio.get_running_loop().time(), inf
        self._follow()
        if self._observer is not None:
            self._observer.received(self._resource, event)

    def _follow(self) -> None:
        """Note that the watch works."""
        self._is_refused, self.cache.is_followed = False, True

    def _note_refusal(self, error: Exception) -> bool:
        """Return whether a watch is refused that the process can do without; say so once."""
        if not self._is_optional or not isinstance(error, Forbidden):
            return False
        if not self._is_refused:
            words = "the API server refuses list or watch of %s; changes are noticed later until it allows both: %s"
            _LOGGER.warning(words, self._resource.title, error, extra={"reason": "WatchRefused"})
        self._is_refused, self.cache.is_followed = True, False
        return True

    async def _recover(self, error: Exception) -> None:
        if self._note_refusal(error):
            self._version = None
            self.synced.set()
            await asyncio.sleep(self._timing.refused_retry_seconds)
            return
        self._failures += 1
        if not isinstance(error, Unanswered | TooManyRequests):
            self._version = None
        self._report(error)
        await asyncio.sleep(self._delay(error, self._failures))

    def _report(self, error: Exception) -> None:
        self._failed_time = min(self._failed_time, asyncio.get_running_loop().time())
        if self._observer is not None:
            self._observer.failed(self._resource, error)
        level = logging.INFO if isinstance(error, Gone | Unanswered) else logging.WARNING
        unexpected = None if isinstance(error, KubeError) else error
        _LOGGER.log(level, "list or watch of %s failed: %s", self._resource.title, error, exc_info=unexpected)

    def _delay(self, error: Exception, failures: int) -> float:
        if isinstance(error, Gone | _HistoryError) and failures == 1:
            return 0.0
        timing = self._timing
        # 2.0**32 is above any bound; an unbounded exponent would overflow.
        full = min(timing.max_retry_seconds, timing.first_retry_seconds * 2.0 ** min(failures - 1, 32))
        told = error.retry_after if isinstance(error, ApiError) else None
        least = 0.0 if told is None else min(told, timing.max_told_seconds)
        return max(least, full * (1 - self._random.random() / 2))
