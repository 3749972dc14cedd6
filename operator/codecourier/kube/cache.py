"""The objects of one kind: the newest known version of each, never an older one over a newer one.

ResourceVersions are compared as integers: since 1.35 Kubernetes guarantees this within a kind, and every version that
CodeCourier supports does so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from math import inf

from codecourier.kube.api import Json, Resource

__all__ = [
    "Cache",
    "ChangeCallback",
    "IndexFunction",
    "Key",
    "Trim",
    "by_label",
    "key_of",
    "version_of",
]

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""

IndexFunction = Callable[[Json], Iterable[Hashable]]
"""Returns the keys under which an index holds an object."""

Trim = Callable[[Json], None]
"""Removes from an object what the operator does not read."""

ChangeCallback = Callable[[Resource, Json | None, Json | None], None]
"""Called on a change with the object before (None: created) and after (None: gone)."""

_TOMBSTONES = 10_000
"""How many UIDs and names of deleted objects are remembered: far more than are deleted within the few seconds in which
a late answer to our own write, or an event from before the deletion, can arrive."""


def key_of(obj: Json) -> Key:
    """Return namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def version_of(obj: Json) -> int:
    """Return the resourceVersion of an object as an integer."""
    return int(obj["metadata"]["resourceVersion"])


def by_label(label: str) -> IndexFunction:
    """Return a function that indexes objects by the value of a label."""

    def index(obj: Json) -> list[str]:
        value = (obj["metadata"].get("labels") or {}).get(label)
        return [value] if value else []

    return index


