"""A task and what is around it, played by hand: plans are carried out whole, and time passes as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from codecourier.core.recurring_task.plan import plan_recurring_task
from codecourier.core.recurring_task.world import RecurringTaskWorld, Zones
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Failures, Plan
from codecourier.core.shared.worlds import check_world
from codecourier.resources.meta import LocalReference, ObjectMeta
from codecourier.resources.notification import Notification
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import (
    Disposition,
    Frequency,
    RecurringTask,
    RecurringTaskSpec,
    RecurringTaskStatus,
    SlotRecord,
)
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.workflow import Workflow
from codecourier.zones import find_zone, tz_database_version
from tests.core.playing import Playing
from tests.support.worlds import NOW, make_project, make_workflow

__all__ = ["MINUTE", "Played", "make_task"]

MINUTE = timedelta(minutes=1)


def make_task(*, annotations: dict[str, str] | None = None, **spec: Any) -> RecurringTask:
    """Return a daily task that is due at 12:30 UTC, half an hour after it was made."""
    fields: dict[str, Any] = {
        "frequency": Frequency.DAILY,
        "time_zone": "UTC",
        "hour": 12,
        "minute": 30,
        "workflow_ref": LocalReference(name="scripted"),
        "prompt": "Audit it.",
    }
    metadata = ObjectMeta(
        name="audit",
        namespace="shop",
        uid="uid-audit",
        creation_timestamp=NOW,
        annotations=annotations or {},
    )
    return RecurringTask(metadata=metadata, spec=RecurringTaskSpec(**{**fields, **spec}))


SEALED = frozenset(NOW.date() + timedelta(days=number) for number in range(-400, 1200))
"""All days that tests are about."""


@dataclass
class Played(Playing):
    """What is there; `look` plans and carries the plan out."""

    task: RecurringTask = field(default_factory=make_task)
    project: Project | None = field(default_factory=make_project)
    workflow: Workflow | None = field(default_factory=make_workflow)
    now: datetime = NOW
    runs: dict[str, Run] = field(default_factory=dict)
    notifications: dict[str, Notification] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Names of the Runs that were ever made, in their order."""

    is_namespace_ending: bool = False

    removed_zones: frozenset[str] = frozenset()
    """Names that the operator's tz database no longer has."""

    sealed_days: frozenset[date] = SEALED
    """The days that are sealed."""

    refusal: Problem | None = None
    """Why Runs cannot be made now."""

    refused: dict[Create, Problem] = field(default_factory=dict)

    @property
    def status(self) -> RecurringTaskStatus:
        """The task's status."""
        return self.task.status

    @property
    def records(self) -> list[tuple[str, str]]:
        """Disposition and reason of the recorded slots, newest first."""
        return [(record.disposition.value, record.reason) for record in self.status.history]

    def last(self) -> SlotRecord:
        """Return the newest record."""
        return self.status.history[0]

    def count(self, disposition: Disposition) -> int:
        """Return how many slots had a disposition, by the totals."""
        return int(getattr(self.status.totals, disposition.value.lower()))

    def change(self, **changes: Any) -> None:
        """Change fields of the spec as a user does."""
        metadata = self.task.metadata.updated(generation=self.task.metadata.generation + 1)
        self.task = self.task.updated(spec=self.task.spec.updated(**changes), metadata=metadata)

    def annotate(self, name: str, value: str) -> None:
        """Set an annotation as a user does."""
        metadata = self.task.metadata
        self.task = self.task.updated(metadata=metadata.updated(annotations={**metadata.annotations, name: value}))

    def end(self, name: str, phase: RunPhase = RunPhase.COMPLETED) -> None:
        """End a Run."""
        status = self.runs[name].status.updated(phase=phase, finish_time=self.now)
        self.runs[name] = self.runs[name].updated(status=status)

    def plan(self) -> Plan:
        """Return the plan of the present world."""
        anchor = self.status.anchor
        world = RecurringTaskWorld(
            task=self.task,
            zones=Zones(
                self._find_zone(self.task.spec.time_zone),
                None if anchor is None else self._find_zone(anchor.time_zone),
                tz_database_version(),
            ),
            project=self.project,
            workflow=self.workflow,
            runs=tuple(self.runs.values()),
            notifications=frozenset(self.notifications),
            sealed_days=self.sealed_days,
            is_namespace_ending=self.is_namespace_ending,
            failures=Failures(self.refused),
        )
        check_world(world)
        return plan_recurring_task(world, self.now)

    def _find_zone(self, name: str) -> ZoneInfo | None:
        return None if name in self.removed_zones else find_zone(name)

    def look(self, at: datetime | None = None) -> Plan:
        """Let time pass, plan once, and carry the plan out."""
        self.now = self.now if at is None else at
        plan = self.plan()
        if isinstance(plan.status, RecurringTaskStatus):
            self.task = self.task.updated(status=plan.status)
        for create in plan.creates:
            self._create(create)
        for delete in plan.deletes:
            del self.runs[delete.name]
        return plan

    def seen(self) -> object:
        """Return all that a plan may change."""
        return (self.task, dict(self.runs), dict(self.notifications))

    def _create(self, create: Any) -> None:
        resource = create.resource
        if isinstance(resource, Notification):
            assert resource.name not in self.notifications
            self.notifications[resource.name] = resource
        elif self.refusal is not None:
            self.refused[create] = self.refusal
        elif resource.name not in self.runs:
            metadata = resource.metadata.updated(uid=f"uid-{resource.name}", creation_timestamp=self.now)
            self.runs[resource.name] = resource.updated(metadata=metadata)
            self.made.append(resource.name)
            self.refused.pop(create, None)
