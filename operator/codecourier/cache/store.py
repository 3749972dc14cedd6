"""The caches of the given kinds, and their objects as models."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from pydantic import ValidationError

from codecourier.cache.source import CachedKind, Source
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Cache, ChangeCallback, version_of

__all__ = ["Store", "UnreadableError"]

T = TypeVar("T")

_SETTLED = 256
"""How many parsed models of settled objects are kept. The models of the others stay as long as the objects do."""

_DETAIL_LENGTH = 300


class UnreadableError(Exception):
    """An object that this version of CodeCourier cannot read, such as one with a value from a newer version.

    Parameters
    ----------
    resource
        Kind of the object.
    namespace
        Its namespace.
    name
        Its name.
    detail
        Which field, and what is wrong with it; contains no value of the object.
    """

    def __init__(self, resource: Resource, namespace: str, name: str, detail: str) -> None:
        super().__init__(f"this version cannot read {resource.kind} {namespace}/{name}: {detail}")
        self.resource = resource
        self.namespace = namespace
        self.name = name
        self.detail = detail


@dataclass(frozen=True, slots=True)
class _Parsed:
    version: str
    model: Any
    """None for an object that cannot be read."""

    detail: str = ""


class Store:
    """The known state of the cluster, fed by informers and by the answers to our own writes.

    Parameters
    ----------
    kinds
        The kinds to cache, each once.
    """

    def __init__(self, kinds: Iterable[CachedKind]) -> None:
        self.kinds: Sequence[CachedKind] = tuple(kinds)
        self._caches: Mapping[Resource, Cache] = {
            kind.source.resource: Cache(kind.source.resource, kind.indexes, kind.source.trim, kind.is_settled)
            for kind in self.kinds
        }
        self._is_settled = {kind.source.resource: kind.is_settled for kind in self.kinds}
        self._refuse = {kind.source.resource: kind.refuse for kind in self.kinds}
        self._parsed: dict[str, _Parsed] = {}
        self._settled: OrderedDict[str, _Parsed] = OrderedDict()
        self._unreadable: dict[str, Resource] = {}
        self._followers = {
            kind.source.resource: {name: make() for name, make in kind.followers.items()} for kind in self.kinds
        }
        self.subscribe(self._changed)

    def cache(self, resource: Resource) -> Cache:
        """Return the cache of a kind."""
        return self._caches[resource]

    def follower(self, resource: Resource, name: str) -> Any:
        """Return the follower of a kind that has this name."""
        return self._followers[resource][name]

    def subscribe(self, callback: ChangeCallback) -> None:
        """Call a function synchronously on every change of any kind."""
        for cache in self._caches.values():
            cache.subscribe(callback)

    def raw(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """Return an object as the API server returned it; it is shared and must not be changed."""
        return self._caches[resource].get(namespace, name)

    def get(self, source: Source[T], namespace: str | None, name: str) -> T | None:
        """Return an object, None where there is none.

        Raises
        ------
        UnreadableError
            If the object exists but cannot be read: the caller must not take it for absent.
        """
        obj = self.raw(source.resource, namespace, name)
        return None if obj is None else self.read(source, obj)

    def is_at_rest(self, resource: Resource, obj: Json | None) -> bool:
        """Return whether an object has nothing left to do, and is not being deleted."""
        return obj is not None and "deletionTimestamp" not in obj["metadata"] and self._is_settled[resource](obj)

    def by_index(self, source: Source[T], index: str, key: object) -> tuple[T, ...]:
        """Return the objects that an index has under a key; those that cannot be read are left out."""
        return self.readable(source, self._caches[source.resource].by_index(index, key))

    def readable(self, source: Source[T], objects: Iterable[Json]) -> tuple[T, ...]:
        """Return objects as models; those that cannot be read are left out."""
        parsed = (self._parse(source, obj) for obj in objects)
        return tuple(cast("T", found.model) for found in parsed if not found.detail)

    def is_readable(self, source: Source[Any], namespace: str, name: str) -> bool:
        """Tell whether an object exists and can be read."""
        obj = self.raw(source.resource, namespace, name)
        return obj is not None and not self._parse(source, obj).detail

    def names(self, resource: Resource, index: str, key: object) -> frozenset[str]:
        """Return the names of the objects that an index has under a key."""
        return frozenset(name for _, name in self._caches[resource].keys_by_index(index, key))

    def read(self, source: Source[T], obj: Json) -> T:
        """Return an object as its model, parsed once for each version.

        Raises
        ------
        UnreadableError
            If it cannot be read.
        """
        parsed = self._parse(source, obj)
        if parsed.detail:
            metadata = obj["metadata"]
            raise UnreadableError(source.resource, metadata.get("namespace", ""), metadata["name"], parsed.detail)
        return cast("T", parsed.model)

    @property
    def unreadable(self) -> Mapping[str, float]:
        """How many known objects of each kind cannot be read."""
        return dict(Counter(resource.kind for resource in self._unreadable.values()))

    def _parse(self, source: Source[Any], obj: Json) -> _Parsed:
        uid, version = obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
        known = self._parsed.get(uid) or self._settled.get(uid)
        if known is None or known.version != version:
            known = _parse(source, obj, self._refuse[source.resource])
            self._note_readable(source.resource, uid, known)
        self._keep(source.resource, obj, known)
        return known

    def _keep(self, resource: Resource, obj: Json, parsed: _Parsed) -> None:
        uid = obj["metadata"]["uid"]
        if not self._is_settled[resource](obj):
            self._parsed[uid] = parsed
            return
        self._parsed.pop(uid, None)
        self._settled[uid] = parsed
        self._settled.move_to_end(uid)
        if len(self._settled) > _SETTLED:
            self._settled.popitem(last=False)

    def _note_readable(self, resource: Resource, uid: str, parsed: _Parsed) -> None:
        if parsed.detail:
            self._unreadable[uid] = resource
        else:
            self._unreadable.pop(uid, None)

    def _changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        for follower in self._followers[resource].values():
            follower.changed(old, new)
        uid = old["metadata"]["uid"] if old is not None else None
        # An object made again under the name takes the place of the old one, whose deletion is then never seen.
        # And where history went back, a version that was parsed may come again with another content.
        if uid is not None and (new is None or new["metadata"]["uid"] != uid or not _is_newer(new, old)):
            self._forget_model(uid)
            self._unreadable.pop(uid, None)
        elif uid is not None and new is not None and self._is_settled[resource](new):
            self._forget_model(uid)

    def _forget_model(self, uid: str) -> None:
        self._parsed.pop(uid, None)
        self._settled.pop(uid, None)


def _is_newer(new: Json, old: Json | None) -> bool:
    return old is None or version_of(new) > version_of(old)


def _parse(source: Source[Any], obj: Json, refuse: Callable[[Any], str]) -> _Parsed:
    version = obj["metadata"]["resourceVersion"]
    try:
        model = source.parse(obj)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return _Parsed(version, None, f"{where}: {first['msg']}"[:_DETAIL_LENGTH])
    return _Parsed(version, model, refuse(model))
