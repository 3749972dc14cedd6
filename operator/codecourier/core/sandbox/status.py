"""How the status of a Sandbox is put together."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.sandbox.outcome import Outcome
from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.outcome import accepted, with_outcome
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.sandbox import SandboxPhase, SandboxStatus

__all__ = ["LOOK_AGAIN", "final_status", "plan_wait", "pod_status", "running_status", "status_saying"]

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay for what is not watched and names no time of its own."""


def final_status(world: SandboxWorld, outcome: Outcome, now: datetime) -> SandboxStatus:
    """Return the status of a Sandbox that has ended."""
    sandbox, pod = world.sandbox, world.pod
    new = accepted(sandbox, sandbox.status, now)
    status = with_outcome(sandbox, new, outcome.phase, outcome.reason, outcome.message, now)
    conditions = status.conditions
    if outcome.has_lost_details:
        conditions = with_condition(
            conditions,
            ConditionType.DETAILS_LOST,
            ConditionStatus.TRUE,
            Reason.REPORT_LOST,
            "The log of publish is gone: summary and usage of this try are not known.",
            now=now,
            generation=sandbox.metadata.generation,
        )
    return status.updated(
        conditions=conditions,
        pod_name=pod.name if pod is not None else status.pod_name,
        pod_uid=pod.uid if pod is not None else status.pod_uid,
        start_time=status.start_time or (pod.start_time if pod is not None else None),
        finish_time=(pod.finish_time if pod is not None and pod.is_ended else None) or now,
        steps=outcome.steps,
        result=outcome.result,
        merge=outcome.merge,
        retry_time=outcome.retry_time,
        reason=outcome.reason.value,
    )


def running_status(world: SandboxWorld, pod: PodView, now: datetime) -> SandboxStatus:
    """Return the status of a Sandbox whose pod runs."""
    said = world.sandbox.status.condition(ConditionType.SUCCEEDED)
    if world.sandbox.status.phase is SandboxPhase.RUNNING and said is not None and said.reason == Reason.RUNNING:
        return world.sandbox.status
    return pod_status(world, pod, Reason.RUNNING, f"Pod {pod.name} runs.", now)


def pod_status(world: SandboxWorld, pod: PodView, reason: Reason, message: str, now: datetime) -> SandboxStatus:
    """Return the status with a new message about the pod; Running once a container of it has run."""
    status = status_saying(world, reason, message, now)
    if pod.start_time is None or status.phase is SandboxPhase.RUNNING:
        return status
    return status.updated(phase=SandboxPhase.RUNNING, pod_name=pod.name, pod_uid=pod.uid, start_time=pod.start_time)


def plan_wait(
    world: SandboxWorld, reason: Reason, message: str, now: datetime, *, until: datetime | None = None
) -> Plan:
    """Return the plan that says what a Sandbox waits for; `until` is when to plan again, None: after `LOOK_AGAIN`."""
    event = Event(reason.value, message, is_warning=True)
    status = status_saying(world, reason, message, now)
    return Plan(status=status, events=(event,), look_again=until or now + LOOK_AGAIN)


def status_saying(world: SandboxWorld, reason: Reason, message: str, now: datetime) -> SandboxStatus:
    """Return the present status with a new message."""
    sandbox = world.sandbox
    return with_outcome(sandbox, accepted(sandbox, sandbox.status, now), sandbox.status.phase, reason, message, now)
