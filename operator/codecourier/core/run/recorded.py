"""Which Workflow the tries of an attempt use: the revision that its status names, made before the first one starts."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.run.end import claim_end
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import CreateRevision, Plan
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.revisions import (
    build_revision,
    find_recorded_workflow,
    has_recorded_workflow,
    read_recorded_workflow,
    revision_name,
)
from codecourier.resources.run import RunPhase, RunStatus
from codecourier.resources.workflow import WorkflowSpec

__all__ = ["fail_attempt", "read_workflow", "record_workflow", "restore_revision"]


def record_workflow(world: RunWorld, status: RunStatus, now: datetime) -> RunStatus | CreateRevision | Plan:
    """Return the status with the Workflow of the attempt recorded, the revision to make first, or the attempt's end.

    The first try takes the Workflow as it is now, so one that a user corrects counts until then. Later tries keep it.
    """
    if has_recorded_workflow(status):
        return _keep(world, status, now)
    workflow = world.workflow
    if workflow is None:
        raise ValueError(f"Run {world.run.name} starts without a Workflow")
    if world.revision is None or world.revision.spec is None:
        return CreateRevision(build_revision(workflow))
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


def _keep(world: RunWorld, status: RunStatus, now: datetime) -> RunStatus | CreateRevision | Plan:
    for lost in restore_revision(world, status):
        return lost
    known = read_recorded_workflow(world.run, world.revision, world.facts)
    return fail_attempt(world, status, known, now) if isinstance(known, Problem) else status


def fail_attempt(world: RunWorld, status: RunStatus, problem: Problem, now: datetime) -> Plan:
    """End an attempt whose tries have no Workflow."""
    failed = with_outcome(world.run, status, RunPhase.FAILED, problem.reason, problem.message, now)
    return claim_end(world, failed.updated(retry_time=None), problem.reason, now)
