"""Keeps a store up to date: one list-and-watch loop for each of its kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from random import Random
from typing import Any

from codecourier.cache.store import Store
from codecourier.kube.api import KubeApi
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
    """

    def __init__(self, api: KubeApi, store: Store, *, random: Random, observer: InformerObserver) -> None:
        self._informers = [
            Informer(
                api,
                store.cache(kind.source.resource),
                random=random,
                namespace=kind.source.namespace,
                label_selector=kind.source.label_selector,
                observer=observer,
            )
            for kind in store.kinds
        ]

    @property
    def unsynced(self) -> list[str]:
        """The kinds that were never listed."""
        return [informer.cache.resource.kind for informer in self._informers if not informer.synced.is_set()]

    def loops(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """Yield a name and the endless loop of each informer."""
        for informer in self._informers:
            yield f"the watch of {informer.cache.resource.plural}", informer.run()

    async def wait_synced(self) -> None:
        """Wait until every kind has been listed once."""
        for informer in self._informers:
            await informer.synced.wait()

    async def freshen(self) -> None:
        """Bring every cache up to date with the API server."""
        await asyncio.gather(*(informer.freshen() for informer in self._informers))
