"""What the plan of a Run reads."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.origin import Origin
from codecourier.core.shared.worlds import World
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.workflow import Workflow

__all__ = ["RunWorld"]


@dataclass(frozen=True)
class RunWorld(World):
    """A Run, what belongs to it and what it refers to."""

    run: Run
    project: Project | None
    workflow: Workflow | None
    origin: Origin | None
    """What made the Run; None where a person made it."""

    sandboxes: tuple[Sandbox, ...] = ()
    """The Sandboxes that carry the Run's UID."""

    records: frozenset[str] = frozenset()
    """Names of the UsageRecords that are there."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""
