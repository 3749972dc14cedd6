"""What the plan of a Project reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codecourier.core.project.network_policy import PolicyView
from codecourier.core.shared.worlds import World
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow

__all__ = ["ProjectWorld"]


@dataclass(frozen=True)
class ProjectWorld(World):
    """A Project, and of its namespace the Runs and what they name."""

    project: Project
    runs: tuple[Run, ...] = ()
    """The Runs that are not finished, or that the Project still lists."""

    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    """By name those that are there, of all that Pending Runs name."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    policy: PolicyView | None = None
    """The NetworkPolicy of the namespace's sandbox pods."""

    api_server: tuple[str, ...] = ()
    """The API server's addresses."""

    is_namespace_ending: bool = False

    unreadable_runs: frozenset[str] = frozenset()
    """UIDs of unfinished Runs that this version cannot read."""
