"""The operations on recurring tasks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from codecourier.apiserver.answers import Data, Page, answer, cut, page_of
from codecourier.apiserver.callers import Caller
from codecourier.apiserver.ids import RECURRING_TASK_ID, read_id
from codecourier.apiserver.refusal import bad_request
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import IdempotencyKey, PartOfList, find_object, find_workflow_problem
from codecourier.apiserver.views.recurring_task import (
    NAMES,
    TaskChange,
    TaskCreated,
    TaskCreation,
    TaskDeleted,
    TaskToggle,
    TaskView,
    build_task_spec,
    change_task,
    toggle_task,
    view_created_task,
    view_task,
)
from codecourier.apiserver.writing import Creation
from codecourier.kinds.sources import RECURRING_TASK_SOURCE
from codecourier.resources.recurring_task import RecurringTask

__all__ = ["add_recurring_tasks"]

_PATH = "/recurring-tasks"
_ONE = f"{_PATH}/{{id}}"


class _Tasks:
    def __init__(self, door: Door, now: Callable[[], datetime]) -> None:
        self._door = door
        self._now = now

    async def list_recurring_tasks(self, request: Request, query: PartOfList) -> Response:
        """List the recurring tasks of the project, newest first."""
        found = self._door.served.list(RECURRING_TASK_SOURCE, caller_of(request).namespace)
        page, cursor = cut(found, query)
        now = self._now()
        return page_of((view_task(task, now) for task in page), cursor)

    async def get_recurring_task(self, request: Request, id: str) -> Response:  # noqa: A002
        """Get a recurring task."""
        return answer(view_task(self._find(request, id), self._now()))

    async def create_recurring_task(self, request: Request, body: TaskCreation, key: IdempotencyKey = None) -> Response:
        """Create a recurring task."""
        caller, now = caller_of(request), self._now()
        self._check_workflow(caller, body.target_workflow_id)
        creation = Creation(caller, _PATH, body.title, body.model_dump(mode="json"), key)
        task = await self._door.writer.create(RECURRING_TASK_SOURCE, creation, build_task_spec(body, now), NAMES)
        return answer(view_created_task(task, now), HTTPStatus.CREATED)

    async def update_recurring_task(self, request: Request, id: str, body: TaskChange) -> Response:  # noqa: A002
        """Change a recurring task."""
        caller, now = caller_of(request), self._now()
        if "target_workflow_id" in body.model_fields_set:
            self._check_workflow(caller, body.target_workflow_id)
        task = await self._change(caller, id, lambda task: change_task(task, body, now))
        return answer(view_task(task, now), changed=task)

    async def toggle_recurring_task(self, request: Request, id: str, body: TaskToggle) -> Response:  # noqa: A002
        """Activate or deactivate a recurring task."""
        now, wanted = self._now(), body.is_active
        task = await self._change(caller_of(request), id, lambda task: toggle_task(task, wanted, now))
        return answer(view_created_task(task, now), changed=task)

    async def delete_recurring_task(self, request: Request, id: str) -> Response:  # noqa: A002
        """Delete a recurring task. Its runs go on."""
        task = self._find(request, id)
        await self._door.writer.delete(RECURRING_TASK_SOURCE, task)
        return answer(TaskDeleted(id=RECURRING_TASK_ID + task.name), changed=task)

    def _find(self, request: Request, text: str) -> RecurringTask:
        return find_object(self._door.served, RECURRING_TASK_SOURCE, request, text, RECURRING_TASK_ID)

    async def _change(
        self, caller: Caller, text: str, build: Callable[[RecurringTask], dict[str, object]]
    ) -> RecurringTask:
        name = read_id(text, RECURRING_TASK_ID)
        return await self._door.writer.change(RECURRING_TASK_SOURCE, caller, name, build, NAMES)

    def _check_workflow(self, caller: Caller, name: str) -> None:
        if problem := find_workflow_problem(self._door.served, caller, name, "targetWorkflowId"):
            raise bad_request(problem)


def add_recurring_tasks(router: APIRouter, door: Door, now: Callable[[], datetime]) -> None:
    """Add the operations on recurring tasks to a router."""
    tasks = _Tasks(door, now)
    operations = Operations(router, RECURRING_TASK_SOURCE.resource.plural, RECURRING_TASK_ID)
    operations.add("GET", _PATH, "list", tasks.list_recurring_tasks, Page[TaskView])
    operations.add("POST", _PATH, "create", tasks.create_recurring_task, Data[TaskCreated], status=HTTPStatus.CREATED)
    operations.add("GET", _ONE, "get", tasks.get_recurring_task, Data[TaskView])
    operations.add("PUT", _ONE, "update", tasks.update_recurring_task, Data[TaskView])
    operations.add("DELETE", _ONE, "delete", tasks.delete_recurring_task, Data[TaskDeleted])
    operations.add("PUT", f"{_ONE}/toggle", "update", tasks.toggle_recurring_task, Data[TaskCreated])
