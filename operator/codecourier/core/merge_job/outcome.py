"""How the plan of a merge says what happens: alike for all its parts."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.merge_job.reporting import build_notifications
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import next_look
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.outcome import refused, with_outcome
from codecourier.core.shared.reasons import ConditionType
from codecourier.core.shared.reporting import claim_notifications
from codecourier.resources.merge_job import MergeJobPhase, MergeJobStatus

__all__ = ["plan_outcome", "plan_refusal"]


def plan_outcome(
    world: MergeJobWorld, status: MergeJobStatus, phase: MergeJobPhase, reason: str, text: str, now: datetime
) -> Plan:
    """Return the plan that writes a phase and why, with an Event where that is news."""
    new = with_outcome(world.job, status, phase, reason, text, now)
    if phase.is_finished:
        new = new.updated(stopping=(), waiting_for="", lane=None)
    creates: tuple[Create, ...] = ()
    if phase.is_finished and not world.is_namespace_ending:
        new, creates = claim_notifications(new, build_notifications(world.job, new))
    event = Event(str(reason), text, is_warning=phase is MergeJobPhase.FAILED)
    return Plan(status=new, creates=creates, events=(event,) if text != world.job.status.message else ())


def plan_refusal(world: MergeJobWorld, status: MergeJobStatus, problem: Problem, now: datetime) -> Plan:
    """Return the plan that says what is missing, and waits for it: nothing was begun, so nothing has failed."""
    job = world.job
    said = job.status.condition(ConditionType.READY)
    is_new = said is None or said.reason != problem.reason
    return Plan(
        status=refused(job, status.updated(lane=None), problem, now),
        events=(Event.of(problem),) if is_new else (),
        look_again=next_look(job, problem, now, world.credentials, world.agent_secrets),
    )
