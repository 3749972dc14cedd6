"""The Secrets and ConfigMaps that pods name: read when needed, and whoever uses one is told when it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from codecourier.local.processnode.api import Api, ApiError
from codecourier.local.processnode.environment import References
from codecourier.local.processnode.objects import Json, key_of

__all__ = ["KINDS", "Lookups", "Reference"]

KINDS = ("secrets", "configmaps")

Reference = tuple[str, str, str]
"""Kind, namespace and name."""

_NOT_FOUND = 404


class Lookups:
    """Reads objects for pods.

    Parameters
    ----------
    api
        The API server.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._subscribers: dict[Reference, set[Callable[[], None]]] = defaultdict(set)

    async def get(self, namespace: str, wanted: Iterable[tuple[str, str]]) -> References:
        """Read objects of a namespace by kind and name, fresh from the API server.

        Raises
        ------
        ApiError
            When the server refuses for another reason than that there is none.
        aiohttp.ClientError, TimeoutError, OSError
            When there is no answer.
        """
        found: dict[tuple[str, str], Json | None] = {}
        for kind, name in wanted:
            try:
                found[kind, name] = await self._api.request("GET", f"/api/v1/namespaces/{namespace}/{kind}/{name}")
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise
                found[kind, name] = None
        return References(found)

    def subscribe(self, references: Iterable[Reference], callback: Callable[[], None]) -> None:
        """Call back whenever one of the objects was made, changed or deleted."""
        for reference in references:
            self._subscribers[reference].add(callback)

    def unsubscribe(self, callback: Callable[[], None]) -> None:
        """Call back no more."""
        for reference in [key for key, callbacks in self._subscribers.items() if callback in callbacks]:
            self._subscribers[reference].discard(callback)
            if not self._subscribers[reference]:
                del self._subscribers[reference]

    def listener(self, kind: str) -> _KindListener:
        """Return the listener for a reflector of this kind."""
        return _KindListener(kind, self._subscribers)


class _KindListener:
    def __init__(self, kind: str, subscribers: dict[Reference, set[Callable[[], None]]]) -> None:
        self._kind = kind
        self._subscribers = subscribers

    def replace(self, items: list[Json]) -> None:
        # What vanished or changed in between is not told apart: everybody looks again.
        del items
        for reference in [key for key in self._subscribers if key[0] == self._kind]:
            self._tell(reference)

    def apply(self, kind: str, item: Json) -> None:
        del kind
        self._tell((self._kind, *key_of(item)))

    def _tell(self, reference: Reference) -> None:
        for callback in tuple(self._subscribers.get(reference, ())):
            callback()
