"""The caches of all kinds, and their objects as models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar, cast

from codecourier.controller.kinds import CACHED
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Cache, ChangeCallback
from codecourier.resources.meta import CustomResource

__all__ = ["Store"]

T = TypeVar("T", bound=CustomResource)

_PARSED = 4096
"""Parsed models that are kept: what is worked on again and again is parsed once for each of its versions."""


class Store:
    """The operator's picture of the cluster."""

    def __init__(self) -> None:
        self._caches = {kind.resource: Cache(kind.resource, kind.indexes, kind.trim) for kind in CACHED}
        self._parsed: OrderedDict[str, tuple[str, CustomResource]] = OrderedDict()

    def cache(self, resource: Resource) -> Cache:
        """Return the cache of a kind."""
        return self._caches[resource]

    def subscribe(self, callback: ChangeCallback) -> None:
        """Call a function at once for every change of any kind."""
        for cache in self._caches.values():
            cache.subscribe(callback)

    def raw(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """Return an object as the API server gave it; it is shared and must not be changed."""
        return self._caches[resource].get(namespace, name)

    def get(self, resource: Resource, model: type[T], namespace: str, name: str) -> T | None:
        """Return an object as its model, or None."""
        obj = self.raw(resource, namespace, name)
        return None if obj is None else self.parse(model, obj)

    def by_index(self, resource: Resource, model: type[T], index: str, key: str) -> tuple[T, ...]:
        """Return the objects that an index has under a key, as their model."""
        return tuple(self.parse(model, obj) for obj in self._caches[resource].by_index(index, key))

    def names(self, resource: Resource, index: str, key: str) -> frozenset[str]:
        """Return the names of the objects that an index has under a key."""
        return _names(self._caches[resource].by_index(index, key))

    def parse(self, model: type[T], obj: Json) -> T:
        """Return an object as its model, parsed once for each version."""
        uid, version = obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
        known = self._parsed.get(uid)
        if known is not None and known[0] == version:
            self._parsed.move_to_end(uid)
            return cast("T", known[1])
        parsed = model.model_validate(obj)
        self._parsed[uid] = (version, parsed)
        if len(self._parsed) > _PARSED:
            self._parsed.popitem(last=False)
        return parsed

    def is_namespace_ending(self, name: str) -> bool:
        """Tell whether a namespace is going away."""
        namespace = self.raw(_NAMESPACES, None, name)
        return namespace is not None and namespace["metadata"].get("deletionTimestamp") is not None


_NAMESPACES = CACHED[0].resource


def _names(objects: Iterable[Json]) -> frozenset[str]:
    return frozenset(obj["metadata"]["name"] for obj in objects)
