"""Which days are sealed, and what goes: the oldest first, in pieces, and nothing that something unfinished needs.

A day ends for a project up to half an hour after midnight UTC, so that not all projects write at the same time. The
first plan after that notes in the status that it has seen the end of the day. `GRACE` later everything of the day is
recorded: the operator that works has looked at every object since then, also where it was away for weeks or its clock
has jumped. Only then the days up to that one are sealed, one in each plan, in order; and only what ended before the
first day that is not sealed may go. So what statistics count of an object is sealed before the object goes.

A project in which nothing is to be done writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from codecourier.core.project.kept import Kept, KeptObject
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.intents import Create, Delete
from codecourier.core.shared.naming import uid_hash
from codecourier.resources.project import DayEnd, Project, ProjectStatus
from codecourier.resources.retention import Retention

__all__ = ["AT_ONCE", "GRACE", "Clearing", "plan_retention"]

GRACE = timedelta(hours=1)
"""How long after the end of a day was seen the day is sealed, and anything goes."""

AT_ONCE = 20
"""How many objects one plan deletes."""

_DAY = timedelta(days=1)
_SPREAD_SECONDS = 1800


@dataclass(frozen=True)
class Clearing:
    """What a plan does for retention."""

    status: ProjectStatus
    creates: tuple[Create, ...] = ()
    deletes: tuple[Delete, ...] = ()
    look_again: datetime | None = None


def plan_retention(world: ProjectWorld, status: ProjectStatus, now: datetime) -> Clearing:
    """Return what is to be sealed and deleted now, and the status that says which day has ended.

    Parameters
    ----------
    world
        The Project and what is kept in its namespace.
    status
        The status that the plan writes for other reasons.
    now
        The time.
    """
    if world.is_namespace_ending or world.kept.is_empty:
        return Clearing(status)
    today = _day_of(world.project, now)
    next_day = _begin_of(world.project, today + _DAY)
    unsealed = world.kept.first_unsealed_day(today)
    if unsealed is None and next(_due(world, today, now), None) is None:
        return Clearing(status, look_again=next_day)
    seen = status.day_end
    if seen is None or seen.day != today - _DAY or seen.time > now:
        claimed = status.updated(day_end=DayEnd(day=today - _DAY, time=now))
        return Clearing(claimed, look_again=now + GRACE)
    if now < seen.time + GRACE:
        return Clearing(status, look_again=seen.time + GRACE)
    seals = _seals(world.kept, unsealed, now)
    deletes = tuple(_delete(world, kept) for kept in islice(_due(world, unsealed or today, now), AT_ONCE))
    is_sealing = any(world.failures.get(create) is None for create in seals)
    has_more = is_sealing or len(deletes) == AT_ONCE
    return Clearing(status, seals, deletes, look_again=now if has_more else next_day)


def _seals(kept: Kept, unsealed: date | None, now: datetime) -> tuple[Create, ...]:
    """Return what seals the first day that is not sealed; nothing while something of it may not be recorded yet."""
    open_day = kept.first_open_day()
    if unsealed is None or (open_day is not None and open_day <= unsealed):
        return ()
    return (Create(kept.seal(unsealed, now)),)


def _due(world: ProjectWorld, end: date, now: datetime) -> Iterator[KeptObject]:
    """Yield what goes, if all days before `end` are sealed."""
    retention, kept = world.project.spec.retention, world.kept
    for kind, max_age_days, max_count in _limits(retention):
        for found in kept.oldest(kind, max_count, now):
            if not (found.is_beyond or found.time + max_age_days * _DAY <= now) or _is_late(found, end):
                break
            if not found.is_needed:
                yield found
    for found in kept.trashed(now):
        if found.time + retention.trash.max_age_days * _DAY > now:
            break
        if not found.is_needed and not _is_late(found, end):
            yield found


def _limits(retention: Retention) -> tuple[tuple[str, int, int | None], ...]:
    return (
        ("Run", retention.runs.max_age_days, retention.runs.max_count),
        ("Notification", retention.notifications.max_age_days, retention.notifications.max_count),
        ("UsageRecord", retention.usage_records.max_age_days, retention.usage_records.max_count),
        ("Learning", retention.proposed_learnings.max_age_days, None),
        ("DailyStats", retention.daily_stats.max_age_days, None),
    )


def _is_late(found: KeptObject, end: date) -> bool:
    """Tell whether something happened to an object on a day that may not be sealed."""
    return found.last_day is not None and found.last_day >= end


def _delete(world: ProjectWorld, kept: KeptObject) -> Delete:
    return Delete(kept.kind, world.project.namespace, kept.name, kept.uid, kept.version)


def _spread_of(project: Project) -> timedelta:
    return timedelta(seconds=int(uid_hash(project.uid), 16) % _SPREAD_SECONDS)


def _day_of(project: Project, now: datetime) -> date:
    """Return the day that has not ended yet for a project."""
    return (now - _spread_of(project)).date()


def _begin_of(project: Project, day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + _spread_of(project)
