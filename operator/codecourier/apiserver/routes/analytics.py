"""The operations on usage, days and counters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Annotated, NamedTuple, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, TypeAdapter

from codecourier.apiserver.analytics import count_runs_ever, list_days
from codecourier.apiserver.answers import Data, Page, answer, page_of, read_cursor, write_cursor
from codecourier.apiserver.ids import USAGE_ID
from codecourier.apiserver.inboxes import Inboxes
from codecourier.apiserver.listing import ListAnswer, Part
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.spans import SpanQuery, read_span
from codecourier.apiserver.usage import UsageList, UsagePlace
from codecourier.apiserver.views.analytics import CountersView, DayView, UsageView, view_counters, view_day
from codecourier.kinds.sources import RUN_SOURCE, USAGE_RECORD_SOURCE

__all__ = ["add_analytics"]

T = TypeVar("T")


class UsageQuery(SpanQuery):
    """Which usage is asked for."""

    service: Annotated[str, Field(max_length=256)] | None = None
    """Only what this service provided, such as `anthropic`; absent: all."""


class _DayPlace(NamedTuple):
    day: date


_USAGE_CURSOR = TypeAdapter(UsagePlace)
_DAY_CURSOR = TypeAdapter(_DayPlace)


def _take(rows: Iterable[T], limit: int | None) -> tuple[list[T], bool]:
    """Return at most so many rows, and whether there are more."""
    if limit is None:
        return list(rows), False
    found = list(islice(rows, limit + 1))
    return found[:limit], len(found) > limit


class _Analytics:
    def __init__(self, door: Door, inboxes: Inboxes, now: Callable[[], datetime]) -> None:
        self._door = door
        kept = door.served.rendered.keep(USAGE_RECORD_SOURCE.resource)
        self._usage = UsageList(door.served.store, kept)
        self._inboxes = inboxes
        self._now = now

    async def list_usage(self, request: Request, query: Annotated[UsageQuery, Query()]) -> Response:
        """List what the runs of the project consumed, newest first."""
        span = read_span(query, self._now())
        after = None if query.cursor is None else read_cursor(query.cursor, _USAGE_CURSOR)
        rows = partial(self._usage.rows, caller_of(request).namespace, span, query.service)
        return ListAnswer(rows, Part(query.limit, after, write_cursor), self._door.turns)

    async def list_daily_stats(self, request: Request, query: Annotated[SpanQuery, Query()]) -> Response:
        """List the days of a range in order, with what happened on each of them."""
        span, namespace = read_span(query, self._now()), caller_of(request).namespace
        after = date.min if query.cursor is None else read_cursor(query.cursor, _DAY_CURSOR).day
        days = (day for day in span.days if day > after)
        counts = list_days(self._door.served.store, namespace, self._door.served.sums.project(namespace), days)
        page, is_more = _take(counts, query.limit)
        cursor = write_cursor(_DayPlace(page[-1][0])) if is_more else None
        return page_of((view_day(day, count) for day, count in page), cursor)

    async def get_counters(self, request: Request) -> Response:
        """Count what the project has now."""
        caller, served = caller_of(request), self._door.served
        sums = served.sums.project(caller.namespace)
        total_runs = count_runs_ever(served.store, caller.namespace, sums)
        return answer(view_counters(sums.objects, total_runs, self._inboxes.count_unread(caller)))


def add_analytics(router: APIRouter, door: Door, inboxes: Inboxes, now: Callable[[], datetime]) -> None:
    """Add the operations on usage, days and counters to a router."""
    analytics = _Analytics(door, inboxes, now)
    operations = Operations(router, USAGE_RECORD_SOURCE.resource.plural, USAGE_ID, tag="analytics")
    operations.add("GET", "/analytics/usage", "list", analytics.list_usage, Page[UsageView])
    operations.add("GET", "/analytics/daily-stats", "list", analytics.list_daily_stats, Page[DayView])
    counted = Right("list", RUN_SOURCE.resource.plural)
    operations.add("GET", "/analytics/counters", "list", analytics.get_counters, Data[CountersView], right=counted)
