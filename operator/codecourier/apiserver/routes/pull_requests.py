"""The operations on pull requests."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Page, PageQuery, cut, page_of
from codecourier.apiserver.discovery import Offer
from codecourier.apiserver.ids import RUN_ID
from codecourier.apiserver.listing import Listing
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
        self._list = Listing(door, RUN_SOURCE, _view)

    async def list_pull_requests(self, request: Request, query: Annotated[PullRequestQuery, Query()]) -> Response:
        """List the pull requests of the project's runs, as the operator last saw them, newest run first."""
        namespace = caller_of(request).namespace
        if query.runId is None:
            return self._list.answer(namespace, query, _is_listed)
        found = self._door.served.find(RUN_SOURCE, namespace, query.runId)
        page, cursor = cut([found] if found is not None and is_shown(found, query.status) else [], query)
        return page_of((view for run in page if (view := _view(run)) is not None), cursor)


def _is_listed(run: Run, query: PullRequestQuery) -> bool:
    return is_shown(run, query.status)


def _view(run: Run) -> PullRequestView | None:
    made = run.status.pull_request
    return None if made is None else view_pull_request(run, made)


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
