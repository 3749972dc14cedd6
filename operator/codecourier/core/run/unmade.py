"""A try whose Sandbox is not there: it is made, and given up where the API server refuses it for too long."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.run.end import claim_end
from codecourier.core.run.result import plan_retry
from codecourier.core.run.start import build_sandbox
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.creations import (
    LOOK_AGAIN,
    START_LIMIT,
    absent_from,
    given_up_from,
    has_arrived,
    is_certain,
)
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.revisions import find_recorded_workflow
from codecourier.resources.run import RunPhase, RunStatus
from codecourier.resources.sandbox import SandboxPhase

__all__ = ["close_unmade", "plan_unmade", "plan_unmade_stop"]


def plan_unmade(world: RunWorld, now: datetime) -> Plan:
    """Make the Sandbox of a Running Run, say what refuses it, or end the try.

    The try was claimed, and the creation was not answered or the operator stopped in between. The finalizer of a
    Sandbox that was made keeps it until the ledger has its end, so one that is absent was never made.
    """
    run, status = world.run, world.run.status
    create = _create(world)
    problem = world.failures.get(create)
    if problem is None:
        return Plan(creates=(create,))
    deadline = _deadline(world, problem, now)
    given_up = given_up_from(problem, deadline)
    if given_up is not None and now >= given_up:
        if not has_arrived(world.facts, problem, create.resource):
            return _give_up(world, problem, now)
        given_up = now + LOOK_AGAIN
    waiting = with_outcome(run, status, RunPhase.RUNNING, problem.reason, problem.message, now)
    creates = (create,) if now < deadline or is_certain(problem) else ()
    return Plan(status=waiting, creates=creates, events=(Event.of(problem),), look_again=given_up)


def plan_unmade_stop(world: RunWorld, now: datetime) -> Plan | None:
    """Return what a stop waits for where there is no Sandbox; None: none can come any more.

    The claim may have a creation in flight: the Sandbox is made, and at once stopped, so that a creation that comes
    late cannot start an agent for a Run that says Cancelled. What the API server refuses is not in flight; what it does
    not answer is not asked for again, so that it has arrived, or cannot any more.
    """
    if world.is_namespace_ending:
        return None
    create = _create(world)
    problem = world.failures.get(create)
    if problem is None:
        return Plan(creates=(create,))
    absent = absent_from(problem)
    if absent is not None and now >= absent:
        if not has_arrived(world.facts, problem, create.resource):
            return None
        absent = now + LOOK_AGAIN
    text = sentence(Reason.STOPPING)
    stopping = with_outcome(world.run, world.run.status, RunPhase.RUNNING, Reason.STOPPING, text, now)
    return Plan(status=stopping, creates=(create,) if is_certain(problem) else (), look_again=absent)


def close_unmade(status: RunStatus, phase: SandboxPhase, reason: str, message: str, now: datetime) -> RunStatus:
    """Return the status with the end of a try in its ledger whose Sandbox was never made."""
    closed = status.tries[-1].updated(phase=phase, reason=str(reason), message=message, finish_time=now)
    return status.updated(tries=(*status.tries[:-1], closed))


def _create(world: RunWorld) -> Create:
    status = world.run.status
    return Create(build_sandbox(world.run, status.attempt, status.tries[-1].number))


def _deadline(world: RunWorld, problem: Problem, now: datetime) -> datetime:
    status = world.run.status
    workflow = find_recorded_workflow(status, world.revision)
    limit = START_LIMIT if workflow is None else timedelta(seconds=workflow.start_timeout_seconds)
    return (status.tries[-1].claim_time or problem.since or now) + limit


def _give_up(world: RunWorld, problem: Problem, now: datetime) -> Plan:
    status = close_unmade(world.run.status, SandboxPhase.FAILED, problem.reason, problem.message, now)
    retried = plan_retry(world, status, problem.reason, problem.message, None, now)
    if retried is not None:
        return retried
    failed = with_outcome(world.run, status, RunPhase.FAILED, problem.reason, problem.message, now)
    return claim_end(world, failed.updated(retry_time=None), problem.reason, now)
