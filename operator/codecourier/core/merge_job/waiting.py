"""How a Single merge waits for its host, for a bounded time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.merge_job.gate import pause_after
from codecourier.core.merge_job.outcome import plan_outcome
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import MergeJobPhase, MergeJobStatus, MergeLane

__all__ = ["CLAIM_LIMIT", "HOST_LIMIT", "PATIENCE", "QUEUE_LIMIT", "give_up", "hasten", "wait_for_host", "waiting"]

HOST_LIMIT = timedelta(hours=1)
"""How long the host is waited for: its answers, its rules, and a merge that it works on."""

QUEUE_LIMIT = timedelta(days=1)
"""How long a pull request may be in the merge queue of its branch."""

CLAIM_LIMIT = timedelta(minutes=10)
"""How long a request that was not refused may still be under way at the host."""

PATIENCE = timedelta(minutes=5)
"""How long other merges wait for the holder of their lane while it waits itself: for a place, or for the host."""


def wait_for_host(world: MergeJobWorld, status: MergeJobStatus, problem: Problem, now: datetime) -> Plan:
    """Wait until the host answers, for a bounded time."""
    since = status.waiting_since or now
    if problem.is_final or now >= since + HOST_LIMIT:
        return give_up(world, status, problem, now)
    look_again = problem.retry_time or min(now + pause_after(now - since), since + HOST_LIMIT)
    held = status.updated(waiting_since=since, lane=hasten(status.lane, now))
    return waiting(world, held, problem.reason, problem.message, now, look_again)


def hasten(lane: MergeLane | None, now: datetime) -> MergeLane | None:
    """Return the lane of a merge that waits for the host: a holder gives it up soon, a merge in line at once."""
    if lane is None or not lane.is_holder:
        return None
    return lane.updated(until=min(lane.until, now + PATIENCE))


def give_up(world: MergeJobWorld, status: MergeJobStatus, problem: Problem, now: datetime) -> Plan:
    """End a merge about which the host says nothing; what it was asked for may still happen."""
    message = problem.message
    if status.landing is not None:
        message = sentence(Reason.MERGE_UNDER_WAY, url=status.sources[0].url, detail=message)
    return plan_outcome(world, status, MergeJobPhase.FAILED, problem.reason, message, now)


def waiting(
    world: MergeJobWorld,
    status: MergeJobStatus,
    reason: Reason,
    message: str,
    now: datetime,
    look_again: datetime | None,
) -> Plan:
    """Return the plan that says what is waited for."""
    held = status.updated(waiting_for=message)
    return replace(plan_outcome(world, held, MergeJobPhase.RUNNING, reason, message, now), look_again=look_again)