class Cache:
    """The objects of one kind, fed by an informer and by the answers to our own writes.

    Invariants: for each name the highest resourceVersion ever seen wins; an object that was gone at some
    resourceVersion comes back only with a newer one: a deleted object never gets one, an object that left a label
    selector does when it matches again. So events, lists and answers to our own writes may arrive in any order.

    Objects handed out are shared: copy one before changing it.

    Parameters
    ----------
    resource
        The kind.
    indexes
        The function that returns an object's keys, by the name of the index.
    trim
        Applied to each object before it is kept; None: objects are kept whole.
    """

    def __init__(
        self, resource: Resource, indexes: Mapping[str, IndexFunction] | None = None, trim: Trim | None = None
    ) -> None:
        self.resource = resource
        self._trim = trim
        self._functions = dict(indexes or {})
        self._namespaces: dict[str, dict[str, Json]] = {}
        self._indexes: dict[str, dict[Hashable, dict[Key, Json]]] = {name: {} for name in self._functions}
        self._tombstones: OrderedDict[str, float] = OrderedDict()
        self._listed = 0
        self._callbacks: list[ChangeCallback] = []
        self._last: OrderedDict[Key, int] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Json]:
        for objects in list(self._namespaces.values()):
            yield from list(objects.values())

    def subscribe(self, callback: ChangeCallback) -> None:
        """Call a function synchronously on every change from now on."""
        self._callbacks.append(callback)

    def get(self, namespace: str | None, name: str) -> Json | None:
        """Return an object, or None where none is known."""
        objects = self._namespaces.get(namespace or "")
        return objects.get(name) if objects else None

    def list(self, namespace: str | None = None) -> Sequence[Json]:
        """Return the objects of a namespace; None: of all namespaces."""
        return list(self) if namespace is None else list(self._namespaces.get(namespace, {}).values())

    def namespaces(self) -> Sequence[str]:
        """Return the namespaces that have objects of the kind."""
        return list(self._namespaces)

    def has_index(self, index: str) -> bool:
        """Return whether there is an index of this name."""
        return index in self._functions

    def by_index(self, index: str, key: Hashable) -> Sequence[Json]:
        """Return the objects that an index has under a key, in the order in which they arrived."""
        return list(self._indexes[index].get(key, {}).values())

    def apply(self, obj: Json) -> bool:
        """Store an object as it was seen; the cache owns it from now on.

        Returns
        -------
        bool
            False where a newer version is known, or the object is known to be gone.
        """
        if self.get(*key_of(obj)) is None and version_of(obj) <= self._listed:
            # The last list is newer and lacks it; no event will ever report its deletion.
            return False
        return self._take(obj)

    note_write = apply
    """Store the answer to our own write, so that the next plan sees it before the watch delivers it."""

    def remove(self, obj: Json) -> bool:
        """Forget an object that was seen deleted.

        Returns
        -------
        bool
            False where it was not known, has come back since, or its name belongs to a recreated object.
        """
        return self._forget(obj, version_of(obj))

    def note_delete(self, namespace: str | None, name: str, uid: str) -> bool:
        """Forget an object that our own deletion removed at once."""
        return self._forget({"metadata": {"namespace": namespace or "", "name": name, "uid": uid}}, inf)

    def replace_all(self, items: Iterable[Json], resource_version: str) -> None:
        """Store a whole list: objects that it lacks and that are not newer are gone.

        Parameters
        ----------
        items
            All objects, owned by the cache from now on.
        resource_version
            The version of the list.
        """
        moment = int(resource_version)
        listed: dict[Key, str] = {}
        for obj in items:
            listed[key_of(obj)] = obj["metadata"]["uid"]
            self._take(obj)
        for obj in self:
            # An earlier object of a listed name is gone too, even where the listed one is known to be gone since.
            if listed.get(key_of(obj)) != obj["metadata"]["uid"]:
                self._forget(obj, moment)
        self._listed = moment

    def _take(self, obj: Json) -> bool:
        metadata = obj["metadata"]
        metadata.pop("managedFields", None)
        key, version = key_of(obj), version_of(obj)
        old = self.get(*key)
        if version <= (version_of(old) if old is not None else self._last.get(key, 0)):
            return False
        if version <= self._tombstones.get(metadata["uid"], 0):
            return False
        if old is not None and old["metadata"]["uid"] != metadata["uid"]:
            self._bury(old["metadata"]["uid"], inf)
        if self._trim is not None:
            self._trim(obj)
        self._set(key, old, obj)
        return True

    def _forget(self, obj: Json, moment: float) -> bool:
        uid = obj["metadata"]["uid"]
        self._bury(uid, moment)
        key = key_of(obj)
        old = self.get(*key)
        if old is None or old["metadata"]["uid"] != uid or version_of(old) > moment:
            return False
        self._set(key, old, None)
        return True

    def _bury(self, uid: str, moment: float) -> None:
        self._tombstones[uid] = max(moment, self._tombstones.get(uid, 0))
        if len(self._tombstones) > _TOMBSTONES:
            self._tombstones.popitem(last=False)

    def _set(self, key: Key, old: Json | None, new: Json | None) -> None:
        namespace, name = key
        if new is not None:
            self._namespaces.setdefault(namespace, {})[name] = new
            self._count += old is None
        else:
            self._leave(key, old)
            objects = self._namespaces[namespace]
            del objects[name]
            self._count -= 1
            if not objects:
                del self._namespaces[namespace]
        self._reindex(key, old, new)
        for callback in self._callbacks:
            callback(self.resource, old, new)

    def _leave(self, key: Key, old: Json | None) -> None:
        # Events of an earlier object of this name may still arrive: our own writes can be ahead of the watch.
        if old is not None:
            self._last[key] = version_of(old)
            if len(self._last) > _TOMBSTONES:
                self._last.popitem(last=False)

    def _reindex(self, key: Key, old: Json | None, new: Json | None) -> None:
        for name, function in self._functions.items():
            index = self._indexes[name]
            before = set(function(old)) if old is not None else set()
            after = list(function(new)) if new is not None else []
            for value in before.difference(after):
                entries = index[value]
                del entries[key]
                if not entries:
                    del index[value]
            if new is not None:
                for value in after:
                    index.setdefault(value, {})[key] = new
