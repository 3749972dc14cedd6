"""The operations on merges."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Request, Response

from codecourier.apiserver.answers import Data, Page, answer
from codecourier.apiserver.bodies import Read
from codecourier.apiserver.callers import Caller
from codecourier.apiserver.ids import MERGE_JOB_ID, read_id
from codecourier.apiserver.listing import Listing
from codecourier.apiserver.refusal import Detail, bad_request
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import IdempotencyKey, PartOfList, find_object, find_workflow_problem
from codecourier.apiserver.views.merge_job import (
    MergeDetail,
    MergeState,
    MergeView,
    cancel_merge,
    is_merge_accepted,
    view_created_status,
    view_merge,
    view_merge_detail,
    view_merge_state,
)
from codecourier.apiserver.views.merge_start import (
    NAMES,
    MergeStart,
    build_combine_spec,
    find_source_problems,
    find_workflow,
)
from codecourier.apiserver.writing import Creation
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.kinds.sources import MERGE_JOB_SOURCE, PROJECT_SOURCE
from codecourier.resources.project import Project

__all__ = ["add_merging"]

_START = "/merging/start"
_WORKFLOW = "config.workflowId"
_NO_WORKFLOW = "The project has no workflow for merges. Name one, or set spec.mergeWorkflowRef of its Project."


class _Merges:
    def __init__(self, door: Door, accept_wait_seconds: float) -> None:
        self._door = door
        self._list = Listing(door, MERGE_JOB_SOURCE, view_merge)
        self._accept_wait_seconds = accept_wait_seconds

    async def list_merges(self, request: Request, query: PartOfList) -> Response:
        """List the merges of the project, newest first."""
        return self._list.answer(caller_of(request).namespace, query)

    async def get_merge(self, request: Request, id: str) -> Response:  # noqa: A002
        """Get a merge with its runs and checks."""
        return answer(view_merge_detail(find_object(self._door.served, MERGE_JOB_SOURCE, request, id, MERGE_JOB_ID)))

    async def start_merge(
        self, request: Request, body: Annotated[Read[MergeStart], Body()], key: IdempotencyKey = None
    ) -> Response:
        """Start to merge pull requests into one new pull request."""
        caller, served = caller_of(request), self._door.served
        project = served.find(PROJECT_SOURCE, caller.namespace, PROJECT_NAME)
        problems = [*body.problems, *self._find_problems(caller, project, body)]
        if problems or body.body is None or project is None:
            raise bad_request(*problems)
        dump = body.body.model_dump(mode="json")
        creation = Creation(caller, _START, body.body.config.title or "merge", dump, key)
        spec = build_combine_spec(body.body, project)
        job = await self._door.writer.create(MERGE_JOB_SOURCE, creation, spec, NAMES)
        seconds = self._accept_wait_seconds
        seen = await served.wait(MERGE_JOB_SOURCE, caller.namespace, job.name, is_merge_accepted, seconds) or job
        return answer(MergeState(id=MERGE_JOB_ID + job.name, status=view_created_status(seen)), HTTPStatus.CREATED)

    def _find_problems(self, caller: Caller, project: Project | None, body: Read[MergeStart]) -> Iterator[Detail]:
        """Yield what is wrong with what the body names."""
        if project is None:
            yield Detail(field="pullRequests", message=sentence(Reason.PROJECT_NOT_FOUND))
            return
        yield from find_source_problems(body.raw, project)
        workflow = find_workflow(body.raw, project)
        if workflow is None:
            yield Detail(field=_WORKFLOW, message=_NO_WORKFLOW)
        elif workflow and (problem := find_workflow_problem(self._door.served, caller, workflow, _WORKFLOW)):
            yield problem

    async def cancel_merge(self, request: Request, id: str) -> Response:  # noqa: A002
        """Stop a merge. What was merged already stays merged."""
        name = read_id(id, MERGE_JOB_ID)
        job = await self._door.writer.change(MERGE_JOB_SOURCE, caller_of(request), name, cancel_merge, NAMES)
        return answer(view_merge_state(job), changed=job)


def add_merging(router: APIRouter, door: Door, accept_wait_seconds: float) -> None:
    """Add the operations on merges to a router."""
    merges = _Merges(door, accept_wait_seconds)
    operations = Operations(router, MERGE_JOB_SOURCE.resource.plural, MERGE_JOB_ID)
    operations.add("GET", "/merging/list", "list", merges.list_merges, Page[MergeView])
    operations.add("POST", _START, "create", merges.start_merge, Data[MergeState], status=HTTPStatus.CREATED)
    operations.add("GET", "/merging/{id}", "get", merges.get_merge, Data[MergeDetail])
    conflict = (HTTPStatus.CONFLICT,)
    operations.add("POST", "/merging/{id}/cancel", "update", merges.cancel_merge, Data[MergeState], errors=conflict)
