"""What the plan of a SprintChain reads."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.worlds import World
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = ["SprintChainWorld"]


@dataclass(frozen=True)
class SprintChainWorld(World):
    """A SprintChain, what belongs to it and what it refers to."""

    chain: SprintChain
    project: Project | None
    workflow: Workflow | None
    runs: tuple[Run, ...] = ()
    """The Runs whose origin is this very chain."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""
