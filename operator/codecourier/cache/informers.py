"""Keeps a store up to date: one list-and-watch loop for each of its kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from math import inf
from random import Random
from typing import Any

from codecourier.cache.store import Store
from codecourier.kube.api import KubeApi, Resource, WatchEvent
from codecourier.kube.informer import Informer, InformerObserver

__all__ = ["Informers"]


class Informers:
    """The informers of a store.

    Parameters
    ----------
    api
        The API server.
    store
        The store to fill.
    random
        Source of the jitter.
    observer
        Receives lists, events and failures.
    on_restored
        Called when the API server has lost history of a kind, before its cache changes. It has lost that of other
        kinds, too: until the next `freshen` ends, the caches do not fit together.
    """

    def __init__(
        self,
        api: KubeApi,
        store: Store,
        *,
        random: Random,
        observer: InformerObserver,
        on_restored: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_restored = on_restored
        self._observer = observer
        self.each = tuple(
            Informer(
                api,
                store.cache(kind.source.resource),
                random=random,
                namespace=kind.source.namespace,
                label_selector=kind.source.label_selector,
                observer=self,
                is_optional=kind.source.is_optional,
            )
            for kind in store.kinds
        )
        """The informers, one for each kind."""

    @property
    def unsynced(self) -> list[str]:
        """The kinds that were never listed."""
        return [informer.cache.resource.kind for informer in self.each if not informer.synced.is_set()]

    def loops(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Yield a name and the endless loop of each informer."""
        for informer in self.each:
            yield f"the watch of {informer.cache.resource.title}", informer.run()

    async def wait_synced(self) -> None:
        """Wait until every kind has been listed once."""
        for informer in self.each:
            await informer.synced.wait()

    async def freshen(self, since: float = inf) -> None:
        """Bring every cache up to date with the API server; one whose list began at `since` or later is so already."""
        await asyncio.gather(*(informer.freshen(since) for informer in self.each))

    def listed(self, resource: Resource, count: int) -> None:
        """See `InformerObserver.listed`."""
        self._observer.listed(resource, count)

    def received(self, resource: Resource, event: WatchEvent) -> None:
        """See `InformerObserver.received`."""
        self._observer.received(resource, event)

    def failed(self, resource: Resource, error: Exception) -> None:
        """See `InformerObserver.failed`."""
        self._observer.failed(resource, error)

    def restored(self, resource: Resource) -> None:
        """See `InformerObserver.restored`."""
        self._on_restored()
        self._observer.restored(resource)
