"""The operations on the Project."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from codecourier.apiserver.answers import Data, answer
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.shared import find_object
from codecourier.apiserver.views.project import ProjectView, suspend_project, view_project
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.kinds.sources import PROJECT_SOURCE

__all__ = ["add_project"]


class _Project:
    def __init__(self, door: Door) -> None:
        self._door = door

    async def get_project(self, request: Request) -> Response:
        """Get the settings of the project."""
        return answer(view_project(find_object(self._door.served, PROJECT_SOURCE, request, PROJECT_NAME, "")))

    async def pause_project(self, request: Request) -> Response:
        """Pause the project: no further run starts, those that run go on."""
        return await self._suspend(request, wanted=True)

    async def resume_project(self, request: Request) -> Response:
        """End the pause of the project."""
        return await self._suspend(request, wanted=False)

    async def _suspend(self, request: Request, *, wanted: bool) -> Response:
        build = partial(suspend_project, wanted=wanted)
        project = await self._door.writer.change(PROJECT_SOURCE, caller_of(request), PROJECT_NAME, build, {})
        return answer(view_project(project), changed=project)


def add_project(router: APIRouter, door: Door) -> None:
    """Add the operations on the Project to a router."""
    project = _Project(door)
    operations = Operations(router, PROJECT_SOURCE.resource.plural, "")
    missing = (HTTPStatus.NOT_FOUND,)
    operations.add("GET", "/project", "get", project.get_project, Data[ProjectView], errors=missing)
    operations.add("POST", "/project/pause", "update", project.pause_project, Data[ProjectView], errors=missing)
    operations.add("POST", "/project/resume", "update", project.resume_project, Data[ProjectView], errors=missing)
