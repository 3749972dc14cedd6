"""What a Run owes (see `core.shared.debts`): refused Notifications, and UsageRecords of its tries.

Notifications are owed by their names in `unnotified`, UsageRecords by the tries that ran and are not `isRecorded`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from codecourier.core.run.end import build_merge_notification, build_run_notifications, build_stop_notification
from codecourier.core.run.status import starts_again
from codecourier.core.run.usage import build_usage_record
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.debts import (
    DEBT_LIMIT,
    URGENT_LIMIT,
    find_refusal,
    has_given_up,
    plan_debt,
    without_debt,
)
from codecourier.core.shared.intents import Create, Plan
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reporting import missing_claims, with_claims
from codecourier.resources.learning import Learning
from codecourier.resources.notification import Notification
from codecourier.resources.run import RunStatus, Try
from codecourier.resources.usage_record import UsageRecord

__all__ = ["owe_records", "settle_run"]


def owe_records(world: RunWorld, plan: Plan) -> Plan:
    """Return the plan without the records that the API server refuses, which its status owes instead.

    No Learning is owed: its end waits for it, or the plan leaves it out (see `core.run.proposals`).
    """
    owed = (record for record in plan.records if not isinstance(record.resource, Learning))
    refused = tuple(record for record in owed if world.failures.get(record) is not None)
    if not refused or not isinstance(plan.status, RunStatus):
        return plan
    status = with_claims(plan.status, (r.resource.name for r in refused if isinstance(r.resource, Notification)))
    if any(isinstance(record.resource, UsageRecord) for record in refused):
        status = status.updated(tries=(*status.tries[:-1], status.tries[-1].updated(is_recorded=False)))
    return replace(plan, records=tuple(record for record in plan.records if record not in refused), status=status)


def settle_run(world: RunWorld, now: datetime) -> Plan | None:
    """Return the plan that makes what a finished Run owes, or takes off what is there; None: nothing is owed."""
    run, status = world.run, world.run.status
    if world.is_namespace_ending:
        return None
    end = status.finish_time or now
    claims = missing_claims(world, status.unnotified, lambda: _called_for(world, end))
    creates = (*claims, *_owed_usage(world))
    paid = _paid(world, claims)
    if not creates:
        settled = without_debt(paid)
        return Plan(status=settled) if settled != status else None
    problem = find_refusal(world, creates)
    if problem is None:
        return Plan(creates=creates)
    is_urgent = run.is_deleting or starts_again(run)
    merge = status.pull_request.merge_time if status.pull_request is not None else None
    limit = max(end, merge or end) + (URGENT_LIMIT if is_urgent else DEBT_LIMIT)
    return plan_debt(run, accepted(run, paid, now), creates, problem, limit, now)


def _called_for(world: RunWorld, end: datetime) -> Iterator[Notification]:
    """Yield all Notifications that the status calls for."""
    status = world.run.status
    yield from build_run_notifications(world, status, end)
    later = build_merge_notification(world.run, status), build_stop_notification(world.run, status)
    yield from (notification for notification in later if notification is not None)


def _owed_usage(world: RunWorld) -> Iterator[Create]:
    """Yield the UsageRecords of tries that ran, are not recorded, and whose Sandbox is still there to tell."""
    if has_given_up(world.run.status):
        return
    owing = {entry.sandbox for entry in world.run.status.tries if _is_owing(entry)} - world.records
    yield from (Create(build_usage_record(world.run, s)) for s in world.sandboxes if s.name in owing)


def _is_owing(entry: Try) -> bool:
    return entry.phase.is_finished and entry.start_time is not None and not entry.is_recorded


def _paid(world: RunWorld, claims: tuple[Create, ...]) -> RunStatus:
    status = world.run.status
    tries = tuple(
        entry.updated(is_recorded=True) if _is_owing(entry) and entry.sandbox in world.records else entry
        for entry in status.tries
    )
    return status.updated(tries=tries, unnotified=tuple(create.resource.name for create in claims))
