"""What retention reads: of each kind what is over, kept in the order in which it ended as objects change.

No look at a Project goes through what is not due: the oldest are in front, and one that something unfinished needs is
put back for an hour. A Project looks each day, and is woken where the trash changes; no other change of what is read
here wakes it. `core.project.retention` decides what may go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from heapq import merge
from typing import Any

from codecourier.cache.ordered import Ordered
from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.project.kept import KeptObject
from codecourier.core.shared.daily import DayCount, count_days, seal_days
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.kinds.kept_views import (
    NOT_OVER,
    Over,
    days_of_record,
    days_of_run,
    find_trash_time,
    view_daily_stats,
    view_learning,
    view_notification,
    view_run,
    view_trashed,
    view_usage_record,
)
from codecourier.kinds.needs import is_needed
from codecourier.kinds.relation import Edge, Index, Relation, View
from codecourier.kinds.sources import (
    DAILY_STATS_SOURCE,
    ISSUE_SESSION_SOURCE,
    LEARNING_SOURCE,
    NOTIFICATION_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    USAGE_RECORD_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Key, key_of
from codecourier.resources.daily_stats import DailyStats
from codecourier.resources.run import PullRequestPhase, Run, RunPhase

__all__ = ["KEPT", "SEALED_DAYS", "KeptInNamespace"]

_NAME = "kept"
_DAYS = "days with events"
_PUT_BACK = timedelta(hours=1)

_VIEWS: Mapping[str, tuple[Source[Any], Callable[[Json], Over]]] = {
    source.resource.kind: (source, view)
    for source, view in (
        (RUN_SOURCE, view_run),
        (NOTIFICATION_SOURCE, view_notification),
        (USAGE_RECORD_SOURCE, view_usage_record),
        (LEARNING_SOURCE, view_learning),
        (DAILY_STATS_SOURCE, view_daily_stats),
        (SANDBOX_SOURCE, view_trashed),
        (WORKFLOW_SOURCE, view_trashed),
        (ISSUE_SESSION_SOURCE, view_trashed),
    )
}

_Place = tuple[datetime, str]
"""Since when an object is over, or in the trash, and its name."""


class _Line:
    """Objects in the order of their places; some are put back until a time."""

    def __init__(self) -> None:
        self._places: Ordered[bool] = Ordered()
        self._later: Ordered[bool] = Ordered()
        self._until: dict[_Place, datetime] = {}

    def __len__(self) -> int:
        return len(self._places) + len(self._until)

    def put(self, place: _Place) -> None:
        self._places.put(place, item=True)

    def drop(self, place: _Place) -> None:
        self._places.drop(place)
        until = self._until.pop(place, None)
        if until is not None:
            self._later.drop((until, place))

    def put_back(self, place: _Place, until: datetime) -> None:
        self.drop(place)
        self._until[place] = until
        self._later.put((until, place), item=True)

    def places(self, now: datetime) -> Iterator[_Place]:
        """Yield the places in order; what is put back meanwhile changes nothing for those behind."""
        while self._until and self._later.key_at(0)[0] <= now:
            place = self._later.key_at(0)[1]
            self.drop(place)
            self.put(place)
        place = self._places.first_after(())
        while place is not None:
            yield place
            place = self._places.first_after(place)


class _Shelf:
    """What is over of one kind in one namespace."""

    def __init__(self) -> None:
        self.over: Ordered[bool] = Ordered()
        """Places of all, also of those that may not go."""

        self.line = _Line()
        self.trash = _Line()
        self.days: Counter[date] = Counter()
        """How many have an event on a day."""

        self.open: Ordered[bool] = Ordered()
        """Days of which something may not be recorded yet, with names."""

    @property
    def has_any(self) -> bool:
        """Whether there is anything on it."""
        return bool(self.over or self.trash or self.days)

    def put(self, name: str, over: Over) -> None:
        if over.time is not None:
            self.over.put((over.time, name), item=True)
            if over.is_free:
                self.line.put((over.time, name))
        if over.trash_time is not None:
            self.trash.put((over.trash_time, name))
        if over.open_day is not None:
            self.open.put((over.open_day, name), item=True)
        self.days.update(over.days)

    def drop(self, name: str, over: Over) -> None:
        if over.time is not None:
            self.over.drop((over.time, name))
            self.line.drop((over.time, name))
        if over.trash_time is not None:
            self.trash.drop((over.trash_time, name))
        if over.open_day is not None:
            self.open.drop((over.open_day, name))
        for day in over.days:
            self.days[day] -= 1
            if not self.days[day]:
                del self.days[day]


class _Shelves:
    """What is over of one kind, by namespace; it follows the cache of the kind."""

    def __init__(self, view: Callable[[Json], Over]) -> None:
        self._view = view
        self._shelves: dict[str, _Shelf] = {}

    def changed(self, old: Json | None, new: Json | None) -> None:
        """Take a change of one object, given as it was before (None: created) and after (None: gone)."""
        before = NOT_OVER if old is None else self._view(old)
        after = NOT_OVER if new is None else self._view(new)
        obj = new if new is not None else old
        if before == after or obj is None:
            return
        namespace, name = key_of(obj)
        shelf = self._shelves.setdefault(namespace, _Shelf())
        shelf.drop(name, before)
        shelf.put(name, after)

    def of(self, namespace: str) -> _Shelf:
        """Return the shelf of a namespace."""
        return self._shelves.get(namespace) or _Shelf()


class KeptInNamespace:
    """What is over in a namespace, as of now; see `codecourier.core.project.kept.Kept`.

    Parameters
    ----------
    view
        What is read from.
    namespace
        The namespace.
    """

    def __init__(self, view: View, namespace: str) -> None:
        self._view = view
        self._namespace = namespace

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there that may go some day, and nothing has happened that statistics count."""
        return not any(self._shelf(kind).has_any for kind in _VIEWS)

    @property
    def sealed_days(self) -> Collection[date]:
        """The days that are sealed."""
        return self._shelf("DailyStats").days.keys()

    def first_unsealed_day(self, end: date) -> date | None:
        """Return the first day before `end` on which something happened and that is not sealed; None: there is none."""
        sealed = self._shelf("DailyStats").days.keys()
        days = (self._shelf("Run").days.keys() | self._shelf("UsageRecord").days.keys()) - sealed
        return min((day for day in days if day < end), default=None)

    def first_open_day(self) -> date | None:
        """Return the first day of which something may not be recorded yet: a try is under way, or a record is owed."""
        key = self._shelf("Run").open.first_after(())
        return None if key is None else key[0]

    def seal(self, day: date, now: datetime) -> DailyStats:
        """Return what seals a day, by the objects that are there."""
        store, key = self._view.store, (self._namespace, day)
        found = store.cache(RUN_SOURCE.resource).by_index(_DAYS, key)
        runs = tuple(_slim(run) for run in found if (run.get("status") or {}).get("phase") in _KNOWN_PHASES)
        records = store.by_index(USAGE_RECORD_SOURCE, _DAYS, key)
        live = {day: count_days(runs, records).get(day, DayCount())}
        sealed = tuple(stats.spec for stats in self._sealed_before(day))
        (made,) = seal_days(self._namespace, sealed, live, day + timedelta(days=1), now)
        return made

    def oldest(self, kind: str, max_count: int | None, now: datetime) -> Iterator[KeptObject]:
        """Yield what may go of a kind, in the order in which it ended."""
        shelf = self._shelf(kind)
        beyond = 0 if max_count is None else len(shelf.over) - max_count
        last = shelf.over.key_at(beyond - 1) if beyond > 0 else None
        for place in shelf.line.places(now):
            yield self._read(kind, shelf.line, place, now, is_beyond=last is not None and place <= last)

    def trashed(self, now: datetime) -> Iterator[KeptObject]:
        """Yield what may go from the trash, of all kinds, in the order in which it was put there."""
        lines = ((kind, self._shelf(kind).trash) for kind in _VIEWS)
        places = (_of_kind(kind, line, now) for kind, line in lines)
        for place, kind in merge(*places):
            yield self._read(kind, self._shelf(kind).trash, place, now)

    def _shelf(self, kind: str) -> _Shelf:
        source, _ = _VIEWS[kind]
        shelves: _Shelves = self._view.store.follower(source.resource, _NAME)
        return shelves.of(self._namespace)

    def _read(self, kind: str, line: _Line, place: _Place, now: datetime, *, is_beyond: bool = False) -> KeptObject:
        source, view = _VIEWS[kind]
        obj = self._view.store.raw(source.resource, self._namespace, place[1])
        if obj is None:
            raise KeyError(place)
        days = view(obj).days if kind != "DailyStats" else ()
        needed = self._has_events(place[0].date()) if kind == "DailyStats" else is_needed(self._view, source, obj)
        if needed:
            line.put_back(place, now + _PUT_BACK)
        metadata = obj["metadata"]
        return KeptObject(
            kind=kind,
            name=metadata["name"],
            uid=metadata["uid"],
            version=metadata["resourceVersion"],
            time=place[0],
            last_day=days[-1] if days else None,
            is_needed=needed,
            is_beyond=is_beyond,
        )

    def _has_events(self, day: date) -> bool:
        return day in self._shelf("Run").days or day in self._shelf("UsageRecord").days

    def _sealed_before(self, day: date) -> Iterator[DailyStats]:
        """Yield the last sealed day before a day, which holds the Runs before it."""
        last = max((sealed for sealed in self._shelf("DailyStats").days if sealed < day), default=None)
        if last is not None:
            yield from self._view.store.by_index(DAILY_STATS_SOURCE, _DAYS, (self._namespace, last))


