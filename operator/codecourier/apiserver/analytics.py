"""What the analytics show, from the caches and the running sums: usage newest first, days, Runs ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import NamedTuple

from codecourier.apiserver.spans import Span
from codecourier.apiserver.sums import ProjectSums
from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.shared.daily import DayCount, count_total_runs, is_seal
from codecourier.core.shared.naming import stats_name
from codecourier.kinds.sources import DAILY_STATS_SOURCE, USAGE_RECORD_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.daily_stats import DailyStatsSpec
from codecourier.resources.usage_record import UsageItem, UsageRecord

__all__ = ["BY_DAY", "UsagePlace", "UsageRow", "count_runs_ever", "finish_day", "list_days", "list_usage"]

BY_DAY = "day"
"""Index of the UsageRecords by namespace and the UTC day on which the try ended."""


class UsagePlace(NamedTuple):
    """Where a row is in the order of the list: newest first, and of one instant the last name first."""

    finish: str
    """When the try ended, RFC 3339 to the microsecond in UTC."""

    name: str
    number: int
    """Which item of the record, from 0."""


class UsageRow(NamedTuple):
    """One item of a record."""

    record: UsageRecord
    number: int

    @property
    def item(self) -> UsageItem:
        """What was consumed."""
        return self.record.spec.items[self.number]

    @property
    def place(self) -> UsagePlace:
        """Where it is in the list."""
        return UsagePlace(
            self.record.spec.finish_time.isoformat(timespec="microseconds"), self.record.name, self.number
        )


def finish_day(record: Json) -> list[tuple[str, date]]:
    """Return the key of a record in the index by day; one whose time cannot be read has none."""
    try:
        finish = datetime.fromisoformat((record.get("spec") or {})["finishTime"])
        day = finish.astimezone(UTC).date()
    except (KeyError, OverflowError, TypeError, ValueError):
        return []
    return [(record["metadata"]["namespace"], day)]


def list_usage(
    store: Store,
    namespace: str,
    span: Span,
    after: UsagePlace | None = None,
    source: Source[UsageRecord] = USAGE_RECORD_SOURCE,
) -> Iterator[UsageRow]:
    """Yield what was consumed in a range of time, newest first; a day is read once its first row is asked for.

    Parameters
    ----------
    store
        The cached records, with the index by day.
    namespace
        The project.
    span
        The range.
    after
        The last row that is not wanted any more; None: from the newest on.
    source
        How records are read.
    """
    for day in reversed(list(span.days)):
        if after is not None and day.isoformat() > after.finish[:10]:
            continue
        found = [
            record
            for record in store.by_index(source, BY_DAY, (namespace, day))
            if span.start <= record.spec.finish_time <= span.end
        ]
        found.sort(key=lambda record: (record.spec.finish_time, record.name), reverse=True)
        for record in found:
            rows = (UsageRow(record, number) for number in range(len(record.spec.items)))
            yield from (row for row in rows if after is None or _is_after(row.place, after))


def _is_after(place: UsagePlace, after: UsagePlace) -> bool:
    if place[:2] != after[:2]:
        return place[:2] < after[:2]
    return place.number > after.number


def list_days(store: Store, namespace: str, sums: ProjectSums, days: Iterable[date]) -> Iterator[tuple[date, DayCount]]:
    """Yield what happened on each day: what its seal says, or else the objects that are there."""
    for day in days:
        seal = _find_seal(store, namespace, stats_name(day))
        yield day, sums.days.get(day, DayCount()) if seal is None else DayCount.of(seal)


def count_runs_ever(store: Store, namespace: str, sums: ProjectSums) -> int:
    """Return how many Runs a project has had."""
    names = sorted(store.cache(DAILY_STATS_SOURCE.resource).names(namespace), reverse=True)
    seals = (_find_seal(store, namespace, name) for name in names)
    last = next((seal for seal in seals if seal is not None), None)
    return count_total_runs(() if last is None else (last,), sums.days)


def _find_seal(store: Store, namespace: str, name: str) -> DailyStatsSpec | None:
    obj = store.raw(DAILY_STATS_SOURCE.resource, namespace, name)
    found = () if obj is None else store.readable(DAILY_STATS_SOURCE, (obj,))
    return next((stats.spec for stats in found if is_seal(stats)), None)
