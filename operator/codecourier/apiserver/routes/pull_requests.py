"""The operations on pull requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Page, cut, page_of
from codecourier.apiserver.ids import RUN_ID
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.views.pull_request import PullRequestQuery, PullRequestView, is_shown, view_pull_request
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.resources.run import Run

__all__ = ["add_pull_requests"]


class _PullRequests:
    def __init__(self, door: Door) -> None:
        self._door = door

    async def list_pull_requests(self, request: Request, query: Annotated[PullRequestQuery, Query()]) -> Response:
        """List the pull requests of the project's runs, as the operator last saw them, newest run first."""
        runs = self._find(caller_of(request).namespace, query)
        page, cursor = cut((run for run in runs if is_shown(run, query.status)), query)
        return page_of((view_pull_request(run, made) for run in page if (made := run.status.pull_request)), cursor)

    def _find(self, namespace: str, query: PullRequestQuery) -> Iterable[Run]:
        served = self._door.served
        if query.runId is None:
            return served.list(RUN_SOURCE, namespace)
        found = served.find(RUN_SOURCE, namespace, query.runId)
        return () if found is None else (found,)


def add_pull_requests(router: APIRouter, door: Door) -> None:
    """Add the operations on pull requests to a router."""
    pulls = _PullRequests(door)
    operations = Operations(router, RUN_SOURCE.resource.plural, RUN_ID, "pullrequests")
    operations.add("GET", "/pull-requests", "list", pulls.list_pull_requests, Page[PullRequestView])
