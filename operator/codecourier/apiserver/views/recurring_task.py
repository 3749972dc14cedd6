"""RecurringTasks in the REST API: object to JSON, and body to what is written."""

from __future__ import annotations

from datetime import datetime, time
from typing import Annotated, Any

from pydantic import Field

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.bodies import Body, PromptText, Text, ZoneName, absent
from codecourier.apiserver.ids import RECURRING_TASK_ID, RUN_ID, WORKFLOW_ID, WorkflowName
from codecourier.apiserver.refusal import Detail, bad_request
from codecourier.apiserver.words import FrequencyWord, word_of
from codecourier.core.recurring_task.anchoring import begin_schedule, is_current, jitter_of, schedule_of
from codecourier.core.recurring_task.holds import read_wish
from codecourier.core.shared.naming import ANNOTATION_UNPAUSE
from codecourier.core.slots.schedule import Pins, find_anchor, next_slot
from codecourier.kube.api import Json
from codecourier.resources.recurring_task import Disposition, Frequency, RecurringTask
from codecourier.zones import find_zone

__all__ = [
    "NAMES",
    "TaskChange",
    "TaskCreated",
    "TaskCreation",
    "TaskDeleted",
    "TaskToggle",
    "TaskView",
    "build_task_spec",
    "change_task",
    "is_active",
    "next_run_time",
    "toggle_task",
    "view_created_task",
    "view_task",
]

Title = Annotated[Text, Field(min_length=1, max_length=200)]
Description = Annotated[Text, Field(max_length=4096)]
Hour = Annotated[int, Field(ge=0, le=23)]
Minute = Annotated[int, Field(ge=0, le=59)]

_FIELDS = {
    "title": "title",
    "description": "description",
    "prompt": "prompt",
    "frequency": "frequency",
    "timezone": "timeZone",
    "scheduled_hour": "hour",
    "scheduled_minute": "minute",
}
"""Fields of the spec that a body sets as they are, by the field of the body."""

NAMES = {
    "timeZone": "timezone",
    "hour": "scheduledHour",
    "minute": "scheduledMinute",
    "workflowRef.name": "targetWorkflowId",
}
"""Names in the REST API of those fields of the spec that are called otherwise there."""

_SCHEDULE = {"frequency", "timezone", "scheduled_hour", "scheduled_minute"}
_WEEKLY = {Frequency.WEEKLY, Frequency.BIWEEKLY}


class TaskCreation(Body):
    """A new recurring task."""

    title: Title
    """The task in a few words, 1 to 200 characters."""

    prompt: PromptText
    """The prompt that the agent gets each time, up to 65,536 bytes."""

    frequency: FrequencyWord
    """How often the task is due."""

    target_workflow_id: WorkflowName
    """Workflow of each run."""

    timezone: ZoneName
    """IANA name of the time zone that the hour and the minute are of."""

    scheduled_hour: Hour
    """Hour of the day, 0 to 23."""

    scheduled_minute: Minute
    """Minute of the hour, 0 to 59."""

    description: Description | None = None
    """What the task is for, up to 4,096 characters."""


class TaskChange(Body):
    """Changes of a recurring task. Fields that only the server sets may be there, and are ignored."""

    title: Title = Field(default_factory=absent)
    prompt: PromptText = Field(default_factory=absent)
    frequency: FrequencyWord = Field(default_factory=absent)
    target_workflow_id: WorkflowName = Field(default_factory=absent)
    timezone: ZoneName = Field(default_factory=absent)
    scheduled_hour: Hour = Field(default_factory=absent)
    scheduled_minute: Minute = Field(default_factory=absent)
    description: Description | None = None
    """Null removes it."""

    is_active: bool = Field(default_factory=absent)
    id: Any = None
    next_run_at: Any = None
    last_run_at: Any = None
    last_run_id: Any = None
    missed_slots: Any = None
    paused_reason: Any = None


class TaskToggle(Body):
    """Whether a recurring task is to fire."""

    is_active: bool


class TaskView(View):
    """A recurring task."""

    id: str
    title: str
    description: str | None
    prompt: str
    frequency: str
    target_workflow_id: str
    is_active: bool
    """Whether it fires: it is neither suspended nor paused after failures."""

    timezone: str
    scheduled_hour: int
    scheduled_minute: int
    next_run_at: Instant | None
    """When it fires next; null while it does not."""

    last_run_at: Instant | None
    last_run_id: str | None
    missed_slots: int
    """How many slots the operator came too late for."""

    paused_reason: str | None
    """Why it is paused after failures; null while it is not."""


class TaskCreated(View):
    """What is shown of a recurring task that was created or toggled."""

    id: str
    is_active: bool
    next_run_at: Instant | None


class TaskDeleted(View):
    """What is shown of a recurring task that was deleted."""

    id: str
    is_deleted: bool = True


def _is_unpausing(task: RecurringTask) -> bool:
    """Return whether a pause ends as soon as the operator sees the object as it is now."""
    wish = read_wish(task, ANNOTATION_UNPAUSE)
    is_wished = bool(wish) and wish != task.status.handled_unpause
    return is_wished or task.status.paused_generation != task.metadata.generation


def _is_paused(task: RecurringTask) -> bool:
    return task.status.paused_time is not None and not _is_unpausing(task)