def _of_kind(kind: str, line: _Line, now: datetime) -> Iterator[tuple[_Place, str]]:
    return ((place, kind) for place in line.places(now))


_KNOWN_PHASES = frozenset({None, *(phase.value for phase in RunPhase)})
"""Phases of Runs that this version knows; a Run of another one counts on no day."""


def _slim(run: Json) -> Run:
    """Return a Run with what statistics count of it: its texts are most of what there is to parse."""
    metadata, status = run["metadata"], run.get("status") or {}
    kept = {key: status[key] for key in ("phase", "finishTime") if key in status}
    pull_request = status.get("pullRequest") or {}
    if pull_request.get("phase") in _KNOWN_PULL_REQUESTS:
        kept["pullRequest"] = {key: pull_request[key] for key in ("phase", "mergeTime") if key in pull_request}
    spec = {"workflowRef": {"name": "any"}, "prompt": "Any."}
    named = {key: metadata[key] for key in ("name", "creationTimestamp") if key in metadata}
    return Run.model_validate({"metadata": named, "spec": spec, "status": kept})


_KNOWN_PULL_REQUESTS = frozenset(phase.value for phase in PullRequestPhase)


def _indexed(days_of: Callable[[Json], tuple[date, ...]]) -> Callable[[Json], list[Hashable]]:
    return lambda obj: [(obj["metadata"]["namespace"], day) for day in days_of(obj)]


