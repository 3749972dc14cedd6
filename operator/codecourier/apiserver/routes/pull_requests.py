"""The operations on pull requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, PageQuery, Place, answer, cut_by, page_of, place_of
from codecourier.apiserver.discovery import Offer
from codecourier.apiserver.ids import MERGE_JOB_ID, RUN_ID, parse_maker, read_maker
from codecourier.apiserver.listing import Listing, answer_rows, merge_rows
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.routes.kubernetes import KubernetesView
from codecourier.apiserver.routes.shared import IdempotencyKey, find_object
from codecourier.apiserver.served import Served
from codecourier.apiserver.tables import Column, Item
from codecourier.apiserver.views.merge_job import is_merge_accepted, view_created_status
from codecourier.apiserver.views.pull_request import (
    PullRequestQuery,
    PullRequestView,
    is_shown,
    is_unified_shown,
    view_pull_request,
    view_unified_pull_request,
)
from codecourier.apiserver.views.pull_request_merge import (
    Mergeable,
    MergeOrder,
    MergeOrdered,
    build_single_spec,
    choose_name,
    mergeable_of_job,
    mergeable_of_run,
)
from codecourier.apiserver.writing import Creation
from codecourier.kinds.policies import BYPASS_CI
from codecourier.kinds.sources import MERGE_JOB_SOURCE, RUN_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.pull_request import PullRequestPhase
from codecourier.resources.run import Run

__all__ = ["add_pull_requests", "view_pull_requests"]

_MERGES = MERGE_JOB_SOURCE.resource.plural
_LIST_MERGES = Right("list", _MERGES)
_BYPASS_CI = Right(BYPASS_CI, _MERGES)
_SQUASH = MergeOrder()

Maker = Run | MergeJob
"""What makes pull requests."""


def _prefix_of(maker: Maker) -> str:
    return RUN_ID if isinstance(maker, Run) else MERGE_JOB_ID


def _place(maker: Maker) -> Place:
    return place_of(maker)._replace(name=_prefix_of(maker) + maker.name)


def _find(served: Served, namespace: str, prefix: str, name: str, status: PullRequestPhase | None) -> Iterator[Maker]:
    """Yield what has an id, if its pull request is shown."""
    if prefix == RUN_ID:
        run = served.find(RUN_SOURCE, namespace, name)
        if run is not None and is_shown(run, status):
            yield run
        return
    job = served.find(MERGE_JOB_SOURCE, namespace, name)
    if job is not None and is_unified_shown(job, status):
        yield job


def _list(served: Served, namespace: str) -> Iterator[Maker]:
    """Yield what made the pull requests that are shown, newest first."""
    runs: Iterable[Maker] = (run for run in served.list(RUN_SOURCE, namespace) if is_shown(run, None))
    jobs = (job for job in served.list(MERGE_JOB_SOURCE, namespace) if is_unified_shown(job, None))
    return merge(runs, jobs, key=_place, reverse=True)


def _view(maker: Maker) -> PullRequestView | None:
    if isinstance(maker, Run):
        made = maker.status.pull_request
        return None if made is None else view_pull_request(maker, made)
    result = maker.status.result
    return None if result is None else view_unified_pull_request(maker, result)


def _is_run_listed(run: Run, query: PullRequestQuery) -> bool:
    return is_shown(run, query.status)


def _is_job_listed(job: MergeJob, query: PullRequestQuery) -> bool:
    return is_unified_shown(job, query.status)


class _PullRequests:
    def __init__(self, door: Door, accept_wait_seconds: float) -> None:
        self._door = door
        self._runs = Listing(door, RUN_SOURCE, _view)
        self._jobs = Listing(door, MERGE_JOB_SOURCE, _view)
        self._accept_wait_seconds = accept_wait_seconds

    async def list_pull_requests(self, request: Request, query: Annotated[PullRequestQuery, Query()]) -> Response:
        """List the pull requests of the project's runs and merges, as the operator last saw them, newest first."""
        namespace = caller_of(request).namespace
        with_merges = await self._may_list_merges(request)
        if query.runId is not None:
            prefix, name = parse_maker(query.runId)
            is_hidden = prefix == MERGE_JOB_ID and not with_merges
            found = () if is_hidden else _find(self._door.served, namespace, prefix, name, query.status)
            page, cursor = cut_by(found, query, _place)
            return page_of((view for maker in page if (view := _view(maker)) is not None), cursor)
        rows = {RUN_ID: self._runs.rows(namespace, query, _is_run_listed)}
        if with_merges:
            rows[MERGE_JOB_ID] = self._jobs.rows(namespace, query, _is_job_listed)
        return answer_rows(merge_rows(rows), query, self._door.turns)

    async def _may_list_merges(self, request: Request) -> bool:
        try:
            await self._door.check(request, _LIST_MERGES, "")
        except Refusal as refusal:
            if refusal.status_code != HTTPStatus.FORBIDDEN:
                raise
            return False
        return True

    async def merge_pull_request(
        self,
        request: Request,
        id: str,  # noqa: A002
        body: MergeOrder = _SQUASH,
        key: IdempotencyKey = None,
    ) -> Response:
        """Merge the pull request of a run, or the new one of a merge, once its checks have passed."""
        if body.skip_ci_check:
            await self._door.check(request, _BYPASS_CI, "")
        caller, served = caller_of(request), self._door.served
        prefix, name = read_maker(id)
        route = f"/pull-requests/{prefix}{name}/merge"
        creation = Creation(caller, route, "", body.model_dump(mode="json"), key)
        jobs = served.store.cache(MERGE_JOB_SOURCE.resource)
        writer, source = self._door.writer, MERGE_JOB_SOURCE

        def build() -> tuple[str, Json]:
            pull = self._find_mergeable(request, prefix, name)
            return choose_name(pull, jobs.list(caller.namespace)), build_single_spec(body, pull)

        job = await writer.create_next(source, creation, build, {})
        seconds = self._accept_wait_seconds
        seen = await served.wait(source, caller.namespace, job.name, is_merge_accepted, seconds) or job
        shown = MergeOrdered(merge_job_id=MERGE_JOB_ID + job.name, status=view_created_status(seen))
        return answer(shown, HTTPStatus.CREATED)

    def _find_mergeable(self, request: Request, prefix: str, name: str) -> Mergeable:
        served = self._door.served
        if prefix == RUN_ID:
            return mergeable_of_run(find_object(served, RUN_SOURCE, request, name, RUN_ID))
        return mergeable_of_job(find_object(served, MERGE_JOB_SOURCE, request, name, MERGE_JOB_ID))


