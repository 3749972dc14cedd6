"""The operations on pull requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Page, PageQuery, cut, page_of
from codecourier.apiserver.discovery import Offer
from codecourier.apiserver.ids import RUN_ID
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.kubernetes import KubernetesView
from codecourier.apiserver.served import Served
from codecourier.apiserver.tables import Column, Item
from codecourier.apiserver.views.pull_request import PullRequestQuery, PullRequestView, is_shown, view_pull_request
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.resources.run import Run

__all__ = ["add_pull_requests", "view_pull_requests"]


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


class _Items:
    """The pull requests for kubectl, each by the name of its run."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def page(self, namespace: str, limit: int | None, cursor: str | None) -> tuple[list[Item], str | None]:
        """See `ItemSource.page`."""
        runs = (run for run in self._served.list(RUN_SOURCE, namespace) if is_shown(run, None))
        page, rest = cut(runs, PageQuery(limit=limit, cursor=cursor))
        return [item for run in page if (item := _item_of(run)) is not None], rest

    async def find(self, namespace: str, name: str) -> Item | None:
        """See `ItemSource.find`."""
        run = self._served.find(RUN_SOURCE, namespace, name)
        return None if run is None or not is_shown(run, None) else _item_of(run)


def _item_of(run: Run) -> Item | None:
    made, created = run.status.pull_request, run.metadata.creation_timestamp
    if made is None:
        return None
    shown = view_pull_request(run, made).model_dump(mode="json", by_alias=True)
    return Item(run.name, shown, None if created is None else created.isoformat().replace("+00:00", "Z"))


def view_pull_requests(served: Served) -> KubernetesView:
    """Return what kubectl shows of pull requests."""
    columns = (
        Column("Number", "prNumber", "integer"),
        Column("Status", "prStatus"),
        Column("State", "prState"),
        Column("Title", "runName"),
        Column("URL", "prUrl", priority=1),
    )
    offer = Offer("pullrequests", "pullrequest", "PullRequest", ("pr",))
    return KubernetesView(offer, columns, _Items(served))


def add_pull_requests(router: APIRouter, door: Door) -> None:
    """Add the operations on pull requests to a router."""
    pulls = _PullRequests(door)
    operations = Operations(router, RUN_SOURCE.resource.plural, RUN_ID, "pullrequests")
    operations.add("GET", "/pull-requests", "list", pulls.list_pull_requests, Page[PullRequestView])
