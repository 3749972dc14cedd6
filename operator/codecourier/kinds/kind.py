"""A kind in one row: its model, what its plan reads and may write, how its objects are counted and identified."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from codecourier.cache.source import Source, custom
from codecourier.cache.store import UnreadableError
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.worlds import World
from codecourier.kinds.relation import OriginKind, Relation, View
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Trim
from codecourier.resources.meta import CustomResource

__all__ = ["Kind", "Machine", "Planning", "Reader", "Strays", "Tally", "UndeclaredReadError", "Use", "phases"]

R = TypeVar("R", bound=CustomResource)
W = TypeVar("W", bound=World)
S = TypeVar("S", bound=World)
T = TypeVar("T")

Verb = str
"""A verb of Kubernetes' authorization: `get`, `create`, `update`, `patch`, `delete`."""


class UndeclaredReadError(Exception):
    """A gather reads by a relation that its kind does not declare, so no change would wake its objects."""


@dataclass(frozen=True)
class Reader(Generic[R]):
    """Reads only by the relations that a kind declares, so that every object that is read also wakes."""

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
            If this version cannot read the object.
        """
        if relation not in self.relations:
            raise UndeclaredReadError(f"the row of {self.obj.kind} does not declare what its gather reads")
        return relation.read(self.view, self.obj)

    def unless_unreadable(self, relation: Relation[R, T | None]) -> T | None:
        """Return what an object reads by a relation, None also where this version cannot read it.

        Only for a plan that does the same without it, such as that of a stop.
        """
        try:
            return self(relation)
        except UnreadableError:
            return None


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
        """`reads` as a set."""
        return frozenset(self.reads)


@dataclass(frozen=True)
class Use:
    """Requests that plans of a kind make, beside those derived from the rest of the row."""

    resource: Resource
    verbs: tuple[Verb, ...]
    subresource: str = ""
    names: tuple[str, ...] = ()
    """The only objects that it is for; empty: all."""


@dataclass(frozen=True)
class Machine:
    """A state machine in the status of a kind."""

    name: str
    states: Callable[[Json], Mapping[Hashable, str]]
    """Returns an object's states by what they belong to, such as the sprint's index; an absent one is ``initial``."""

    transitions: frozenset[tuple[str, str]]
    """Every transition that plans make, from and to."""

    initial: str = ""


@dataclass(frozen=True)
class Tally:
    """Numbers in the status of a kind that only grow, which a metric adds up."""

    metric: str
    """Name of the metric, without the prefix `codecourier_` and the ending `_total`."""

    label: str
    """Name of its label."""

    about: str
    """What it counts, as a sentence without its full stop."""

    read: Callable[[Json], Mapping[str, int]]
    """Returns an object's numbers by value of the label."""


def phases(kind: str, *transitions: tuple[str, str]) -> Machine:
    """Return the machine of `status.phase`, which starts as Pending."""
    return Machine(
        kind,
        lambda obj: {None: (obj.get("status") or {}).get("phase") or "Pending"},
        frozenset(transitions),
        "Pending",
    )


@dataclass(frozen=True)
class Strays(Generic[S]):
    """What an earlier object of the same name may have left, and how to remove it."""

    gather: Callable[[View, str, str, str | None], Iterable[S]]
    """Given namespace, name and the UID of the present object (None: there is none), yields what earlier ones left."""

    plan: Callable[[S, datetime], Plan]


@dataclass(frozen=True)
class Kind(Generic[R, W]):
    """One of our kinds: the operator derives all that it knows of the kind from this row."""

    model: type[R]
    planning: Planning[R, W] | None = None
    """None for a kind whose objects are only recorded."""

    is_unfinished: Callable[[Json], bool] | None = None
    """Whether an object has something left to do; None: its objects never finish."""

    machines: tuple[Machine, ...] = ()
    tally: Tally | None = None
    """What its objects count for good; None: nothing."""

    mark: str = ""
    """Field of the spec that says what an object was created for; empty where the operator creates none."""

    uses: tuple[Use, ...] = ()
    origin: OriginKind[R] | None = None
    strays: Strays[Any] | None = None
    trim: Trim | None = None
    """Removes from each object what nothing reads; None: objects are cached whole, as planned ones have to be."""

    is_urgent: bool = False
    """Whether its objects are planned before those of other kinds: what they do has a time."""

    has_kopf_events: bool = False
    """Whether Kopf's events wake its objects: for the few that people create."""

    @cached_property
    def source(self) -> Source[R]:
        """Where its objects are read from."""
        return custom(self.model, self.trim)

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
            If this version cannot read an object that it refers to.
        """
        planning = self._planning()
        return planning.gather(Reader(view, planning.relations, obj), obj)

    @property
    def plan(self) -> Callable[[W, datetime], Plan]:
        """The function that decides what to do in a world."""
        return self._planning().plan

    def _planning(self) -> Planning[R, W]:
        if self.planning is None:
            raise TypeError(f"objects of kind {self.resource.kind} are only recorded and have no plan")
        return self.planning
