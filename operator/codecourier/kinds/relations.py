"""What objects of one kind read of others, declared once: gathers read by it, and wakes are derived from it.

A relation belongs to the kind that reads. Each of its edges names a kind that is read and says which readers may plan
differently after a change of one of its objects. Objects are identified by our own immutable marks (fields of specs,
labels with UIDs), never by ownerReferences, which other clients may remove.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.origin import AbsentOrigin, Origin
from codecourier.kinds.relation import UNFINISHED, Edge, Edges, Index, Mark, OriginKind, Path, Relation, View
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Key, key_of
from codecourier.resources.meta import CustomResource

__all__ = [
    "Objects",
    "all_in_namespace",
    "everywhere",
    "in_project",
    "marked",
    "named",
    "named_by",
    "names_marked",
    "origin_of",
    "own_namespace",
    "through",
    "unnamed",
]

R = TypeVar("R", bound=CustomResource)
S = TypeVar("S", bound=CustomResource)
T = TypeVar("T")


def _constant(*edges: Edge) -> Edges:
    return lambda _origins: edges


def _namespace_of(obj: Json) -> str:
    return str(obj["metadata"].get("namespace") or "")


def _present(old: Json | None, new: Json | None) -> Iterator[Json]:
    # Marks are immutable, so the newer object suffices.
    obj = new if new is not None else old
    if obj is not None:
        yield obj


def _in_namespace(store: Store, reader: Resource, namespace: str, *, with_finished: bool) -> Iterator[Key]:
    """Yield the objects of a kind in a namespace; without `with_finished` only unfinished ones, where indexed."""
    cache_ = store.cache(reader)
    if not with_finished and cache_.has_index(UNFINISHED):
        yield from cache_.keys_by_index(UNFINISHED, namespace)
        return
    for name in tuple(cache_.names(namespace)):
        yield namespace, name


def own_namespace(
    namespaces: Source[Json], view: Callable[[Json | None], Hashable] | None = None
) -> Relation[Any, bool]:
    """Read whether the object's namespace is being deleted; wakes all objects in it.

    Parameters
    ----------
    namespaces
        The Namespaces.
    view
        What else the answers to asks depend on: a change of it wakes the namespace's unfinished objects.
    """

    def read(view: View, obj: CustomResource) -> bool:
        found = view.store.raw(namespaces.resource, None, obj.namespace)
        return _is_ending(found)

    def readers(store: Store, reader: Resource, _old: Json | None, new: Json | None) -> Iterator[Key]:
        if new is not None:
            yield from _in_namespace(store, reader, new["metadata"]["name"], with_finished=True)

    def unfinished(store: Store, reader: Resource, _old: Json | None, new: Json | None) -> Iterator[Key]:
        if new is not None:
            yield from _in_namespace(store, reader, new["metadata"]["name"], with_finished=False)

    further = () if view is None else (Edge(namespaces, unfinished, view),)
    return Relation(read, _constant(Edge(namespaces, readers, _is_ending), *further))


def _is_ending(namespace: Json | None) -> bool:
    return namespace is not None and namespace["metadata"].get("deletionTimestamp") is not None


def in_project(
    source: Source[T], name: str, *, view: Callable[[Json | None], Hashable] | None = None, extra: tuple[Edge, ...] = ()
) -> Relation[Any, T | None]:
    """Read the namespace's object of a fixed name; wakes the namespace's unfinished objects.

    Parameters
    ----------
    source
        The kind that is read.
    name
        The object's name.
    view
        What every reader reads of it; None: everything.
    extra
        Edges of what only some readers read of it.
    """

    def read(view_: View, obj: CustomResource) -> T | None:
        return view_.store.get(source, obj.namespace, name)

    def readers(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for found in _present(old, new):
            if found["metadata"]["name"] == name:
                yield from _in_namespace(store, reader, _namespace_of(found), with_finished=False)

    return Relation(read, _constant(Edge(source, readers, view), *extra))


def named(
    source: Source[T], name_of: Callable[[str], str], reader_of: Callable[[str], str], uid: Mark
) -> Relation[Any, T | None]:
    """Read the object that was created for the reader under a name derived from the reader's.

    Parameters
    ----------
    source
        The kind that is read.
    name_of
        From the reader's name to the object's.
    reader_of
        From the object's name to the reader's. A deleted reader's key is woken too, to clean up what it left.
    uid
        The object's mark with the reader's UID.
    """

    def read(view: View, obj: CustomResource) -> T | None:
        found = view.store.raw(source.resource, obj.namespace, name_of(obj.name))
        return view.store.read(source, found) if found is not None and uid(found) == obj.uid else None

    def readers(_store: Store, _reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for found in _present(old, new):
            yield _namespace_of(found), reader_of(found["metadata"]["name"])

    return Relation(read, _constant(Edge(source, readers)))


def everywhere(source: Source[Any], collect: Callable[[Iterable[Json]], T]) -> Relation[Any, T]:
    """Read all objects of a kind, wherever they are; wakes every unfinished reader.

    Parameters
    ----------
    source
        The kind that is read.
    collect
        Returns what is read of all its objects.
    """

    def read(view: View, _obj: CustomResource) -> T:
        return collect(view.store.cache(source.resource))

    def readers(store: Store, reader: Resource, _old: Json | None, _new: Json | None) -> Iterator[Key]:
        for namespace in store.cache(reader).namespaces():
            yield from _in_namespace(store, reader, namespace, with_finished=False)

    return Relation(read, _constant(Edge(source, readers)))


def origin_of() -> Relation[Any, Origin | None]:
    """Read the object that made a Run, of any kind; None where a person made it."""
    index, origin_uid = "marked by spec.origin.uid", Path("spec.origin.uid").of_json

    def read(view: View, obj: Any) -> Origin | None:
        origin = obj.spec.origin
        if origin is None:
            return None
        kind = view.origins[origin.kind]
        found = view.store.raw(kind.source.resource, obj.namespace, origin.name)
        if found is None or found["metadata"]["uid"] != origin.uid:
            return AbsentOrigin(origin.kind, origin.name, origin.uid, kind.reports_ends)
        return kind.as_origin(view.store.read(kind.source, found))

    def readers(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for found in _present(old, new):
            yield from store.cache(reader).keys_by_index(index, found["metadata"]["uid"])

    def index_of(obj: Json) -> list[Hashable]:
        uid = origin_uid(obj)
        return [uid] if uid else []

    def edges(origins: Mapping[str, OriginKind[Any]]) -> tuple[Edge, ...]:
        return tuple(Edge(kind.source, readers, indexes=(Index(index, index_of),)) for kind in origins.values())

    def refuse(origins: Mapping[str, OriginKind[Any]], obj: Any) -> str:
        origin = obj.spec.origin
        return "" if origin is None or origin.kind in origins else "spec.origin.kind: this version knows no such origin"

    return Relation(read, edges, refuse)


def named_by(
    path: str,
    source: Source[T],
    *,
    uid: str | None = None,
    is_reader: Callable[[Json], bool] = lambda _obj: True,
) -> Relation[Any, T | None]:
    """Read the object of the namespace that a field names.

    Parameters
    ----------
    path
        The field with its name.
    source
        The kind that is read.
    uid
        The field with its UID: a recreated object is not read. None: the name alone counts.
    is_reader
        Whether an object, as the API server returned it, may still plan differently; others are not woken.
    """
    name, expected = Path(path), Path(uid) if uid is not None else None
    index = f"named by {path}"

    def read(view: View, obj: CustomResource) -> T | None:
        found = view.store.raw(source.resource, obj.namespace, name.of_model(obj) or "")
        if found is None or (expected is not None and found["metadata"]["uid"] != expected.of_model(obj)):
            return None
        return view.store.read(source, found)

    def readers(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for found in _present(old, new):
            key = _namespace_of(found), found["metadata"]["name"]
            yield from store.cache(reader).keys_by_index(index, key)

    def index_of(obj: Json) -> list[Hashable]:
        value = name.of_json(obj)
        return [(_namespace_of(obj), value)] if value and is_reader(obj) else []

    return Relation(read, _constant(Edge(source, readers, indexes=(Index(index, index_of),))))


def _mark_edge(source: Source[Any], uid: Mark, name: Mark, kind: Mark | None, index: str) -> Edge:
    def readers(_store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for obj in _present(old, new):
            owner = name(obj)
            if owner and (kind is None or kind(obj) == reader.kind):
                yield _namespace_of(obj), owner

    def index_of(obj: Json) -> list[Hashable]:
        value = uid(obj)
        return [value] if value else []

    return Edge(source, readers, indexes=(Index(index, index_of, source.resource),))


def marked(
    uid: str,
    name: str,
    source: Source[T],
    *,
    kind: str | None = None,
    awaited: Callable[[Any], Collection[str]] = lambda _reader: (),
) -> Relation[Any, tuple[T, ...]]:
    """Read the objects whose spec says that they were created for the reader.

    Unreadable ones are left out, but for those that the reader waits for: it must not take one for absent.

    Parameters
    ----------
    uid
        Their field with the reader's UID.
    name
        Their field with the reader's name.
    source
        Their kind.
    kind
        Their field with the reader's kind; None: all readers are of one kind.
    awaited
        Returns the names of those that the reader's ledger waits for.
    """
    index = f"marked by {uid}"
    kind_mark = Path(kind).of_json if kind is not None else None

    def read(view: View, obj: CustomResource) -> tuple[T, ...]:
        names = awaited(obj)
        for namespace, found in view.store.cache(source.resource).keys_by_index(index, obj.uid):
            if found in names:
                view.store.get(source, namespace, found)
        return view.store.by_index(source, index, obj.uid)

    return Relation(read, _constant(_mark_edge(source, Path(uid).of_json, Path(name).of_json, kind_mark, index)))


def names_marked(uid: str, name: str, source: Source[Any], *, kind: str | None = None) -> Relation[Any, frozenset[str]]:
    """Read only the names of what `marked` would read."""
    index = f"marked by {uid}"
    whole = marked(uid, name, source, kind=kind)

    def read(view: View, obj: CustomResource) -> frozenset[str]:
        return view.store.names(source.resource, index, obj.uid)

    return Relation(read, whole.edges)


@dataclass(frozen=True)
class Objects(Mapping[str, T]):
    """The objects of a kind in a namespace, by name; those that cannot be read are left out where they are read."""

    store: Store
    source: Source[T]
    namespace: str

    def __getitem__(self, name: str) -> T:
        found = self.store.raw(self.source.resource, self.namespace, name)
        if found is None or not self.store.is_readable(self.source, self.namespace, name):
            raise KeyError(name)
        return self.store.read(self.source, found)

    def __iter__(self) -> Iterator[str]:
        for name in self.store.cache(self.source.resource).names(self.namespace):
            if self.store.is_readable(self.source, self.namespace, name):
                yield name

    def __len__(self) -> int:
        """Return how many there are, also those that cannot be read."""
        return len(self.store.cache(self.source.resource).names(self.namespace))


def all_in_namespace(source: Source[T], reader_name: str) -> Relation[Any, Mapping[str, T]]:
    """Read any objects of a kind in the namespace; wakes the one reader of the namespace.

    Parameters
    ----------
    source
        The kind that is read.
    reader_name
        Name of the namespace's one reader.
    """

    def read(view_: View, obj: CustomResource) -> Mapping[str, T]:
        return Objects(view_.store, source, obj.namespace)

    def readers(_store: Store, _reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for found in _present(old, new):
            yield _namespace_of(found), reader_name

    return Relation(read, _constant(Edge(source, readers)))


def unnamed(
    source: Source[T], naming: Relation[Any, Any], namers: Source[Any], reader_name: str
) -> Relation[Any, tuple[T, ...]]:
    """Read the objects of a kind in the namespace that no object of another kind names.

    It wakes the one reader of the namespace. The reader has to be woken by itself when one of the others stops to name
    an object. Unreadable objects are left out.

    Parameters
    ----------
    source
        The kind that is read.
    naming
        The relation of `named_by` by which the others read it.
    namers
        The kind of these others.
    reader_name
        Name of the namespace's one reader.
    """
    ((index,),) = (edge.indexes for edge in naming.edges({}))

    def read(view: View, obj: CustomResource) -> tuple[T, ...]:
        known = view.store.cache(namers.resource)
        found = view.store.cache(source.resource).list(obj.namespace)
        return view.store.readable(source, (item for item in found if not known.has_key(index.name, key_of(item))))

    def readers(_store: Store, _reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for found in _present(old, new):
            yield _namespace_of(found), reader_name

    return Relation(read, _constant(Edge(source, readers, indexes=(replace(index, resource=namers.resource),))))


def through(first: Relation[R, S | None], middle: Source[S], second: Relation[S, T]) -> Relation[R, T | None]:
    """Read what another object reads, such as the origin of a Sandbox's Run.

    Parameters
    ----------
    first
        How the object between is read.
    middle
        Its kind.
    second
        What is read of it.
    """

    def read(view: View, obj: R) -> T | None:
        between = first.read(view, obj)
        return None if between is None else second.read(view, between)

    def edges(origins: Mapping[str, OriginKind[Any]]) -> tuple[Edge, ...]:
        inner = first.edges(origins)
        return (*inner, *(_beyond(edge, inner, middle) for edge in second.edges(origins)))

    return Relation(read, edges)


def _beyond(edge: Edge, inner: tuple[Edge, ...], middle: Source[Any]) -> Edge:
    """Return the edge that wakes the readers of an object that itself reads by `edge`."""

    def readers(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for namespace, name in edge.readers(store, middle.resource, old, new):
            between = store.raw(middle.resource, namespace, name)
            for first in inner:
                if between is not None and first.source.resource == middle.resource:
                    yield from first.readers(store, reader, between, between)

    indexes = tuple(replace(index, resource=index.resource or middle.resource) for index in edge.indexes)
    return replace(edge, readers=readers, indexes=indexes)
