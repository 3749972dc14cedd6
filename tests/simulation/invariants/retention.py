"""Invariant 15, watched: nothing of an unsealed day is collected, and a sealed day says what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import TypeVar

from pydantic import ValidationError

from codecourier.core.shared.daily import DayCount, count_days, record_events, run_events
from codecourier.kinds.api_resources import DAILY_STATS, RUNS, USAGE_RECORDS
from codecourier.kube.api import Json, Resource
from codecourier.resources.daily_stats import DailyStatsSpec
from codecourier.resources.meta import CustomResource
from codecourier.resources.run import Run
from codecourier.resources.usage_record import UsageRecord
from tests.simulation.invariants.objects import is_unfinished
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change

__all__ = ["RetentionWatch"]

M = TypeVar("M", bound=CustomResource)

_FRESH_SECONDS = 90.0
"""How long after a change of a day an operator may not have heard of it, where its clock has jumped over the grace."""


def _readable(model: type[M], objects: Iterable[Json]) -> list[M]:
    """Return the objects that this version can read; the others count on no day."""
    found = []
    for obj in objects:
        with suppress(ValidationError):
            found.append(model.model_validate(obj))
    return found


def _days_of_run(run: Json) -> set[date]:
    return {day for model in _readable(Run, (run,)) for day, _ in run_events(model)}


def _days_of_record(record: Json) -> set[date]:
    return {day for model in _readable(UsageRecord, (record,)) for day, _ in record_events(model)}


_DAYS: Mapping[Resource, Callable[[Json], set[date]]] = {RUNS: _days_of_run, USAGE_RECORDS: _days_of_record}


class RetentionWatch:
    """Sees what controllers seal and collect.

    Parameters
    ----------
    scene
        What is looked at.
    is_watching
        Tells whether controllers, not users or the end of the namespace, change something now.
    """

    def __init__(self, scene: Scene, is_watching: Callable[[], bool]) -> None:
        self._scene = scene
        self._is_watching = is_watching
        self._changed: dict[date, float] = {}
        self._sealed: set[tuple[str, date]] = set()
        self.collected = 0
        """How many Runs and UsageRecords controllers have collected."""

    def restored(self) -> None:
        """Forget what was sealed: the API server lost it, too."""
        self._sealed.clear()

    def counted_changed(self, change: Change) -> None:
        """Check a change of a Run or UsageRecord, which statistics count."""
        days_of, now = _DAYS[change.identity[0]], asyncio.get_running_loop().time()
        for obj in (change.new.obj, *(() if change.old is None else (change.old.obj,))):
            self._changed.update(dict.fromkeys(days_of(obj), now))
        if not _is_deletion(change) or not self._is_watching():
            return
        self.collected += 1
        what, namespace = f"{change.identity[0].kind} {change.identity[2]}", change.identity[1]
        if change.identity[0] == RUNS and is_unfinished(change.new.obj):
            self._fail(f"{what} is collected and not finished")
        for day in days_of(change.new.obj) - set(self._days(namespace)):
            self._fail(f"{what} is collected and its day {day} is not sealed")

    def day_sealed(self, change: Change) -> None:
        """Check a seal: it is the first one of its day, and says what the cluster holds."""
        if change.type != "ADDED" or not self._is_watching():
            return
        spec = DailyStatsSpec.model_validate(change.new.obj["spec"])
        namespace = change.identity[1]
        if (namespace, spec.day) in self._sealed:
            self._fail(f"{spec.day} is sealed twice")
        self._sealed.add((namespace, spec.day))
        if asyncio.get_running_loop().time() - self._changed.get(spec.day, -_FRESH_SECONDS) < _FRESH_SECONDS:
            return
        truth = count_days(self._all(Run, RUNS, namespace), self._all(UsageRecord, USAGE_RECORDS, namespace))
        if DayCount.of(spec) != truth.get(spec.day, DayCount()):
            self._fail(f"the seal of {spec.day} says {DayCount.of(spec)} and not {truth.get(spec.day)}")

    def _days(self, namespace: str) -> Iterator[date]:
        for stored in self._scene.store.list(DAILY_STATS, namespace):
            yield date.fromisoformat(stored.obj["spec"]["day"])

    def _all(self, model: type[M], resource: Resource, namespace: str) -> list[M]:
        return _readable(model, (stored.obj for stored in self._scene.store.list(resource, namespace)))

    def _fail(self, text: str) -> None:
        self._scene.fail("15", text)


def _is_deletion(change: Change) -> bool:
    """Tell whether a change is the one by which an object is deleted: with a finalizer, it goes later."""
    was_going = change.old is not None and "deletionTimestamp" in change.old.metadata
    is_going = change.type == "DELETED" or "deletionTimestamp" in change.new.metadata
    return is_going and not was_going
