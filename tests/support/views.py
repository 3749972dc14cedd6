"""Worlds as the rows of kinds read them from caches."""

from __future__ import annotations

from typing import TypeVar

from codecourier.cache.store import Store
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.worlds import World
from codecourier.kinds.kind import Kind
from codecourier.kinds.registry import REGISTRY, Registry
from codecourier.kinds.relation import View
from codecourier.resources.meta import CustomResource

__all__ = ["PODS", "make_store", "view_of", "world_of"]

R = TypeVar("R", bound=CustomResource)
W = TypeVar("W", bound=World)

PODS = PodSettings("courier:1", has_ca=False)


def make_store(registry: Registry = REGISTRY) -> Store:
    """Return the empty caches of all kinds."""
    return Store(registry.cached)


def view_of(store: Store) -> View:
    """Return what relations read from, over these caches."""
    return View(store, REGISTRY.origins, PODS)


def world_of(store: Store, kind: Kind[R, W], obj: R) -> W:
    """Return the world of an object."""
    return kind.read(view_of(store), obj)
