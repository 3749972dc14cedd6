"""How a Single merge follows its pull request in the merge queue of the base branch.

A pull request enters the queue once. One that left it without being merged is never put into it again: what it was
verified on may be gone, and only another MergeJob verifies it anew.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from codecourier.core.merge_job.gate import LOOK_AGAIN, pause_after
from codecourier.core.merge_job.waiting import CLAIM_LIMIT, waiting
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.intents import LeaveQueue, Plan
from codecourier.core.shared.merge_facts import QueueAsk, QueueFact
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import MergeJobStatus, MergeLanding

__all__ = ["Turn", "follow_place", "has_entered", "plan_leaving", "say_place"]


class Turn(StrEnum):
    """What follows from the place of a pull request in the queue."""

    ASK = "Ask"
    """It was never in the queue: the host may be asked."""

    WAIT = "Wait"
    LEFT = "Left"
    """It left the queue without being merged."""


def has_entered(landing: MergeLanding, place: QueueFact) -> bool:
    """Tell whether a pull request has been in the queue since the merge was claimed."""
    is_new_exit = place.exit_id is not None and place.exit_id != landing.exit_before
    return place.is_queued or landing.queue_time is not None or is_new_exit


def follow_place(landing: MergeLanding, place: QueueFact, now: datetime) -> tuple[MergeLanding, Turn]:
    """Return what is known of an unmerged pull request now, and what follows from it.

    It counts as left only when it was seen so twice: between its exit and its merge a host may show neither.

    Parameters
    ----------
    landing
        What is known of the merge at the host.
    place
        The place in the queue as it is now.
    now
        The time.
    """
    if place.is_queued:
        return landing.updated(queue_time=landing.queue_time or now, left_time=None), Turn.WAIT
    if not place.is_open:
        return landing, Turn.WAIT
    if not has_entered(landing, place):
        return landing, Turn.ASK
    since = landing.left_time or now
    is_certain = now >= since + LOOK_AGAIN
    return landing.updated(left_time=since), Turn.LEFT if is_certain else Turn.WAIT


def say_place(url: str, place: QueueFact) -> str:
    """Return the sentence of a pull request that is in the queue."""
    detail = "" if place.position is None else f"Its place there is {place.position}."
    return sentence(Reason.MERGE_QUEUED, pull_request=url, detail=detail)


def plan_leaving(world: MergeJobWorld, status: MergeJobStatus, landing: MergeLanding, now: datetime) -> Plan | bool:
    """Take an unmerged pull request out of the queue, because a user stopped the merge.

    Only what the operator asked for is taken back. True: it is in no queue for certain; False: the host may still merge
    it, and the operator does nothing more about that.

    Parameters
    ----------
    world
        The world.
    status
        The status of the MergeJob.
    landing
        What is known of the merge at the host.
    now
        The time.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    if not landing.has_queue or landing.was_queued:
        return False
    (source,) = status.sources
    since = landing.leave_time or now
    place = world.facts.get(QueueAsk(world.access, source.number))
    is_queued = isinstance(place, QueueFact) and place.is_queued
    # A request whose answer was lost may still arrive.
    is_over = isinstance(place, QueueFact) and not is_queued and has_entered(landing, place)
    if is_over or now >= since + CLAIM_LIMIT:
        return is_over
    held = status.updated(landing=landing.updated(leave_time=since))
    text = sentence(Reason.MERGE_LEAVING_QUEUE, url=source.url)
    look_again = min(now + pause_after(now - since), since + CLAIM_LIMIT)
    plan = waiting(world, held, Reason.MERGE_LEAVING_QUEUE, text, now, look_again)
    effects = (LeaveQueue(world.access, source.number),) if is_queued else ()
    return replace(plan, effects=effects)
