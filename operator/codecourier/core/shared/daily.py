"""What happened on each UTC day of a project: counted from objects that are there, and kept for good by sealing a day.

Each event counts on the day on which it happened, so a Run that was created on Monday and failed on Tuesday counts on
both. The events of an object are a function of the object alone: a reader that keeps sums subtracts the events of the
object as it was and adds those of the object as it is.

A sealed day (a DailyStats with the name of its day) is final. Its numbers replace what the objects that are still there
would give, so that nothing counts twice before retention has deleted them and nothing is missing afterwards. An event
of the day that becomes known after the seal, such as the usage of a try on a node that was out of reach, counts on no
day.

Of the attempts of a Run only the latest is known. When a user starts a new attempt, the end of the earlier one stays
where its day is sealed, and is lost where it is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from operator import add, attrgetter, sub

from codecourier.core.shared.naming import stats_name
from codecourier.resources.daily_stats import MAX_COUNT, DailyStats, DailyStatsSpec
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.usage_record import UsageKind, UsageRecord

__all__ = [
    "DayCount",
    "Events",
    "count_days",
    "count_total_runs",
    "is_seal",
    "record_events",
    "run_events",
    "seal_days",
]


@dataclass(frozen=True, slots=True)
class DayCount:
    """What happened on a day; see `DailyStatsSpec` for the fields. The difference of two may be negative."""

    runs_created: int = 0
    runs_completed: int = 0
    runs_failed: int = 0
    runs_cancelled: int = 0
    prs_created: int = 0
    prs_merged: int = 0
    compute_seconds: int = 0
    tokens: int = 0
    api_calls: int = 0
    cost_micro_usd: int = 0

    def __add__(self, other: DayCount) -> DayCount:
        """Return both together."""
        return DayCount(*map(add, _VALUES(self), _VALUES(other)))

    def __sub__(self, other: DayCount) -> DayCount:
        """Return what is left without another one."""
        return DayCount(*map(sub, _VALUES(self), _VALUES(other)))

    @property
    def bounded(self) -> DayCount:
        """The same within what a DailyStats can hold, so that a seal changes no number that was shown before."""
        return DayCount(*(min(value, MAX_COUNT) for value in _VALUES(self)))

    @classmethod
    def of(cls, spec: DailyStatsSpec) -> DayCount:
        """Return what a sealed day holds."""
        return cls(*_VALUES(spec))

    def to_spec(self, day: date, total_runs: int, seal_time: datetime) -> DailyStatsSpec:
        """Return the spec of a sealed day; see `DailyStatsSpec` for the arguments."""
        numbers = dict(zip(_NAMES, _VALUES(self.bounded), strict=True))
        return DailyStatsSpec(day=day, total_runs=min(total_runs, MAX_COUNT), seal_time=seal_time, **numbers)


_NAMES = tuple(field.name for field in fields(DayCount))
_VALUES = attrgetter(*_NAMES)

Events = Iterator[tuple[date, DayCount]]
"""What an object adds to the days on which something happened to it; a day may come several times."""

_CREATED = DayCount(runs_created=1)
_PR_CREATED = DayCount(prs_created=1)
_PR_MERGED = DayCount(prs_merged=1)
_ENDED: Mapping[RunPhase, DayCount] = {
    RunPhase.COMPLETED: DayCount(runs_completed=1),
    RunPhase.FAILED: DayCount(runs_failed=1),
    RunPhase.CANCELLED: DayCount(runs_cancelled=1),
}
_QUANTITIES: Mapping[UsageKind, str] = {
    UsageKind.COMPUTE: "compute_seconds",
    UsageKind.TOKENS: "tokens",
    UsageKind.API_CALLS: "api_calls",
}


def run_events(run: Run) -> Events:
    """Yield what a Run adds to each day: its creation, the end of its attempt, its pull request, its merge."""
    created, finished = run.metadata.creation_timestamp, run.status.finish_time
    if created is not None:
        yield created.date(), _CREATED
    if finished is None or run.status.phase not in _ENDED:
        return
    yield finished.date(), _ENDED[run.status.phase]
    pull_request = run.status.pull_request
    if pull_request is not None and pull_request.phase.exists:
        yield finished.date(), _PR_CREATED
    if pull_request is not None and pull_request.merge_time is not None:
        yield pull_request.merge_time.date(), _PR_MERGED


def record_events(record: UsageRecord) -> Events:
    """Yield what a UsageRecord adds to the day on which the try ended."""
    for item in record.spec.items:
        quantity = {_QUANTITIES[item.kind]: item.quantity}
        yield record.spec.finish_time.date(), DayCount(cost_micro_usd=item.cost_micro_usd, **quantity)


def count_days(runs: Iterable[Run], records: Iterable[UsageRecord]) -> dict[date, DayCount]:
    """Return what happened on each day of a project, by the objects that are there; a day without events is absent."""
    days: defaultdict[date, list[DayCount]] = defaultdict(list)
    for events in (*map(run_events, runs), *map(record_events, records)):
        for day, count in events:
            days[day].append(count)
    return {day: DayCount(*map(sum, zip(*map(_VALUES, counts), strict=True))) for day, counts in days.items()}


def is_seal(stats: DailyStats) -> bool:
    """Tell whether a DailyStats seals its day: two objects of one day cannot both have its name."""
    return stats.name == stats_name(stats.spec.day)


def count_total_runs(sealed: Iterable[DailyStatsSpec], live: Mapping[date, DayCount]) -> int:
    """Return how many Runs a project has had: those up to its last sealed day, and those of later days that are there.

    Parameters
    ----------
    sealed
        The sealed days.
    live
        What `count_days` returns of the objects that are there.
    """
    last = max(sealed, key=attrgetter("day"), default=None)
    later = (count.runs_created for day, count in live.items() if last is None or day > last.day)
    return (0 if last is None else last.total_runs) + sum(later)


def seal_days(
    namespace: str, sealed: Iterable[DailyStatsSpec], live: Mapping[date, DayCount], end: date, now: datetime
) -> tuple[DailyStats, ...]:
    """Return the DailyStats of each day before `end` on which something happened and that is not sealed, in order.

    A day without events needs none. They have to be created in this order, because each holds the Runs before it.

    Parameters
    ----------
    namespace
        The project.
    sealed
        Its sealed days.
    live
        What `count_days` returns of the objects that are there.
    end
        The first day that may still change.
    now
        The time of sealing.
    """
    known = {spec.day: spec for spec in sealed}
    made: list[DailyStats] = []
    for day in sorted(day for day in live if day < end and day not in known):
        before = (spec for spec in known.values() if spec.day < day)
        total = count_total_runs(before, {day: live[day]})
        known[day] = live[day].to_spec(day, total, now)
        made.append(DailyStats(metadata=ObjectMeta(name=stats_name(day), namespace=namespace), spec=known[day]))
    return tuple(made)
