"""Where the objects of a kind come from: which are listed and watched, what is kept, how they are parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from codecourier.cache.ordered import MakeFollower
from codecourier.kube.api import Json, Resource, custom_resource
from codecourier.kube.cache import IndexFunction, Packs, Trim
from codecourier.resources.meta import CustomResource

__all__ = ["CachedKind", "Source", "custom", "raw"]

T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R", bound=CustomResource)


@dataclass(frozen=True)
class Source(Generic[T_co]):
    """A kind whose objects are read from a cache."""

    resource: Resource
    parse: Callable[[Json], T_co]
    """Parses an object as the API server returned it. Its argument is shared and stays unchanged."""

    label_selector: str | None = None
    """Which objects are cached; None: all."""

    namespace: str | None = None
    """Namespace whose objects are cached; None: all namespaces."""

    trim: Trim | None = None
    """Removes from each object what the operator does not read; None: whole objects are kept."""

    is_settled: Packs | None = None
    """Whether an object has nothing left to do, so that it is seldom read; None: the row of its kind says it."""

    is_optional: bool = False
    """Whether plans can do without the watch, where the API server refuses it."""


@dataclass(frozen=True)
class CachedKind:
    """A source with the indexes that its readers need."""

    source: Source[Any]
    indexes: Mapping[str, IndexFunction] = field(default_factory=dict)
    refuse: Callable[[Any], str] = lambda _model: ""
    """Returns why a parsed model cannot be read all the same; else empty."""

    is_settled: Packs = lambda _obj: False
    """Whether an object, as the API server returned it, has nothing left to do, so that it is seldom read."""

    followers: Mapping[str, MakeFollower] = field(default_factory=dict)
    """What else is kept up to date with the objects, by name."""


def custom(model: type[R], trim: Trim | None = None) -> Source[R]:
    """Return the source of one of our own kinds."""
    return Source(custom_resource(model.info), model.model_validate, trim=trim)


def raw(
    resource: Resource, label_selector: str | None = None, namespace: str | None = None, trim: Trim | None = None
) -> Source[Json]:
    """Return the source of a kind whose objects stay plain JSON."""
    return Source(resource, _as_it_is, label_selector, namespace, trim)


def _as_it_is(obj: Json) -> Json:
    return obj
