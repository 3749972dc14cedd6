"""What the plan of a SprintChain reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from codecourier.core.shared.facts import Facts
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = ["SprintChainWorld"]


@dataclass(frozen=True)
class SprintChainWorld:
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

    facts: Facts = field(default_factory=dict)