_INDEXED: Mapping[str, Callable[[Json], tuple[date, ...]]] = {
    "Run": days_of_run,
    "UsageRecord": days_of_record,
    "DailyStats": lambda stats: view_daily_stats(stats).days,
}


def _edge(source: Source[Any], view: Callable[[Json], Over]) -> Edge:
    days_of = _INDEXED.get(source.resource.kind)
    indexes = () if days_of is None else (Index(_DAYS, _indexed(days_of), source.resource),)
    return Edge(source, _project_of, _trash_of, indexes=indexes, followers={_NAME: partial(_Shelves, view)})


def _project_of(_store: Store, _reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
    obj = new if new is not None else old
    if obj is not None:
        yield key_of(obj)[0], PROJECT_NAME


def _trash_of(obj: Json | None) -> datetime | None:
    return None if obj is None else find_trash_time(obj)


_EDGES = tuple(_edge(source, view) for source, view in _VIEWS.values())


def _read(view: View, obj: Any) -> KeptInNamespace:
    return KeptInNamespace(view, obj.namespace)


KEPT: Relation[Any, KeptInNamespace] = Relation(_read, lambda _origins: _EDGES)
"""What is over in the object's namespace."""


def _whole_namespace(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
    obj = new if new is not None else old
    if obj is not None:
        namespace = key_of(obj)[0]
        yield from ((namespace, name) for name in tuple(store.cache(reader).names(namespace)))


_SEALS = replace(
    _edge(DAILY_STATS_SOURCE, view_daily_stats), readers=_whole_namespace, view=lambda stats: stats is not None
)

SEALED_DAYS: Relation[Any, Collection[date]] = Relation(
    lambda view, obj: KeptInNamespace(view, obj.namespace).sealed_days, lambda _origins: (_SEALS,)
)
"""The days of the object's namespace that are sealed; a further one wakes all its readers there."""
