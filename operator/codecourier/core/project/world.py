"""What the plan of a Project reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from codecourier.core.project.network_policy import PolicyView
from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
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
    """By name those that are there, of all that Runs name which have not started yet."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    policy: PolicyView | None = None
    """The NetworkPolicy of the namespace's sandbox pods."""

    api_server: tuple[str, ...] = ()
    """The API server's addresses."""

    is_namespace_ending: bool = False

    unreadable_runs: frozenset[str] = frozenset()
    """UIDs of unfinished Runs that this version cannot read."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        namespace, workflows = self.project.namespace, self.workflows
        yield from find_project_faults(namespace, self.project)
        yield from find_identity_faults(namespace, (*self.runs, *workflows.values()))
        for name, workflow in workflows.items():
            yield from find_name_faults(workflow, name)
        for run in self.runs:
            if run.uid in self.unreadable_runs:
                yield f"Run {run.name!r} is read and cannot be read."