class _Items:
    """The pull requests for kubectl: that of a run by its name, the new one of a merge by the merge's id."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def page(self, namespace: str, limit: int | None, cursor: str | None) -> tuple[list[Item], str | None]:
        """See `ItemSource.page`."""
        page, rest = cut_by(_list(self._served, namespace), PageQuery(limit=limit, cursor=cursor), _place)
        return list(_items(page)), rest

    async def find(self, namespace: str, name: str) -> Item | None:
        """See `ItemSource.find`."""
        prefix, plain = (MERGE_JOB_ID, name.removeprefix(MERGE_JOB_ID)) if "_" in name else (RUN_ID, name)
        return next(_items(_find(self._served, namespace, prefix, plain, None)), None)


def _items(makers: Iterable[Maker]) -> Iterator[Item]:
    for maker in makers:
        view = _view(maker)
        if view is None:
            continue
        created = maker.metadata.creation_timestamp
        name = maker.name if isinstance(maker, Run) else MERGE_JOB_ID + maker.name
        time = None if created is None else created.isoformat().replace("+00:00", "Z")
        yield Item(name, view.model_dump(mode="json", by_alias=True), time)


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


def add_pull_requests(router: APIRouter, door: Door, accept_wait_seconds: float) -> None:
    """Add the operations on pull requests to a router."""
    pulls = _PullRequests(door, accept_wait_seconds)
    tag = "pullrequests"
    runs = Operations(router, RUN_SOURCE.resource.plural, RUN_ID, tag)
    runs.add("GET", "/pull-requests", "list", pulls.list_pull_requests, Page[PullRequestView])
    merges = Operations(router, _MERGES, RUN_ID, tag)
    path, shows = "/pull-requests/{id}/merge", Data[MergeOrdered]
    merges.add("POST", path, "create", pulls.merge_pull_request, shows, status=HTTPStatus.CREATED)
