"""How old answers may be: a watch that is dead without a sign looks the same as one of a kind in which nothing happens.

The cluster's API server sends a bookmark about once a minute. A kind of which nothing came for longer is listed; so is
one whose watch has failed, if the failure is not over soon. Only where the lists fail, too, may what is known be older
than the bounds, and then nothing is answered from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

from codecourier.kube.informer import Informer

__all__ = ["FAILING_SECONDS", "SILENT_SECONDS", "Freshness"]

SILENT_SECONDS = 90.0
"""How old what is known of a kind may be."""

FAILING_SECONDS = 30.0
"""How old it may be while lists or watches of the kind fail."""

_LIST_WHEN_SILENT_SECONDS = 75.0
"""Above the longest usual time between two bookmarks, so that a healthy watch needs no list."""

_LIST_WHEN_FAILING_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_KEPT_SECONDS = 1.0
"""How long it is known without another look that nothing is too old."""


class Freshness:
    """Judges how old the caches of informers may be, and lists kinds before they are too old.

    Parameters
    ----------
    informers
        The informers.
    """

    def __init__(self, informers: Sequence[Informer]) -> None:
        self._informers = informers
        self._listed: set[Informer] = set()
        self._fresh_until = -inf

    @property
    def stale(self) -> list[str]:
        """The kinds of which too long nothing was heard; not those that were never listed."""
        now = asyncio.get_running_loop().time()
        if now < self._fresh_until:
            return []
        known = [informer for informer in self._informers if informer.synced.is_set()]
        found = [one.cache.resource.kind for one in known if _is_over(one, SILENT_SECONDS, FAILING_SECONDS)]
        # Each request asks. A failure that is not known yet counts in `FAILING_SECONDS` at the earliest.
        left = min((_seconds_left(one) for one in known), default=0.0)
        self._fresh_until = -inf if found else now + min(left, _KEPT_SECONDS)
        return found

    @property
    def ages(self) -> dict[str, float]:
        """How many seconds ago each kind was last known to be up to date, without those that were never listed."""
        return {one.cache.resource.kind: one.silent_seconds for one in self._informers if one.synced.is_set()}

    async def run(self) -> None:
        """List kinds before they are too old, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for informer in self._informers:
                    if informer not in self._listed and self._is_due(informer):
                        self._listed.add(informer)
                        group.create_task(self._list(informer))
                await asyncio.sleep(_LOOK_SECONDS)

    @staticmethod
    def _is_due(informer: Informer) -> bool:
        # Before the first list its own loop is at it.
        is_over = _is_over(informer, _LIST_WHEN_SILENT_SECONDS, _LIST_WHEN_FAILING_SECONDS)
        return informer.synced.is_set() and is_over

    async def _list(self, informer: Informer) -> None:
        try:
            await informer.freshen()
        finally:
            self._listed.discard(informer)


def _seconds_left(informer: Informer) -> float:
    return min(SILENT_SECONDS - informer.silent_seconds, FAILING_SECONDS - informer.failing_seconds)


def _is_over(informer: Informer, silent_seconds: float, failing_seconds: float) -> bool:
    return informer.silent_seconds > silent_seconds or informer.failing_seconds > failing_seconds
