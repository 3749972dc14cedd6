"""What of a pod that has not ended is news: that it waits for longer than usual, and that it has run for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.status import pod_status, running_status
from codecourier.core.sandbox.waiting import Wait, find_wait
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.sandbox import Sandbox, SandboxPhase

__all__ = ["UNEXPLAINED_START", "USUAL_SHORT", "USUAL_START", "plan_living"]

USUAL_START = timedelta(seconds=5)
"""How long a step may wait without a word of it in the status for something that Kubernetes names."""

UNEXPLAINED_START = timedelta(seconds=15)
"""The same while Kubernetes names nothing, as while it pulls an image: the status could not say much either."""

USUAL_SHORT = timedelta(seconds=5)
"""How long after its start a pod may end without a word in the status that it runs."""


def plan_living(world: SandboxWorld, pod: PodView, now: datetime) -> Plan:
    """Say that a pod runs, or what it has been waiting for longer than usual."""
    wait = find_wait(pod, world.sandbox.status.message)
    look_again = None if wait is None else _news_time(world.sandbox, wait)
    if wait is not None and look_again is not None and now >= look_again:
        event = Event(Reason.STARTING.value, wait.sentence)
        return Plan(status=pod_status(world, pod, Reason.STARTING, wait.sentence, now), events=(event,))
    if pod.start_time is None:
        return Plan(look_again=look_again, is_brief=True)
    due = pod.start_time + USUAL_SHORT
    if world.sandbox.status.phase is SandboxPhase.PENDING and _may_end_soon(pod, now):
        return Plan(look_again=min(due, look_again or due), is_brief=True)
    return Plan(status=running_status(world, pod, now), look_again=look_again)


def _may_end_soon(pod: PodView, now: datetime) -> bool:
    """Tell whether a pod has just begun and cannot go before its end is recorded, so that only its end is news."""
    start = pod.start_time
    # A start in the future is that of a node's wrong clock.
    return start is not None and pod.has_finalizer and start <= now < start + USUAL_SHORT


def _news_time(sandbox: Sandbox, wait: Wait) -> datetime:
    """Return from when on the status of a Sandbox says what its pod waits for."""
    said = sandbox.status.condition(ConditionType.SUCCEEDED)
    is_said = said is not None and said.reason == Reason.STARTING
    return wait.since + (USUAL_START if wait.reason or is_said else UNEXPLAINED_START)
