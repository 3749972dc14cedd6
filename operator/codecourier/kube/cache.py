"""The objects of one kind: the newest known version of each, never an older one over a newer one.

ResourceVersions are compared as integers: since 1.35 Kubernetes guarantees this within a kind, and every version that
CodeCourier supports does so. They grow, unless an administrator restores etcd from a backup: then history goes back,
and a version may name another state than before. A list proves that, because it reads what a quorum has stored:

- it began after a version was seen, and answers with a lower one;
- or it contains a version that the followed history contradicts, such as an object that was deleted before it began.

The cache then forgets all that it knew and takes the list as it is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from math import inf
from typing import NamedTuple

from codecourier.kube.api import Json, Resource
from codecourier.kube.held import Held, Key, Packs, key_of, version_of

__all__ = [
    "Cache",
    "ChangeCallback",
    "IndexFunction",
    "Key",
    "ListBegin",
    "Packs",
    "Taken",
    "Trim",
    "by_label",
    "key_of",
    "version_of",
]

IndexFunction = Callable[[Json], Iterable[Hashable]]
"""Returns the keys under which an index holds an object."""

Trim = Callable[[Json], None]
"""Removes from an object what the operator does not read."""

ChangeCallback = Callable[[Resource, Json | None, Json | None], None]
"""Called on a change with the object before (None: created) and after (None: gone)."""

_TOMBSTONES = 10_000
"""How many UIDs and names of deleted objects are remembered: far more than are deleted within the few seconds in which
a late answer to our own write, or an event from before the deletion, can arrive."""


class ListBegin(NamedTuple):
    """What a cache knew when a list began."""

    epoch: int
    """How often history had gone back."""

    version: int
    """The highest version that was seen."""

    burials: int
    """How many deletions were seen."""


class Taken(Enum):
    """What a cache did with a list."""

    MERGED = "merged"
    """For each object the newest version won."""

    REPLACED = "replaced"
    """History went back: the cache forgot everything and took the list as it is."""

    OUTDATED = "outdated"
    """The list began before history went back: the cache ignored it."""


class _Grave(NamedTuple):
    moment: float
    """Up to which version the object is known to be gone."""

    burial: int
    """The number of the deletion, from 1."""


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
    selector does when it matches again. So events, lists and answers to our own writes may arrive in any order. Only a
    list that proves that history went back overrules this.

    Objects handed out are shared: copy one before changing it.

    Parameters
    ----------
    resource
        The kind.
    indexes
        The function that returns an object's keys, by the name of the index.
    trim
        Applied to each object before it is kept; None: objects are kept whole.
    packs
        Which objects are kept as text; None: none.
    """

    def __init__(
        self,
        resource: Resource,
        indexes: Mapping[str, IndexFunction] | None = None,
        trim: Trim | None = None,
        packs: Packs | None = None,
    ) -> None:
        self.resource = resource
        self.is_followed = False
        """Whether changes come by a watch; it stays set while a watch is renewed."""

        self._trim = trim
        self._packs = packs
        self._functions = dict(indexes or {})
        self._namespaces: dict[str, dict[str, Held]] = {}
        self._indexes: dict[str, dict[Hashable, dict[Key, None]]] = {name: {} for name in self._functions}
        self._tombstones: OrderedDict[str, _Grave] = OrderedDict()
        self._burials = 0
        self._epoch = 0
        self._listed = 0
        self._reached = 0
        self._newest = 0
        self._callbacks: list[ChangeCallback] = []
        self._last: OrderedDict[Key, int] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Json]:
        for objects in list(self._namespaces.values()):
            for held in list(objects.values()):
                yield held.obj

    def subscribe(self, callback: ChangeCallback) -> None:
        """Call a function synchronously on every change from now on."""
        self._callbacks.append(callback)

    def get(self, namespace: str | None, name: str) -> Json | None:
        """Return an object, or None where none is known."""
        held = self._held((namespace or "", name))
        return held.obj if held is not None else None

    def left_version(self, namespace: str, name: str) -> int | None:
        """Return the last version of an object that has left the cache; None where none of that name is remembered."""
        return self._last.get((namespace, name))

    def list(self, namespace: str | None = None) -> Sequence[Json]:
        """Return the objects of a namespace; None: of all namespaces."""
        return list(self) if namespace is None else [held.obj for held in self._namespaces.get(namespace, {}).values()]

    def names(self, namespace: str) -> Collection[str]:
        """Return the names of the objects of a namespace; a change of one ends what this may be used for."""
        return self._namespaces.get(namespace, {}).keys()

    def namespaces(self) -> Sequence[str]:
        """Return the namespaces that have objects of the kind."""
        return list(self._namespaces)

    def has_index(self, index: str) -> bool:
        """Return whether there is an index of this name."""
        return index in self._functions

    def by_index(self, index: str, key: Hashable) -> Sequence[Json]:
        """Return the objects that an index has under a key, in the order in which they arrived."""
        return [self._namespaces[namespace][name].obj for namespace, name in self.keys_by_index(index, key)]

    def keys_by_index(self, index: str, key: Hashable) -> Sequence[Key]:
        """Return namespace and name of what `by_index` returns."""
        return list(self._indexes[index].get(key, ()))

    def has_key(self, index: str, key: Hashable) -> bool:
        """Return whether an index has any object under a key."""
        return key in self._indexes[index]

    def apply(self, obj: Json) -> bool:
        """Store an object as it was seen; the cache owns it from now on.

        Returns
        -------
        bool
            False where a newer version is known, or the object is known to be gone.
        """
        if self._held(key_of(obj)) is None and version_of(obj) <= self._listed:
            # The last list is newer and lacks it; no event will ever report its deletion.
            return False
        return self._take(obj)

    note_write = apply
    """Store the answer to our own write, so that the next plan sees it before the watch delivers it."""

    @property
    def epoch(self) -> int:
        """How often history went back: an event of a watch that began in an earlier epoch must not be applied."""
        return self._epoch

    @property
    def newest(self) -> int:
        """The highest version that was seen; a server that answers with less has lost history."""
        return self._newest

    def reach(self, version: int) -> None:
        """Note that the cache knows every change up to a version, as a watch delivers them in order."""
        self._reached = max(self._reached, version)
        self._newest = max(self._newest, version)

    def begin_list(self) -> ListBegin:
        """Return what `replace_all` needs to judge a list that begins now."""
        return ListBegin(self._epoch, self._newest, self._burials)

    def remove(self, obj: Json) -> bool:
        """Forget an object that was seen deleted.

        Returns
        -------
        bool
            False where it was not known, has come back since, or its name belongs to a recreated object.
        """
        version = version_of(obj)
        self._newest = max(self._newest, version)
        return self._forget(key_of(obj), obj["metadata"]["uid"], version)

    def note_delete(self, namespace: str | None, name: str, uid: str) -> bool:
        """Forget an object that our own deletion removed at once."""
        return self._forget((namespace or "", name), uid, inf)

    def replace_all(
        self,
        items: Iterable[Json],
        resource_version: str,
        begin: ListBegin | None = None,
        on_restored: Callable[[], None] = lambda: None,
    ) -> Taken:
        """Store a whole list: objects that it lacks and that are not newer are gone.

        Parameters
        ----------
        items
            All objects, owned by the cache from now on.
        resource_version
            The version of the list.
        begin
            What `begin_list` returned when the list began; None: the list is merged whatever it contains.
        on_restored
            Called once history is known to have gone back, before any change is reported.
        """
        moment, found = int(resource_version), items if isinstance(items, Sequence) else list(items)
        if begin is not None:
            if begin.epoch != self._epoch:
                return Taken.OUTDATED
            if moment < begin.version or self._is_contradicted(found, moment, begin):
                self._epoch += 1
                on_restored()
                self._start_again(found, moment)
                return Taken.REPLACED
        listed: dict[Key, str] = {}
        for obj in found:
            listed[key_of(obj)] = obj["metadata"]["uid"]
            if not self._take(obj):
                self._correct(obj)
        for key, held in self._all_held():
            # An earlier object of a listed name is gone too, even where the listed one is known to be gone since.
            if listed.get(key) != held.uid:
                self._forget(key, held.uid, moment)
        self._listed = moment
        self._newest = max(self._newest, moment)
        return Taken.MERGED

    def _correct(self, obj: Json) -> None:
        """Take another content of a known version, such as after a change of the kind's schema."""
        held = self._held(key_of(obj))
        if held is not None and held.version == version_of(obj):
            self._prepare(obj)
            if obj != (old := held.obj):
                self._set(key_of(obj), old, obj)

    def _is_contradicted(self, items: Sequence[Json], moment: int, begin: ListBegin) -> bool:
        if not self._newest and not self._burials:
            return False  # nothing was seen that could be contradicted: spare the parsing of a first list
        # A watch that is ahead of the list knows of changes that the list cannot have.
        reached = self._reached if moment >= self._reached else 0
        for obj in items:
            version, known = version_of(obj), self._held(key_of(obj))
            if known is not None:
                last = known.version
                # A version above the list's is an own write that happened after the list was read.
                if last <= moment and (version < last or last < version <= reached):
                    return True
                continue
            grave = self._tombstones.get(obj["metadata"]["uid"], _Grave(0, 0))
            if grave.burial <= begin.burials and (version <= grave.moment or version <= reached):
                return True
        return False

    def _start_again(self, items: Sequence[Json], moment: int) -> None:
        """Forget everything, then take a list as it is."""
        self._listed = self._reached = self._newest = moment
        listed = {key_of(obj) for obj in items}
        for lost in self:
            if key_of(lost) not in listed:
                self._set(key_of(lost), lost, None)
        self._tombstones.clear()
        self._last.clear()
        for obj in items:
            key = key_of(obj)
            old = self.get(*key)
            self._prepare(obj)
            if obj != old:
                self._set(key, old, obj)

    def _prepare(self, obj: Json) -> None:
        obj["metadata"].pop("managedFields", None)
        if self._trim is not None:
            self._trim(obj)

    def _take(self, obj: Json) -> bool:
        metadata = obj["metadata"]
        key, version = key_of(obj), version_of(obj)
        self._newest = max(self._newest, version)
        held = self._held(key)
        if version <= (held.version if held is not None else self._last.get(key, 0)):
            return False
        grave = self._tombstones.get(metadata["uid"])
        if grave is not None and version <= grave.moment:
            return False
        if held is not None and held.uid != metadata["uid"]:
            self._bury(held.uid, inf)
        self._prepare(obj)
        self._set(key, held.obj if held is not None else None, obj)
        return True

    def _forget(self, key: Key, uid: str, moment: float) -> bool:
        self._bury(uid, moment)
        held = self._held(key)
        if held is None or held.uid != uid or held.version > moment:
            return False
        self._set(key, held.obj, None)
        return True

    def _held(self, key: Key) -> Held | None:
        return self._namespaces.get(key[0], {}).get(key[1])

    def _all_held(self) -> Sequence[tuple[Key, Held]]:
        return [
            ((namespace, name), held) for namespace, found in self._namespaces.items() for name, held in found.items()
        ]

    def _bury(self, uid: str, moment: float) -> None:
        known = self._tombstones.get(uid)
        if known is not None and known.moment >= moment:
            return
        self._burials += 1
        self._tombstones[uid] = _Grave(moment, self._burials)
        if len(self._tombstones) > _TOMBSTONES:
            self._tombstones.popitem(last=False)

    def _set(self, key: Key, old: Json | None, new: Json | None) -> None:
        namespace, name = key
        if new is not None:
            held = Held(new, is_packed=self._packs is not None and self._packs(new))
            self._namespaces.setdefault(namespace, {})[name] = held
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
                    index.setdefault(value, {})[key] = None
