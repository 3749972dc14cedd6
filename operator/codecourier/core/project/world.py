"""What the plan of a Project reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from codecourier.core.project.bindings import BindingView
from codecourier.core.project.kept import NOTHING_KEPT, Kept
from codecourier.core.project.network_policy import PolicyView
from codecourier.core.project.places import Runs
from codecourier.core.shared.revisions import WorkflowRevision
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
from codecourier.resources.project import Project
from codecourier.resources.workflow import Workflow

__all__ = ["ProjectWorld"]


@dataclass(frozen=True)
class ProjectWorld(World):
    """A Project, and of its namespace the Runs and the Workflows."""

    project: Project
    runs: Runs
    """The Runs of its namespace."""

    workflows: Mapping[str, Workflow] = field(default_factory=dict)
    """The Workflows of its namespace, by name."""

    unused_revisions: tuple[WorkflowRevision, ...] = ()
    """The revisions of Workflows that no unfinished Run names."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    bindings: Mapping[str, BindingView] = field(default_factory=dict)
    """The RoleBindings of its namespace with our label, by name."""

    policy: PolicyView | None = None
    """The NetworkPolicy of the namespace's sandbox pods."""

    api_server: tuple[str, ...] = ()
    """The API server's addresses."""

    is_namespace_ending: bool = False

    credentials: WatchedSecrets = UNWATCHED
    """The Secrets of the namespace that are meant for repositories."""

    kept: Kept = NOTHING_KEPT
    """What is over in its namespace."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        yield from find_project_faults(self.project.namespace, self.project)
        yield from find_identity_faults(self.project.namespace, self.workflows.values())
        for name, workflow in self.workflows.items():
            yield from find_name_faults(workflow, name)
        for name, binding in self.bindings.items():
            if binding.name != name:
                yield f"RoleBinding {binding.name!r} is not the one that is read, {name!r}."
        running = tuple(self.runs.with_pods())
        for uid, count in Counter(run.uid for run in running).items():
            if count > 1:
                yield f"{count} Runs have UID {uid!r}."
        for entry in self.project.status.admitted:
            run = self.runs.named(entry.name)
            if run is not None and run.name != entry.name:
                yield f"Run {run.name!r} is not the one that is read, {entry.name!r}."
