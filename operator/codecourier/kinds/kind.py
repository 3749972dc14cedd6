"""What a kind is, in one row: its model, what its plan reads, what it may write, how it is counted and told apart."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from codecourier.cache.source import Source, custom
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.worlds import World
from codecourier.kinds.relations import OriginKind, Relation, View
from codecourier.kube.api import Json, Resource
from codecourier.resources.meta import CustomResource

__all__ = ["Kind", "Machine", "Planning", "Reader", "Strays", "UndeclaredReadError", "Use", "phases"]

R = TypeVar("R", bound=CustomResource)
W = TypeVar("W", bound=World)
S = TypeVar("S", bound=World)
T = TypeVar("T")

Verb = str
"""A verb of Kubernetes' authorization: `get`, `create`, `update`, `patch`, `delete`."""


class UndeclaredReadError(Exception):
    """A gather reads by a relation that its kind does not declare, so that nothing would wake its objects."""


@dataclass(frozen=True)
class Reader(Generic[R]):
    """Reads by the relations that a kind declares, and by no other, so that what is read and what wakes are one."""

    view: View
    relations: frozenset[Relation[Any, Any]]
    obj: R

    def __call__(self, relation: Relation[R, T]) -> T:
        """Return what an object reads by a relation.

        Raises
        ------
        UndeclaredReadError
            If the object's kind does not declare it.
        UnreadableError
            If the one object that it reads cannot be read by this version.
        """
        if relation not in self.relations:
            raise UndeclaredReadError(f"the row of {self.obj.kind} does not declare what its gather reads")
        return relation.read(self.view, self.obj)


@dataclass(frozen=True)
class Planning(Generic[R, W]):
    """How the objects of a kind are reconciled."""

    gather: Callable[[Reader[R], R], W]
    """Reads an object's world."""

    plan: Callable[[W, datetime], Plan]
    reads: tuple[Relation[R, Any], ...]
    """Every relation that `gather` reads by."""

    @cached_property
    def relations(self) -> frozenset[Relation[R, Any]]:
        """The same, to look one up."""
        return frozenset(self.reads)


@dataclass(frozen=True)
class Use:
    """Requests that plans of a kind lead to, beside those that follow from the row by themselves."""

    resource: Resource
    verbs: tuple[Verb, ...]
    subresource: str = ""


@dataclass(frozen=True)
class Machine:
    """A state machine in the status of a kind."""

    name: str
    states: Callable[[Json], Mapping[Hashable, str]]
    """Reads an object's states by what they belong to, such as the sprint's index; an absent one is ``initial``."""

    transitions: frozenset[tuple[str, str]]
    """Every transition that plans make, from and to."""

    initial: str = ""


def phases(kind: str, *transitions: tuple[str, str]) -> Machine:
    """Return the machine of `status.phase`, which begins as Pending."""
    return Machine(
        kind,
        lambda obj: {None: (obj.get("status") or {}).get("phase") or "Pending"},
        frozenset(transitions),
        "Pending",
    )


@dataclass(frozen=True)
class Strays(Generic[S]):
    """What may be left of an earlier object of a name, and how it is removed."""

    gather: Callable[[View, str, str, str | None], Iterable[S]]
    """Given namespace, name and the UID of the present object (None: there is none), yields what others left."""

    plan: Callable[[S, datetime], Plan]


@dataclass(frozen=True)
class Kind(Generic[R, W]):
    """One of our kinds. Everything that is known of it by name stands in its row, and is derived from there."""

    model: type[R]
    planning: Planning[R, W] | None = None
    """None for a kind whose objects are only recorded."""

    is_unfinished: Callable[[Json], bool] | None = None
    """Whether an object has something left to do; None: the kind knows no end."""

    machines: tuple[Machine, ...] = ()
    mark: str = ""
    """Field of the spec that says what an object was made for; empty where the operator makes none."""

    uses: tuple[Use, ...] = ()
    origin: OriginKind[R] | None = None
    strays: Strays[Any] | None = None
    has_kopf_events: bool = False
    """Whether Kopf's events wake its objects: for the few that people make."""

    @cached_property
    def source(self) -> Source[R]:
        """Where its objects are read from."""
        return custom(self.model)

    @property
    def resource(self) -> Resource:
        """How the API server serves it."""
        return self.source.resource

    @property
    def has_phases(self) -> bool:
        """Whether its objects are counted by `status.phase`."""
        return bool(self.machines)

    def read(self, view: View, obj: R) -> W:
        """Return an object's world.

        Raises
        ------
        UnreadableError
            If an object that it refers to cannot be read by this version.
        """
        planning = self._planning()
        return planning.gather(Reader(view, planning.relations, obj), obj)

    @property
    def plan(self) -> Callable[[W, datetime], Plan]:
        """The function that says what is to be done in a world."""
        return self._planning().plan

    def _planning(self) -> Planning[R, W]:
        if self.planning is None:
            raise TypeError(f"objects of kind {self.resource.kind} are only recorded: there is nothing to plan")
        return self.planning
