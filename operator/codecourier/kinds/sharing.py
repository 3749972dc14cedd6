"""What an object reads of others of its own kind, in whichever namespace, that have something in common with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.kinds.relation import Edge, Index, Relation, View
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Key
from codecourier.resources.meta import CustomResource

__all__ = ["sharing"]

R = TypeVar("R", bound=CustomResource)
T = TypeVar("T", bound=Hashable)


def sharing(
    name: str,
    source: Source[R],
    view: Callable[[Json], tuple[Hashable, T] | None],
    key_of_reader: Callable[[R], Hashable | None],
) -> Relation[R, tuple[T, ...]]:
    """Read what those have in common with the reader that share a key with it, of all namespaces; wakes these.

    Parameters
    ----------
    name
        What they share.
    source
        Their kind and the reader's.
    view
        Returns the key of an object and what others read of it; None: it takes no part, and costs nothing.
    key_of_reader
        The key of a reader, whether or not it takes part; None: it has none yet.
    """
    index = f"sharing {name}"

    def read(view_: View, obj: R) -> tuple[T, ...]:
        key = key_of_reader(obj)
        if key is None:
            return ()
        found = view_.store.cache(source.resource).by_index(index, key)
        return tuple(_views(view, (other for other in found if other["metadata"]["uid"] != obj.uid)))

    def readers(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        for key in {seen[0] for seen in map(safe, (old, new)) if seen is not None}:
            yield from store.cache(reader).keys_by_index(index, key)

    def safe(obj: Json | None) -> tuple[Hashable, T] | None:
        return None if obj is None else view(obj)

    def index_of(obj: Json) -> list[Hashable]:
        seen = view(obj)
        return [] if seen is None else [seen[0]]

    edge = Edge(source, readers, safe, (Index(index, index_of),))
    return Relation(read, lambda _origins: (edge,))


def _views(view: Callable[[Json], tuple[Hashable, T] | None], objects: Iterable[Json]) -> Iterator[T]:
    for obj in objects:
        seen = view(obj)
        if seen is not None:
            yield seen[1]
