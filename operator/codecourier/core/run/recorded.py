"""Which Workflow the tries of an attempt use: the revision that its status names, made before the first one starts."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.run.end import claim_end
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.creations import START_LIMIT, given_up_from
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import CreateRevision, Event, Plan
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.revisions import (
    build_revision,
    find_recorded_workflow,
    has_recorded_workflow,
    read_recorded_workflow,
    revision_name,
)
from codecourier.resources.run import RunPhase, RunStatus
from codecourier.resources.workflow import Workflow, WorkflowSpec

__all__ = ["read_workflow", "record_workflow", "restore_revision"]


def record_workflow(world: RunWorld, status: RunStatus, now: datetime) -> RunStatus | Plan:
    """Return the status with the Workflow of the attempt recorded, or the plan that has to come first.

    The first try takes the Workflow as it is now, so one that a user corrects counts until then. Later tries keep it.
    """
    if has_recorded_workflow(status):
        return _keep(world, status, now)
    workflow = world.workflow
    if workflow is None:
        raise ValueError(f"Run {world.run.name} starts without a Workflow")
    if world.revision is None or world.revision.spec is None:
        return _make(world, status, workflow, now)
    return status.updated(workflow_revision=world.revision.name)


def read_workflow(world: RunWorld) -> WorkflowSpec | Problem:
    """Return the Workflow that the attempt of a Run has recorded, or that its revision is lost.

    A lost one is made again from a Workflow that has not changed, so that one stands for it.
    """
    if world.workflow is not None and restore_revision(world, world.run.status):
        return world.workflow.spec
    return read_recorded_workflow(world.run, world.revision, world.facts)


def restore_revision(world: RunWorld, status: RunStatus) -> tuple[CreateRevision, ...]:
    """Return the creation of a lost revision; none where it is there, or its Workflow has changed since."""
    workflow = world.workflow
    if workflow is None or status.workflow_revision is None:
        return ()
    is_known = find_recorded_workflow(status, world.revision) is not None
    if is_known or revision_name(workflow) != status.workflow_revision:
        return ()
    return (CreateRevision(build_revision(workflow)),)


def _keep(world: RunWorld, status: RunStatus, now: datetime) -> RunStatus | Plan:
    if restore_revision(world, status) and world.workflow is not None:
        return _make(world, status, world.workflow, now)
    known = read_recorded_workflow(world.run, world.revision, world.facts)
    return _fail(world, status, known, now) if isinstance(known, Problem) else status


def _make(world: RunWorld, status: RunStatus, workflow: Workflow, now: datetime) -> Plan:
    """Make the revision before the status that names it; once it is there, the next plan goes on."""
    create = CreateRevision(build_revision(workflow))
    refusal = world.failures.get(create)
    if refusal is None:
        return Plan(creates=(create,), look_again=now, is_brief=world.run.status.attempt == 0)
    given_up = given_up_from(refusal, (refusal.since or now) + START_LIMIT)
    if given_up is not None and now >= given_up:
        return _fail(world, status, refusal, now)
    waiting = with_outcome(world.run, status, RunPhase.QUEUED, refusal.reason, refusal.message, now)
    return Plan(status=waiting, creates=(create,), events=(Event.of(refusal),), look_again=given_up)


def _fail(world: RunWorld, status: RunStatus, problem: Problem, now: datetime) -> Plan:
    failed = with_outcome(world.run, status, RunPhase.FAILED, problem.reason, problem.message, now)
    return claim_end(world, failed.updated(retry_time=None), problem.reason, now)
