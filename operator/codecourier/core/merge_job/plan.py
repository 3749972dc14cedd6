"""How a MergeJob goes through its life.

Pending → Running → Completed | Failed | Cancelled.

- Pending: Project, Workflow and repository are there, or the condition Ready says what is missing.
- Cancelled: a user set `spec.cancelled`, or deleted the MergeJob, before it was finished.
"""

from __future__ import annotations

from datetime import datetime

from codecourier.core.merge_job.outcome import plan_outcome, plan_refusal
from codecourier.core.merge_job.start import find_start_problem
from codecourier.core.merge_job.world import MergeJobWorld, workflow_name
from codecourier.core.shared.intents import Plan, asking
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import MergeJob, MergeJobPhase

__all__ = ["needs_references", "plan_merge_job"]


def needs_references(job: MergeJob) -> bool:
    """Tell whether the plan depends on Project and Workflow: that of a stop, or after the end, does not."""
    return not (job.is_deleting or job.spec.cancelled or job.status.phase.is_finished)


@asking
def plan_merge_job(world: MergeJobWorld, now: datetime) -> Plan:
    """Return what is to be done for a MergeJob now."""
    job, status = world.job, world.job.status
    if job.is_deleting and (world.is_namespace_ending or status.phase.is_finished):
        return Plan(release_finalizer=True)
    if status.phase.is_finished:
        return Plan(status=accepted(job, status, now))
    if FINALIZER not in job.metadata.finalizers and not job.is_deleting:
        return Plan(add_finalizer=True)
    if not needs_references(job):
        reason = Reason.DELETED if job.is_deleting else Reason.CANCELLED
        return plan_outcome(world, status, MergeJobPhase.CANCELLED, reason, sentence(reason), now)
    problem = find_start_problem(world)
    if problem is not None:
        return plan_refusal(world, status, problem, now)
    ready = accepted(job, status, now).updated(workflow=workflow_name(job, world.project))
    text = sentence(Reason.RUNNING, detail="The pull requests are being read.")
    return plan_outcome(world, ready, MergeJobPhase.PENDING, Reason.RUNNING, text, now)
