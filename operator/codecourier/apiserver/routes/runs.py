"""The operations on runs."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, answer
from codecourier.apiserver.ids import RUN_ID, read_id
from codecourier.apiserver.listing import Listing
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import IdempotencyKey, find_object, find_repository_url
from codecourier.apiserver.views.run import (
    NAMES,
    RunCreation,
    RunDetail,
    RunQuery,
    RunState,
    RunView,
    build_run_spec,
    is_listed,
    is_run_accepted,
    view_run,
    view_run_detail,
    view_run_state,
)
from codecourier.apiserver.views.run_wishes import cancel_run, retry_run
from codecourier.apiserver.writing import Creation
from codecourier.core.run.status import attempt_status
from codecourier.kinds.sources import RUN_SOURCE, USAGE_RECORD_SOURCE
from codecourier.resources.run import Run
from codecourier.resources.usage_record import UsageRecord

__all__ = ["add_runs"]

_PATH = "/runs"
_ONE = f"{_PATH}/{{id}}"


class _Runs:
    def __init__(self, door: Door, accept_wait_seconds: float) -> None:
        self._door = door
        self._list = Listing(door, RUN_SOURCE, view_run)
        self._accept_wait_seconds = accept_wait_seconds

    async def list_runs(self, request: Request, query: Annotated[RunQuery, Query()]) -> Response:
        """List the runs of the project, newest first."""
        return self._list.answer(caller_of(request).namespace, query, is_listed)

    async def get_run(self, request: Request, id: str) -> Response:  # noqa: A002
        """Get a run with what became of its attempt."""
        run = find_object(self._door.served, RUN_SOURCE, request, id, RUN_ID)
        return answer(view_run_detail(run, tuple(self._records_of(run))))

    def _records_of(self, run: Run) -> Iterator[UsageRecord]:
        """Yield the UsageRecords of the attempt: each has the name of the Sandbox of its try."""
        for done in attempt_status(run).tries:
            record = self._door.served.find(USAGE_RECORD_SOURCE, run.namespace, done.sandbox)
            if record is not None and record.spec.run_uid == run.uid:
                yield record

    async def create_run(self, request: Request, body: RunCreation, key: IdempotencyKey = None) -> Response:
        """Create and start a run."""
        caller, served = caller_of(request), self._door.served
        url = find_repository_url(served, caller, body.github_repo_url, body.workflow_id, "workflowId")
        creation = Creation(caller, _PATH, body.title or body.prompt, body.model_dump(mode="json"), key)
        run = await self._door.writer.create(RUN_SOURCE, creation, build_run_spec(body, url), NAMES)
        seconds = self._accept_wait_seconds
        seen = await served.wait(RUN_SOURCE, caller.namespace, run.name, is_run_accepted, seconds)
        return answer(view_run_state(seen or run), HTTPStatus.CREATED)

    async def cancel_run(self, request: Request, id: str) -> Response:  # noqa: A002
        """Stop a run. It stays, cancelled, once its sandbox has stopped."""
        name = read_id(id, RUN_ID)
        run = await self._door.writer.change(RUN_SOURCE, caller_of(request), name, cancel_run, NAMES)
        return answer(view_run_state(run), changed=run)

    async def retry_run(self, request: Request, id: str) -> Response:  # noqa: A002
        """Start a finished run again, as a new attempt with the workflow as it is now."""
        name = read_id(id, RUN_ID)
        run = await self._door.writer.change(RUN_SOURCE, caller_of(request), name, retry_run, NAMES)
        return answer(view_run_state(run), changed=run)


def add_runs(router: APIRouter, door: Door, accept_wait_seconds: float) -> None:
    """Add the operations on runs to a router."""
    runs = _Runs(door, accept_wait_seconds)
    operations = Operations(router, RUN_SOURCE.resource.plural, RUN_ID)
    operations.add("GET", _PATH, "list", runs.list_runs, Page[RunView])
    operations.add("POST", _PATH, "create", runs.create_run, Data[RunState], status=HTTPStatus.CREATED)
    operations.add("GET", _ONE, "get", runs.get_run, Data[RunDetail])
    operations.add("POST", f"{_ONE}/cancel", "update", runs.cancel_run, Data[RunState])
    operations.add("POST", f"{_ONE}/retry", "update", runs.retry_run, Data[RunState])
