"""Waiting for many objects at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from codecourier.kube.api import Json, KubeApi, Resource
from codecourier.kube.cache import Cache, Key, key_of
from codecourier.kube.informer import Informer

__all__ = ["Watched", "watched"]


class Watched:
    """The objects of a kind in a namespace, and how many of them meet a condition.

    Parameters
    ----------
    cache
        Where an informer keeps them.
    is_met
        The condition.
    """

    def __init__(self, cache: Cache, is_met: Callable[[Json], bool]) -> None:
        self.cache = cache
        self._is_met = is_met
        self._met: dict[Key, float] = {}
        self._changed = asyncio.Event()
        cache.subscribe(self._take)

    @property
    def times(self) -> list[float]:
        """When each object that meets the condition first met it, earliest first, by the monotonic clock."""
        return sorted(self._met.values())

    @property
    def first_times(self) -> dict[Key, float]:
        """The same by namespace and name."""
        return dict(self._met)

    async def wait_for(self, count: int, seconds: float) -> None:
        """Wait until so many objects meet the condition.

        Raises
        ------
        TimeoutError
            If that takes longer than `seconds`; the message has the number that do.
        """
        try:
            async with asyncio.timeout(seconds):
                while len(self._met) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            plural = self.cache.resource.plural
            raise TimeoutError(
                f"only {len(self._met)} of {count} {plural} came to their state in {seconds} s"
            ) from error

    def _take(self, _resource: Resource, old: Json | None, new: Json | None) -> None:
        if new is not None and self._is_met(new):
            self._met.setdefault(key_of(new), time.monotonic())
            self._changed.set()
        elif (gone := new or old) is not None:
            self._met.pop(key_of(gone), None)


@asynccontextmanager
async def watched(
    api: KubeApi, resource: Resource, namespace: str, is_met: Callable[[Json], bool]
) -> AsyncIterator[Watched]:
    """Watch the objects of a kind in a namespace while the context lasts."""
    cache = Cache(resource)
    objects = Watched(cache, is_met)
    informer = Informer(api, cache, random=Random(), namespace=namespace)
    task = asyncio.create_task(informer.run())
    try:
        await informer.synced.wait()
        yield objects
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
