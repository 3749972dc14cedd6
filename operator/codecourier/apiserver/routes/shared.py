"""What the operations of several kinds have in common."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Header, Query, Request

from codecourier.apiserver.answers import PageQuery
from codecourier.apiserver.callers import Caller
from codecourier.apiserver.ids import read_id
from codecourier.apiserver.refusal import Detail, Refusal
from codecourier.apiserver.route import caller_of
from codecourier.apiserver.served import Served
from codecourier.cache.source import Source
from codecourier.core.shared.trash import is_trashed
from codecourier.kinds.sources import WORKFLOW_SOURCE
from codecourier.resources.meta import CustomResource

__all__ = ["IdempotencyKey", "PartOfList", "find_object", "find_workflow_problem"]

R = TypeVar("R", bound=CustomResource)

PartOfList = Annotated[PageQuery, Query()]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key")]


def find_object(served: Served, source: Source[R], request: Request, text: str, prefix: str) -> R:
    """Return the object that an id in a path names.

    Raises
    ------
    Refusal
        400 for an id of another kind, 404 if the project has no such object.
    """
    found = served.find(source, caller_of(request).namespace, read_id(text, prefix))
    if found is None:
        raise Refusal(HTTPStatus.NOT_FOUND, f"There is no such {source.resource.kind} in this project.")
    return found


def find_workflow_problem(served: Served, caller: Caller, name: str, field: str) -> Detail | None:
    """Return what is wrong with the Workflow that a field of a body names; None: nothing."""
    workflow = served.find(WORKFLOW_SOURCE, caller.namespace, name)
    if workflow is None:
        return Detail(field=field, message="There is no such workflow in this project.")
    if is_trashed(workflow):
        return Detail(field=field, message="The workflow is in the trash. Restore it, or name another one.")
    return None
