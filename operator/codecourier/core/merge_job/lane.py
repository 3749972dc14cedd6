"""The lane of a branch: Single merges into it, of all namespaces, land one after the other.

A merge takes part once its gate has passed: it may wait an hour for checks, and others do not wait for it meanwhile. It
becomes the holder of the lane, or waits in line. The holder looks at the host again, has the merge made on the base as
it is now, and lands. Its status says which it is, and until when that counts: so the next merge goes on, whatever
becomes of the holder, its namespace or its leader.

The lane is taken in one write and used after another look at it, and only while there is no other holder: of two that
take it at the same time, each sees the other at this second look. Two leaders may see each other too late. Then both
may land, and the last look and the host's own check of the head keep them right, as without a lane.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from datetime import UTC, datetime, timedelta

from codecourier.core.merge_job.outcome import plan_outcome
from codecourier.core.merge_job.waiting import PATIENCE, waiting
from codecourier.core.merge_job.world import LaneMember, MergeJobWorld
from codecourier.core.shared.consent import repository_key
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import MergeJob, MergeJobPhase, MergeJobStatus, MergeLane, MergeStep
from codecourier.resources.run import RunPhase

__all__ = [
    "HOLD_LIMIT",
    "POSITION_LIMIT",
    "RENEWAL",
    "find_ahead",
    "find_rivals",
    "land_until",
    "lane_key",
    "stay_in_line",
    "take_part",
    "without_lapsed",
    "work_until",
]

HOLD_LIMIT = timedelta(hours=1)
"""How long a merge holds the lane before it lands: after that others do not wait for it."""

POSITION_LIMIT = timedelta(minutes=20)
"""How long a position in line counts that is not taken again."""

RENEWAL = timedelta(minutes=10)
"""How long before its end a position is taken again, after a look at the host."""

_SKEW = timedelta(minutes=5)
"""How far the clocks of two leaders may differ."""

_MOST_NAMES = 3
_LAST = datetime.max.replace(tzinfo=UTC)


def lane_key(url: str, branch: str) -> Hashable:
    """Return what merges of one lane have in common: two spellings of one repository give the same."""
    return (*repository_key(url), branch)


def find_ahead(job: MergeJob, members: Iterable[LaneMember], now: datetime) -> tuple[LaneMember, ...]:
    """Return those that come before a merge which is no holder, in their order: the oldest merge is the first."""
    own = _order(job)
    ahead = (m for m in members if _counts(m, now) and (m.is_holder or m.order < own))
    return tuple(sorted(ahead, key=lambda member: (not member.is_holder, member.order)))


def find_rivals(members: Iterable[LaneMember], now: datetime) -> tuple[LaneMember, ...]:
    """Return the other holders; the one that stays a holder comes first."""
    rivals = (m for m in members if _counts(m, now) and m.is_holder)
    return tuple(sorted(rivals, key=lambda member: (not member.is_landing, member.order)))


def stay_in_line(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan | None:
    """Return the plan of a merge that waits in the line, which asks the host nothing; None: it has to look."""
    lane = status.lane
    if lane is None or lane.is_holder or now >= lane.until - RENEWAL:
        return None
    ahead = find_ahead(world.job, world.lane, now)
    return _wait(world, status, lane, ahead, now) if ahead else None


def take_part(world: MergeJobWorld, status: MergeJobStatus, message: str, now: datetime) -> Plan | None:
    """Return the plan of a merge that takes the lane or waits in line; None: it is the only holder, and may land.

    Parameters
    ----------
    world
        The world of the MergeJob.
    status
        The status that the plan writes.
    message
        What the merge does once it holds the lane.
    now
        The time.
    """
    lane, members = status.lane, world.lane
    if lane is not None and lane.is_holder:
        rivals = find_rivals(members, now)
        if not rivals:
            return None
        if not rivals[0].is_landing and _order(world.job) < rivals[0].order:
            return Plan(status=status, look_again=min(rival.until for rival in rivals))
    ahead = find_ahead(world.job, members, now)
    if ahead:
        return _wait(world, status, MergeLane(since=now, until=now + POSITION_LIMIT), ahead, now)
    lane = MergeLane(is_holder=True, since=now, until=now + HOLD_LIMIT)
    new = status.updated(lane=lane, waiting_for="")
    return plan_outcome(world, new, MergeJobPhase.RUNNING, Reason.RUNNING, message, now)


def work_until(lane: MergeLane | None, step: MergeStep, phase: RunPhase, now: datetime) -> MergeLane | None:
    """Return the lane of a merge while the Run of a step is at work, or waits to be; None: it holds it no longer."""
    if lane is None or not lane.is_holder:
        return None
    time = HOLD_LIMIT if phase is RunPhase.RUNNING else PATIENCE
    until = min(step.claim_time + time, lane.since + HOLD_LIMIT)
    return lane.updated(until=until) if now < until else None


def land_until(lane: MergeLane | None, limit: datetime) -> MergeLane | None:
    """Return the lane of a merge that the host was asked for: others wait as long as that may be under way."""
    return None if lane is None else lane.updated(until=limit)


def without_lapsed(status: MergeJobStatus, now: datetime) -> MergeJobStatus:
    """Return the status without a part in the lane whose time is over."""
    return status if status.lane is None or now < status.lane.until else status.updated(lane=None)


def _order(job: MergeJob) -> tuple[datetime, str]:
    return job.metadata.creation_timestamp or _LAST, job.uid


def _counts(member: LaneMember, now: datetime) -> bool:
    # A time that is too far away is of a clock that was set back since.
    return now < member.until <= now + HOLD_LIMIT + _SKEW


def _wait(
    world: MergeJobWorld, status: MergeJobStatus, lane: MergeLane, ahead: tuple[LaneMember, ...], now: datetime
) -> Plan:
    text = sentence(
        Reason.WAITING_FOR_LANE,
        branch=status.base_branch,
        repository=status.repository_url,
        ahead=_name_all(ahead, world.job.namespace),
    )
    look_again = min(lane.until - RENEWAL, *(member.until for member in ahead))
    return waiting(world, status.updated(lane=lane), Reason.WAITING_FOR_LANE, text, now, look_again)


def _name_all(ahead: tuple[LaneMember, ...], namespace: str) -> str:
    """Return those of the own project by name, and only how many the others are."""
    own = [f"MergeJob {member.name}" for member in ahead if member.namespace == namespace]
    more, others = len(own) - _MOST_NAMES, len(ahead) - len(own)
    counts = [f"{more} more of this project"] if more > 0 else []
    counts += [f"{others} of other projects"] if others else []
    return " and ".join(filter(None, (", ".join(own[:_MOST_NAMES]), *counts)))
