"""Usage, days and counters in the REST API: objects and sums to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import RECURRING_TASK_ID, RUN_ID, SPRINT_CHAIN_ID, USAGE_ID, WORKFLOW_ID
from codecourier.apiserver.words import word_of
from codecourier.core.shared.daily import DayCount
from codecourier.resources.usage_record import UsageRecord

__all__ = ["CountersView", "DayView", "UsageView", "view_counters", "view_day", "view_usage"]

_MICRO = 1_000_000


class UsageView(View):
    """What one try of a run consumed of one service."""

    id: str
    run_id: str
    service: str
    """The provider; `kubernetes` for the compute of the sandbox itself."""

    kind: str
    quantity: int
    unit: str
    cost_usd: float
    """As the agent reported it; 0 when it reported none."""

    recorded_at: Instant
    """When the try ended."""

    workflow_id: str
    sprint_chain_id: str | None
    recurring_task_id: str | None
    model: str | None


class DayView(View):
    """What happened on one UTC day."""

    date: date
    runs_created: int
    runs_completed: int
    runs_failed: int
    runs_cancelled: int
    prs_created: int
    prs_merged: int
    compute_seconds: int
    tokens: int
    api_calls: int
    cost_usd: float


class CountersView(View):
    """How much there is in the project now."""

    total_runs: int
    """Runs that the project has had, also those that retention has deleted."""

    active_runs: int
    """Runs that are running."""

    queued_runs: int
    """Runs that wait: they are pending or queued."""

    active_sandboxes: int
    """Sandboxes that are pending or running."""

    pending_issues: int
    """Issue sessions that are pending or running."""

    open_pull_requests: int
    """Pull requests of runs that were open when the operator last saw them."""

    blocked_pull_requests: int
    """Those of them whose checks keep them from being merged."""

    unread_notifications: int
    """Notifications that the caller has neither read nor dismissed."""

    trashed_items: int
    """Objects in the trash; they count nowhere else but in totalRuns."""


def view_usage(record: UsageRecord, number: int) -> UsageView:
    """Return what the REST API shows of an item of a record."""
    spec, item = record.spec, record.spec.items[number]
    return UsageView(
        id=f"{USAGE_ID}{record.name}.{number}",
        run_id=RUN_ID + spec.run,
        service=item.service,
        kind=word_of(item.kind),
        quantity=item.quantity,
        unit=word_of(item.unit),
        cost_usd=item.cost_micro_usd / _MICRO,
        recorded_at=spec.finish_time,
        workflow_id=WORKFLOW_ID + spec.workflow,
        sprint_chain_id=None if spec.sprint_chain is None else SPRINT_CHAIN_ID + spec.sprint_chain,
        recurring_task_id=None if spec.recurring_task is None else RECURRING_TASK_ID + spec.recurring_task,
        model=item.model,
    )


def view_counters(objects: Mapping[str, int], total_runs: int, unread_notifications: int) -> CountersView:
    """Return what the REST API shows of how much there is; the objects are counted by the names of its fields."""
    counted = {name: objects.get(name, 0) for name in CountersView.model_fields}
    return CountersView(**counted | {"total_runs": total_runs, "unread_notifications": unread_notifications})


def view_day(day: date, count: DayCount) -> DayView:
    """Return what the REST API shows of a day."""
    numbers = asdict(count.bounded)
    return DayView(date=day, cost_usd=numbers.pop("cost_micro_usd") / _MICRO, **numbers)
