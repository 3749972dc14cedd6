"""What is left to do for a MergeJob that is finished: Notifications that its status owes, then its new pull request."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.merge_job.following import plan_following
from codecourier.core.merge_job.reporting import build_notifications
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.debts import DEBT_LIMIT, URGENT_LIMIT, find_refusal, plan_debt, without_debt
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reporting import missing_claims, settle_claims

__all__ = ["plan_finished"]


def plan_finished(world: MergeJobWorld, now: datetime) -> Plan:
    """Return the plan of a finished MergeJob."""
    job, status = world.job, world.job.status
    if world.is_namespace_ending and job.is_deleting:
        return Plan(release_finalizer=True)
    claims = missing_claims(world, status.unnotified, lambda: build_notifications(job, status))
    problem = find_refusal(world, claims)
    if problem is not None and not world.is_namespace_ending:
        left = accepted(job, status.updated(unnotified=tuple(create.resource.name for create in claims)), now)
        limit = (status.finish_time or now) + (URGENT_LIMIT if job.is_deleting else DEBT_LIMIT)
        return plan_debt(job, left, claims, problem, limit, now)
    settled = settle_claims(world, without_debt(status), status.unnotified, lambda: build_notifications(job, status))
    if settled is not None:
        return settled
    if job.is_deleting:
        return Plan(release_finalizer=True)
    return plan_following(world, accepted(job, status, now), now)
