"""What an explanation reads beside the object: what it names, what made it, the Runs that it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codecourier.core.explain.explanation import Subject
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.core.sprint_chain.sprints import active_sprint
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.workflow import Workflow

__all__ = ["Explained", "Surroundings", "active_runs", "name_workflow", "subjects_of"]

Explained = Run | SprintChain | RecurringTask | IssueSession | MergeJob
"""The kinds that can be explained."""


@dataclass(frozen=True)
class Surroundings:
    """The objects around the one that is explained."""

    objects: Mapping[Subject, CustomResource] = field(default_factory=dict)
    """Those of `subjects_of` that are there."""

    unknown: frozenset[Subject] = frozenset()
    """Those that could not be read, so that nothing is said of them."""

    @property
    def project(self) -> Project | None:
        """The namespace's Project."""
        found = self.objects.get(Subject(Project.info.kind, PROJECT_NAME))
        return found if isinstance(found, Project) else None

    def workflow(self, name: str) -> Workflow | None:
        """Return a Workflow."""
        found = self.objects.get(Subject(Workflow.info.kind, name))
        return found if isinstance(found, Workflow) else None

    def run(self, name: str) -> Run | None:
        """Return a Run."""
        found = self.objects.get(Subject(Run.info.kind, name))
        return found if isinstance(found, Run) else None


def active_runs(obj: Explained) -> tuple[str, ...]:
    """Return the names of the Runs whose end the object waits for."""
    match obj:
        case SprintChain():
            sprint = active_sprint(obj.status)
            return (sprint.run,) if sprint is not None and sprint.run is not None else ()
        case RecurringTask():
            return tuple(active.run for active in obj.status.active)
        case IssueSession():
            return tuple(entry.run for entry in obj.status.runs if entry.phase is RunPhase.RUNNING)
        case MergeJob():
            return tuple(step.run for step in obj.status.steps if step.phase is RunPhase.RUNNING)
    return ()


def name_workflow(obj: Explained) -> str | None:
    """Return the name of the Workflow that the object uses; None: as far as it says, none."""
    if isinstance(obj, MergeJob) and obj.spec.workflow_ref is None:
        return obj.status.workflow
    reference = obj.spec.workflow_ref
    return None if reference is None else reference.name


def subjects_of(obj: Explained) -> tuple[Subject, ...]:
    """Return what has to be read to explain an object."""
    runs = tuple(Subject(Run.info.kind, name) for name in active_runs(obj))
    named = name_workflow(obj)
    workflows = () if named is None else (Subject(Workflow.info.kind, named),)
    return (Subject(Project.info.kind, PROJECT_NAME), *workflows, *runs)
