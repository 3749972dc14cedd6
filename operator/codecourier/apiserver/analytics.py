"""What the analytics show, from the caches and the running sums: days, Runs ever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from codecourier.apiserver.sums import ProjectSums
from codecourier.cache.store import Store
from codecourier.core.shared.daily import DayCount, count_total_runs, is_seal
from codecourier.core.shared.naming import stats_name
from codecourier.kinds.sources import DAILY_STATS_SOURCE
from codecourier.resources.daily_stats import DailyStatsSpec

__all__ = [
    "count_runs_ever",
    "list_days",
]


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
