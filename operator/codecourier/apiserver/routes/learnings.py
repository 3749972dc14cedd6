"""The operations on learnings; their deletion is one of the trash."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, answer
from codecourier.apiserver.ids import LEARNING_ID, read_id
from codecourier.apiserver.listing import Listing
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import find_object
from codecourier.apiserver.views.learning import (
    LearningQuery,
    LearningView,
    accept_learning,
    is_listed,
    view_learning,
)
from codecourier.kinds.sources import LEARNING_SOURCE

__all__ = ["add_learnings"]

_PATH = "/learnings"
_ONE = f"{_PATH}/{{id}}"


class _Learnings:
    def __init__(self, door: Door) -> None:
        self._door = door
        self._list = Listing(door, LEARNING_SOURCE, view_learning)

    async def list_learnings(self, request: Request, query: Annotated[LearningQuery, Query()]) -> Response:
        """List the learnings of the project, newest first."""
        return self._list.answer(caller_of(request).namespace, query, is_listed)

    async def get_learning(self, request: Request, id: str) -> Response:  # noqa: A002
        """Get a learning."""
        return answer(view_learning(find_object(self._door.served, LEARNING_SOURCE, request, id, LEARNING_ID)))

    async def accept_learning(self, request: Request, id: str) -> Response:  # noqa: A002
        """Accept a learning: the agents of later attempts are given it."""
        name, writer = read_id(id, LEARNING_ID), self._door.writer
        learning = await writer.change(LEARNING_SOURCE, caller_of(request), name, accept_learning, {})
        return answer(view_learning(learning), changed=learning)


def add_learnings(router: APIRouter, door: Door) -> None:
    """Add the operations on learnings to a router."""
    learnings = _Learnings(door)
    operations = Operations(router, LEARNING_SOURCE.resource.plural, LEARNING_ID)
    operations.add("GET", _PATH, "list", learnings.list_learnings, Page[LearningView])
    operations.add("GET", _ONE, "get", learnings.get_learning, Data[LearningView])
    operations.add("POST", f"{_ONE}/accept", "update", learnings.accept_learning, Data[LearningView])
