"""The operations on issue sessions; their deletion is one of the trash."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.address import split_issue_address
from codecourier.apiserver.answers import Data, Page, answer
from codecourier.apiserver.callers import Caller
from codecourier.apiserver.ids import ISSUE_SESSION_ID, read_id
from codecourier.apiserver.listing import Listing
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import IdempotencyKey, find_object, find_repository_url
from codecourier.apiserver.views.issue_session import (
    NAMES,
    FollowUp,
    SessionCreation,
    SessionDetail,
    SessionQuery,
    SessionState,
    SessionView,
    ask_follow_up,
    build_session_spec,
    is_listed,
    title_of_new,
    view_session,
    view_session_detail,
    view_session_state,
)
from codecourier.apiserver.writing import Creation
from codecourier.core.shared.consent import is_same_repository
from codecourier.kinds.sources import ISSUE_SESSION_SOURCE

__all__ = ["add_issue_sessions"]

_PATH = "/issue-sessions"
_ONE = f"{_PATH}/{{id}}"


class _Sessions:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._list = Listing(door, ISSUE_SESSION_SOURCE, view_session)

    async def list_issue_sessions(self, request: Request, query: Annotated[SessionQuery, Query()]) -> Response:
        """List the issue sessions of the project, newest first."""
        return self._list.answer(caller_of(request).namespace, query, is_listed)

    async def get_issue_session(self, request: Request, id: str) -> Response:  # noqa: A002
        """Get an issue session with its runs."""
        found = find_object(self._door.served, ISSUE_SESSION_SOURCE, request, id, ISSUE_SESSION_ID)
        return answer(view_session_detail(found))

    async def create_issue_session(
        self, request: Request, body: SessionCreation, key: IdempotencyKey = None
    ) -> Response:
        """Create an issue session, which works on an issue."""
        caller = caller_of(request)
        url = self._find_issue(caller, body)
        creation = Creation(caller, _PATH, title_of_new(body), body.model_dump(mode="json"), key)
        session = await self._door.writer.create(ISSUE_SESSION_SOURCE, creation, build_session_spec(body, url), NAMES)
        return answer(view_session_state(session), HTTPStatus.CREATED)

    async def follow_up_issue_session(self, request: Request, id: str, body: FollowUp) -> Response:  # noqa: A002
        """Ask an issue session for another run."""
        name, writer, text = read_id(id, ISSUE_SESSION_ID), self._door.writer, body.instruction
        session = await writer.change(
            ISSUE_SESSION_SOURCE, caller_of(request), name, lambda found: ask_follow_up(found, text), {}
        )
        return answer(view_session(session), changed=session)

    def _find_issue(self, caller: Caller, body: SessionCreation) -> str:
        """Return the address of the issue, once all that the body names is there."""
        repository, number = split_issue_address(body.issue_url)
        known = find_repository_url(
            self._door.served, caller, repository, body.workflow_id, "workflowId", repository_field="issueUrl"
        )
        return body.issue_url if is_same_repository(known, repository) else f"{known}/issues/{number}"


def add_issue_sessions(router: APIRouter, door: Door) -> None:
    """Add the operations on issue sessions to a router."""
    sessions = _Sessions(door)
    operations = Operations(router, ISSUE_SESSION_SOURCE.resource.plural, ISSUE_SESSION_ID)
    operations.add("GET", _PATH, "list", sessions.list_issue_sessions, Page[SessionView])
    created, shown = Data[SessionState], Data[SessionView]
    operations.add("POST", _PATH, "create", sessions.create_issue_session, created, status=HTTPStatus.CREATED)
    operations.add("GET", _ONE, "get", sessions.get_issue_session, Data[SessionDetail])
    conflict = (HTTPStatus.CONFLICT,)
    operations.add("POST", f"{_ONE}/follow-up", "update", sessions.follow_up_issue_session, shown, errors=conflict)