def is_active(task: RecurringTask) -> bool:
    """Return whether a task is neither suspended nor paused after failures."""
    return not task.spec.suspend and not _is_paused(task)


def next_run_time(task: RecurringTask, now: datetime) -> datetime | None:
    """Return when a task fires next: as the operator says, else by the schedule; None while it does not."""
    if not is_active(task):
        return None
    spec, status = task.spec, task.status
    if status.observed_generation == task.metadata.generation and status.paused_time is None:
        return status.next_run_time
    zone = find_zone(spec.time_zone)
    if zone is None:
        return None
    anchor = status.anchor
    if anchor is None or not is_current(anchor, spec):
        anchor = begin_schedule(spec, zone, now)
    slot = next_slot(schedule_of(anchor, zone), now)
    return None if slot is None else slot + jitter_of(task)


def view_task(task: RecurringTask, now: datetime) -> TaskView:
    """Return what the REST API shows of a task."""
    spec, status = task.spec, task.status
    fired = next((record for record in status.history if record.disposition is Disposition.FIRED and record.run), None)
    return TaskView(
        id=RECURRING_TASK_ID + task.name,
        title=spec.title or task.name,
        description=spec.description,
        prompt=spec.prompt,
        frequency=word_of(spec.frequency),
        target_workflow_id=WORKFLOW_ID + spec.workflow_ref.name,
        is_active=is_active(task),
        timezone=spec.time_zone,
        scheduled_hour=spec.hour,
        scheduled_minute=spec.minute,
        next_run_at=next_run_time(task, now),
        last_run_at=status.last_run_time,
        last_run_id=None if fired is None else f"{RUN_ID}{fired.run}",
        missed_slots=status.totals.missed,
        paused_reason=status.message if _is_paused(task) else None,
    )


def view_created_task(task: RecurringTask, now: datetime) -> TaskCreated:
    """Return what the answer to a creation or a toggle shows of a task."""
    return TaskCreated(
        id=RECURRING_TASK_ID + task.name, is_active=is_active(task), next_run_at=next_run_time(task, now)
    )


def build_task_spec(body: TaskCreation, now: datetime) -> Json:
    """Return the spec of a new task. Its start date is set, so that it keeps its rhythm over a restore."""
    written = {field: _written(getattr(body, name)) for name, field in _FIELDS.items()}
    pinned = {"workflowRef": {"name": body.target_workflow_id}, "startDate": _start_date(written, Pins(), now)}
    return {field: value for field, value in written.items() if value is not None} | pinned


def change_task(task: RecurringTask, body: TaskChange, now: datetime) -> Json:
    """Return the merge patch of an object that a change asks for; empty: it asks for nothing new."""
    given = body.model_fields_set
    spec = {field: _written(getattr(body, name)) for name, field in _FIELDS.items() if name in given}
    if "title" in given and task.spec.title is None and body.title == task.name:
        del spec["title"]  # what a task without one is shown with
    if "target_workflow_id" in given:
        spec["workflowRef"] = {"name": body.target_workflow_id}
    before = task.spec.to_json()
    spec = {field: value for field, value in spec.items() if before.get(field) != value}
    if spec.keys() & {_FIELDS[name] for name in _SCHEDULE}:
        spec |= _anchored(task, before | spec, now)
    patch: Json = {"spec": spec} if spec else {}
    return _merged(patch, toggle_task(task, body.is_active, now)) if "is_active" in given else patch


def toggle_task(task: RecurringTask, wanted: bool, now: datetime) -> Json:  # noqa: FBT001  the body's one field
    """Return the merge patch of an object that makes a task active or inactive; empty: it is so already."""
    patch: Json = {}
    if task.spec.suspend is wanted:
        patch["spec"] = {"suspend": not wanted}
    if wanted and _is_paused(task):
        patch["metadata"] = {"annotations": {ANNOTATION_UNPAUSE: now.isoformat()}}
    return patch


def _anchored(task: RecurringTask, spec: Json, now: datetime) -> Json:
    """Return the fields that begin a schedule anew; pins that the frequency does not have are dropped."""
    frequency = Frequency(spec["frequency"])
    weekday = task.spec.day_of_week if frequency in _WEEKLY else None
    month_day = task.spec.day_of_month if frequency is Frequency.MONTHLY else None
    pins = Pins(None, weekday, month_day)
    dropped = {"dayOfWeek": weekday, "dayOfMonth": month_day}
    return {field: None for field, kept in dropped.items() if kept is None and field in spec} | {
        "startDate": _start_date(spec, pins, now)
    }


def _start_date(spec: Json, pins: Pins, now: datetime) -> str:
    zone = find_zone(spec["timeZone"])
    if zone is None:
        raise bad_request(
            Detail(field="timezone", message=f"This version knows no time zone {spec['timeZone']}. Set another one.")
        )
    at = time(spec["hour"], spec["minute"])
    return find_anchor(Frequency(spec["frequency"]), at, zone, pins, now).anchor.isoformat()


def _written(value: Any) -> Any:
    return value.value if isinstance(value, Frequency) else value


def _merged(first: Json, second: Json) -> Json:
    spec = {**first.get("spec", {}), **second.get("spec", {})}
    return {**first, **second} | ({"spec": spec} if spec else {})
