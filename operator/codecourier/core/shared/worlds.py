"""What every kind's world has beside what is gathered from the caches, and worlds that cannot be.

Tests build worlds by hand, and the simulation gathers them: `check_world` refuses one that no cluster can show, however
old its copies are. Only identities are compared (names, namespaces, UIDs and the immutable fields that refer to them),
because these are the same in every copy of an object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from codecourier.core.shared.facts import Facts
from codecourier.core.shared.intents import Failures
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project

__all__ = [
    "ImpossibleWorldError",
    "World",
    "check_world",
    "find_identity_faults",
    "find_name_faults",
    "find_project_faults",
]


@dataclass(frozen=True)
class World:
    """What a plan reads."""

    facts: Facts = field(default_factory=Facts, kw_only=True)
    """Answers to what the plan asked."""

    failures: Failures = field(default_factory=Failures, kw_only=True)
    """Which of its intents did not work."""

    def find_faults(self) -> Iterable[str]:
        """Return a sentence for each thing in the world that cannot be."""
        return ()


class ImpossibleWorldError(AssertionError):
    """A world shows what no cluster can show: its builder is wrong, not the plan."""


def check_world(world: World) -> None:
    """Refuse a world that cannot be.

    Raises
    ------
    ImpossibleWorldError
        If there is such a thing; the message has a sentence for each.
    """
    if faults := tuple(world.find_faults()):
        raise ImpossibleWorldError(f"{type(world).__name__}: {' '.join(faults)}")


def find_identity_faults(namespace: str, objects: Iterable[CustomResource]) -> Iterator[str]:
    """Yield a sentence for each object without an identity of its own in a namespace."""
    known = tuple(objects)
    for obj in known:
        what = f"{obj.info.kind} {obj.name!r}"
        if not obj.name:
            yield f"{what} has no name."
        if not obj.uid:
            yield f"{what} has no UID."
        if obj.namespace != namespace:
            yield f"{what} is of namespace {obj.namespace!r}, not {namespace!r}."
    for (kind, name), count in Counter((obj.info.kind, obj.name) for obj in known).items():
        if count > 1:
            yield f"{count} objects are {kind} {name!r}."
    for uid, count in Counter(obj.uid for obj in known if obj.uid).items():
        if count > 1:
            yield f"{count} objects have UID {uid!r}."


def find_project_faults(namespace: str, project: Project | None) -> Iterator[str]:
    """Yield a sentence for each thing that no Project of a namespace can be."""
    if project is not None:
        yield from find_identity_faults(namespace, (project,))
        yield from find_name_faults(project, PROJECT_NAME)


def find_name_faults(obj: CustomResource | None, name: str) -> Iterator[str]:
    """Yield a sentence if an object is not the one of a name."""
    if obj is not None and obj.name != name:
        yield f"{obj.info.kind} {obj.name!r} is not the one that is read, {name!r}."
