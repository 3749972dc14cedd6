"""Kinds whose objects are only listed and read: workflows and sandboxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from fastapi import APIRouter, Request, Response

from codecourier.apiserver.answers import Data, Page, View, answer
from codecourier.apiserver.ids import SANDBOX_ID, WORKFLOW_ID
from codecourier.apiserver.listing import Listing
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import PartOfList, find_object
from codecourier.apiserver.views.sandbox import SandboxDetail, SandboxView, view_sandbox, view_sandbox_detail
from codecourier.apiserver.views.workflow import WorkflowDetail, WorkflowView, view_workflow, view_workflow_detail
from codecourier.cache.source import Source
from codecourier.kinds.sources import SANDBOX_SOURCE, WORKFLOW_SOURCE
from codecourier.resources.meta import CustomResource

__all__ = ["add_sandboxes", "add_workflows"]

R = TypeVar("R", bound=CustomResource)


class _Reading(Generic[R]):
    def __init__(
        self, door: Door, source: Source[R], prefix: str, row: Callable[[R], View], detail: Callable[[R], View]
    ) -> None:
        self._door = door
        self._source = source
        self._prefix = prefix
        self._list = Listing(door, source, row)
        self._detail = detail

    def page(self, request: Request, query: PartOfList) -> Response:
        return self._list.answer(caller_of(request).namespace, query)

    def one(self, request: Request, text: str) -> Response:
        return answer(self._detail(find_object(self._door.served, self._source, request, text, self._prefix)))


def add_workflows(router: APIRouter, door: Door) -> None:
    """Add the operations on workflows to a router."""
    workflows = _Reading(door, WORKFLOW_SOURCE, WORKFLOW_ID, view_workflow, view_workflow_detail)

    async def list_workflows(request: Request, query: PartOfList) -> Response:
        """List the workflows of the project, newest first."""
        return workflows.page(request, query)

    async def get_workflow(request: Request, id: str) -> Response:  # noqa: A002
        """Get a workflow with its settings. Values of variables are not shown."""
        return workflows.one(request, id)

    operations = Operations(router, WORKFLOW_SOURCE.resource.plural, WORKFLOW_ID)
    operations.add("GET", "/workflows", "list", list_workflows, Page[WorkflowView])
    operations.add("GET", "/workflows/{id}", "get", get_workflow, Data[WorkflowDetail])


def add_sandboxes(router: APIRouter, door: Door) -> None:
    """Add the operations on sandboxes to a router."""
    sandboxes = _Reading(door, SANDBOX_SOURCE, SANDBOX_ID, view_sandbox, view_sandbox_detail)

    async def list_sandboxes(request: Request, query: PartOfList) -> Response:
        """List the sandboxes of the project, newest first."""
        return sandboxes.page(request, query)

    async def get_sandbox(request: Request, id: str) -> Response:  # noqa: A002
        """Get a sandbox with its steps."""
        return sandboxes.one(request, id)

    operations = Operations(router, SANDBOX_SOURCE.resource.plural, SANDBOX_ID)
    operations.add("GET", "/sandboxes", "list", list_sandboxes, Page[SandboxView])
    operations.add("GET", "/sandboxes/{id}", "get", get_sandbox, Data[SandboxDetail])
