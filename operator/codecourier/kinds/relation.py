"""What a relation is: how an object of one kind reads others, and which readers a change of those concerns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, TypeVar

from codecourier.cache.ordered import MakeFollower
from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.origin import Origin
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import IndexFunction, Key
from codecourier.resources.meta import CustomResource

__all__ = [
    "UNFINISHED",
    "Edge",
    "Edges",
    "Index",
    "Mark",
    "OriginKind",
    "Path",
    "Readers",
    "Relation",
    "View",
    "label_of",
    "label_or_owner_of",
]

R = TypeVar("R", bound=CustomResource)
S = TypeVar("S", bound=CustomResource)
T = TypeVar("T")

UNFINISHED = "unfinished"
"""Index, by namespace, of objects that have something left to do, so that thousands of finished ones cost nothing."""


@dataclass(frozen=True)
class OriginKind(Generic[S]):
    """How Runs see a kind that makes them."""

    source: Source[S]
    """Where its objects are read from."""

    as_origin: Callable[[S], Origin]
    """Returns one of its objects as a Run sees it."""

    reports_ends: bool
    """Whether its objects notify people of the ends of their Runs, so that the Runs do not."""


@dataclass(frozen=True)
class View:
    """What relations read from."""

    store: Store
    origins: Mapping[str, OriginKind[Any]]
    """Kinds that make Runs, by name."""

    pods: PodSettings
    """The operator's settings for sandbox pods."""


Readers = Callable[[Store, Resource, Json | None, Json | None], Iterable[Key]]
"""Returns the readers of a kind that a change concerns, from the old and the new object (None: absent)."""


@dataclass(frozen=True)
class Index:
    """An index that a relation needs."""

    name: str
    function: IndexFunction
    resource: Resource | None = None
    """Kind whose objects it holds; None: the readers'."""


@dataclass(frozen=True)
class Edge:
    """A kind that is read, and which readers a change of one of its objects concerns."""

    source: Source[Any]
    readers: Readers
    view: Callable[[Json | None], Hashable] | None = None
    """Returns what readers read of an object: a change that leaves it equal wakes none. None: every change wakes."""

    indexes: tuple[Index, ...] = ()
    """Indexes for reading and waking."""

    followers: Mapping[str, MakeFollower] = field(default_factory=dict)
    """What is kept up to date with the objects that are read, by name."""

    def concerns(self, store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        """Yield namespace and name of each reader that a change concerns."""
        if self.view is None or self.view(old) != self.view(new):
            yield from self.readers(store, reader, old, new)


Edges = Callable[[Mapping[str, OriginKind[Any]]], tuple[Edge, ...]]


@dataclass(frozen=True, eq=False)
class Relation(Generic[R, T]):
    """What an object of one kind reads of others."""

    read: Callable[[View, R], T]
    edges: Edges
    """Returns every edge of the relation, given the kinds that make Runs."""

    refuse: Callable[[Mapping[str, OriginKind[Any]], R], str] = lambda _origins, _obj: ""
    """Returns why this version cannot read an object, such as one that names an unknown kind; else empty."""


@dataclass(frozen=True)
class Path:
    """A field of an object, as its manifest spells it: `spec.workflowRef.name`."""

    text: str

    def of_json(self, obj: Json) -> Any:
        """Return the field of an object as the API server returned it, None where it is absent."""
        found: Any = obj
        for part in self.text.split("."):
            if not isinstance(found, dict):
                return None
            found = found.get(part)
        return found

    def of_model(self, model: CustomResource) -> Any:
        """Return the field of a model, None where it or a part above it is absent."""
        found: Any = model
        for part in _attributes(self.text):
            if found is None:
                return None
            found = getattr(found, part)
        return found


@cache
def _attributes(text: str) -> tuple[str, ...]:
    return tuple("".join(f"_{c.lower()}" if c.isupper() else c for c in part) for part in text.split("."))


Mark = Callable[[Json], str | None]
"""Returns what an object, as the API server returned it, was created for."""


def label_of(label: str) -> Mark:
    """Return the mark that is the value of a label."""

    def mark(obj: Json) -> str | None:
        value = (obj["metadata"].get("labels") or {}).get(label)
        return str(value) if value else None

    return mark


def label_or_owner_of(label: str, kind: str) -> Mark:
    """Return the mark that is the value of a label, and where users have removed it, the UID of the owner of a kind.

    An orphaning deletion removes ownerReferences, and `kubectl label` removes labels: one of the two is left.
    """
    labelled = label_of(label)

    def mark(obj: Json) -> str | None:
        owners = (owner["uid"] for owner in obj["metadata"].get("ownerReferences") or () if owner["kind"] == kind)
        return labelled(obj) or next(owners, None)

    return mark
