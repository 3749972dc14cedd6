"""Why a task fires nothing: its own suspension or the Project's, failures in a row, or something that it lacks."""

from __future__ import annotations

import hashlib
from datetime import datetime

from codecourier.core.recurring_task.due import Hold
from codecourier.core.recurring_task.reporting import failed_runs
from codecourier.core.recurring_task.world import RecurringTaskWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.naming import ANNOTATION_UNPAUSE
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.references import find_workflow
from codecourier.core.shared.repositories import find_repository
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask, RecurringTaskPhase, RecurringTaskStatus
from codecourier.resources.workflow import Workflow

__all__ = ["find_hold", "find_past_hold", "find_problem", "find_reference_problem", "read_wish", "with_pause"]

WISH_LENGTH = 256
"""How many characters of an annotation's value the status keeps."""


_SUSPENDED = Hold(Reason.SUSPENDED, sentence(Reason.SUSPENDED, kind="task", what="its slots fire"))
_PROJECT_SUSPENDED = Hold(Reason.PROJECT_SUSPENDED, sentence(Reason.PROJECT_SUSPENDED, what="slots fire"))


def read_wish(task: RecurringTask, annotation: str) -> str:
    """Return the value of an annotation as the status keeps it; empty: none is set. Different values stay different."""
    value = task.metadata.annotations.get(annotation, "")
    if len(value) <= WISH_LENGTH:
        return value
    digest = hashlib.sha256(value.encode()).hexdigest()
    return value[: WISH_LENGTH - len(digest)] + digest


def find_hold(task: RecurringTask, project: Project | None, status: RecurringTaskStatus) -> Hold | None:
    """Return why the task fires nothing now although it could; None: it fires."""
    if task.spec.suspend:
        return _SUSPENDED
    if project is not None and project.spec.suspend:
        return _PROJECT_SUSPENDED
    if status.paused_time is not None:
        text = sentence(Reason.PAUSED_BY_FAILURES, runs=failed_runs(status.failures))
        return Hold(Reason.PAUSED_BY_FAILURES, text)
    return None


def find_past_hold(task: RecurringTask) -> Hold | None:
    """Return why the task fired nothing until now, by its status: what was due meanwhile is not made up for."""
    phase, message = task.status.phase, task.status.message
    if phase is RecurringTaskPhase.SUSPENDED:
        return _PROJECT_SUSPENDED if message == _PROJECT_SUSPENDED.message else _SUSPENDED
    return Hold(Reason.PAUSED_BY_FAILURES, message) if phase is RecurringTaskPhase.PAUSED else None


def with_pause(task: RecurringTask, status: RecurringTaskStatus, now: datetime) -> RecurringTaskStatus:
    """Return the status in which the task is paused after its failures, or no longer because a user ended the pause."""
    wish = read_wish(task, ANNOTATION_UNPAUSE)
    is_wished = bool(wish) and wish != status.handled_unpause
    status = status.updated(handled_unpause=wish) if is_wished else status
    generation, limit = task.metadata.generation, task.spec.pause_after_failures
    if status.paused_time is not None:
        is_over = is_wished or status.paused_generation != generation
        return status.updated(paused_time=None, failures=0) if is_over else status
    if limit and status.failures >= limit:
        return status.updated(paused_time=now, paused_generation=generation)
    return status


def find_problem(world: RecurringTaskWorld) -> Problem | None:
    """Return what the task lacks to make a Run; None: nothing."""
    spec = world.task.spec
    if world.zones.declared is None:
        reason = Reason.TIME_ZONE_UNKNOWN
        return Problem(reason, sentence(reason, version=world.zones.version, zone=spec.time_zone))
    return find_reference_problem(world.task, world.project, world.workflow)


def find_reference_problem(task: RecurringTask, project: Project | None, workflow: Workflow | None) -> Problem | None:
    """Return what the task names and is not there, or cannot be used; None: nothing."""
    spec = task.spec
    return _find_project_problem(project, spec.repository_url) or _find_workflow_problem(
        workflow, spec.workflow_ref.name
    )


def _find_project_problem(project: Project | None, repository_url: str | None) -> Problem | None:
    if project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    if project.is_deleting:
        return Problem(Reason.PROJECT_ENDING, sentence(Reason.PROJECT_ENDING))
    repository = find_repository(project, repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=repository_url))
    return None


def _find_workflow_problem(found: Workflow | None, name: str) -> Problem | None:
    workflow = find_workflow(found, name, has_sprint=False)
    if isinstance(workflow, Problem):
        return workflow
    if workflow.is_deleting:
        return Problem(Reason.WORKFLOW_ENDING, sentence(Reason.WORKFLOW_ENDING, workflow=name))
    return _find_unreadiness(workflow)


def _find_unreadiness(workflow: Workflow) -> Problem | None:
    """Return why a Workflow says that it cannot be used: its plan asks for what the caches do not hold."""
    ready = workflow.status.condition(ConditionType.READY)
    if ready is None or ready.status != ConditionStatus.FALSE or ready.reason not in set(Reason):
        return None
    return Problem(Reason(ready.reason), f"Workflow {workflow.name} is not ready: {ready.message}")
