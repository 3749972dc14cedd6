"""What the plan of a RecurringTask reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, tzinfo

from codecourier.core.shared.worlds import World, find_identity_faults, find_name_faults, find_project_faults
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow

__all__ = ["RecurringTaskWorld", "Zones"]


@dataclass(frozen=True)
class Zones:
    """The time zones of a task; None: the operator's tz database has no such zone."""

    declared: tzinfo | None
    """That of the spec."""

    anchored: tzinfo | None
    """That of the recorded anchor; None also where there is none."""

    version: str
    """Release of the tz database, such as `2026f`."""


@dataclass(frozen=True)
class RecurringTaskWorld(World):
    """A RecurringTask, what belongs to it and what it refers to."""

    task: RecurringTask
    zones: Zones
    project: Project | None
    workflow: Workflow | None
    runs: tuple[Run, ...] = ()
    """The Runs whose origin is this very task."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""

    sealed_days: Collection[date] = frozenset()
    """The days of its namespace that are sealed."""

    def find_faults(self) -> Iterator[str]:
        """Yield a sentence for each thing that cannot be."""
        task, namespace = self.task, self.task.namespace
        yield from find_identity_faults(namespace, (task, *self.runs))
        yield from find_project_faults(namespace, self.project)
        if self.workflow is not None:
            yield from find_identity_faults(namespace, (self.workflow,))
            yield from find_name_faults(self.workflow, task.spec.workflow_ref.name)
        for run in self.runs:
            origin = run.spec.origin
            if origin is None or (origin.kind, origin.uid) != (task.kind, task.uid):
                yield f"Run {run.name!r} was not made by the RecurringTask with UID {task.uid!r}."
