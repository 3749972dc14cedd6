"""The row of RecurringTask."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from codecourier.core.recurring_task.origin import RecurringTaskOrigin
from codecourier.core.recurring_task.plan import plan_recurring_task
from codecourier.core.recurring_task.world import RecurringTaskWorld, Zones
from codecourier.kinds.kept import SEALED_DAYS
from codecourier.kinds.kind import Kind, Machine, Planning, Reader, Tally, Use, phases
from codecourier.kinds.relation import OriginKind
from codecourier.kinds.relations import marked, named_by
from codecourier.kinds.shared import NAMESPACE_ENDING, NOTIFICATION_NAMES, PROJECT
from codecourier.kinds.sources import NOTIFICATION_SOURCE, RECURRING_TASK_SOURCE, RUN_SOURCE, WORKFLOW_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.recurring_task import Disposition, RecurringTask
from codecourier.zones import find_zone, tz_database_version

__all__ = ["RECURRING_TASK"]


def _awaited(task: RecurringTask) -> tuple[str, ...]:
    """Return the Runs whose ends the task waits for."""
    return tuple(active.run for active in task.status.active)


_WORKFLOW = named_by("spec.workflowRef.name", WORKFLOW_SOURCE)
_RUNS = marked("spec.origin.uid", "spec.origin.name", RUN_SOURCE, kind="spec.origin.kind", awaited=_awaited)


def _find_zones(task: RecurringTask) -> Zones:
    anchor = task.status.anchor
    anchored = None if anchor is None else find_zone(anchor.time_zone)
    return Zones(find_zone(task.spec.time_zone), anchored, tz_database_version())


def _gather(read: Reader[RecurringTask], task: RecurringTask) -> RecurringTaskWorld:
    return RecurringTaskWorld(
        task=task,
        zones=_find_zones(task),
        project=read(PROJECT),
        workflow=read(_WORKFLOW),
        runs=read(_RUNS),
        notifications=read(NOTIFICATION_NAMES),
        is_namespace_ending=read(NAMESPACE_ENDING),
        sealed_days=read(SEALED_DAYS),
    )


def _slots(task: Json) -> Mapping[Hashable, str]:
    history = (task.get("status") or {}).get("history") or ()
    return {(record["slot"], record.get("isManual", False)): record["disposition"] for record in history}


def _count_slots(task: Json) -> Mapping[str, int]:
    totals = (task.get("status") or {}).get("totals") or {}
    return {disposition.value: totals.get(disposition.value.lower(), 0) for disposition in Disposition}


RECURRING_TASK: Kind[RecurringTask, RecurringTaskWorld] = Kind(
    RecurringTask,
    Planning(
        _gather,
        plan_recurring_task,
        reads=(PROJECT, _WORKFLOW, _RUNS, NOTIFICATION_NAMES, NAMESPACE_ENDING, SEALED_DAYS),
    ),
    machines=(
        phases(
            "RecurringTask",
            ("Pending", "Active"),
            ("Pending", "Suspended"),
            ("Active", "Pending"),
            ("Active", "Suspended"),
            ("Active", "Paused"),
            ("Suspended", "Active"),
            ("Suspended", "Pending"),
            ("Paused", "Active"),
        ),
        Machine(
            "Slot",
            _slots,
            frozenset({("", "Fired"), ("", "Skipped"), ("", "Missed"), ("Fired", "Skipped")}),
        ),
    ),
    tally=Tally("slots", "disposition", "Slots of RecurringTasks by what became of them", _count_slots),
    uses=(
        Use(RUN_SOURCE.resource, ("create", "get", "delete")),
        Use(NOTIFICATION_SOURCE.resource, ("create", "get")),
    ),
    origin=OriginKind(RECURRING_TASK_SOURCE, RecurringTaskOrigin, reports_ends=False),
    is_urgent=True,
)
