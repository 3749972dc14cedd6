"""What an attempt of a run consumed, in the REST API: the sums of its records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from codecourier.apiserver.answers import View
from codecourier.apiserver.words import word_of
from codecourier.resources.usage_record import UsageItem, UsageRecord

__all__ = ["RunUsageView", "cost_of", "view_run_usage"]

_MICRO = 1_000_000


class RunUsageView(View):
    """What the tries of an attempt consumed of one service."""

    service: str
    """The provider; `kubernetes` for the compute of the sandboxes themselves."""

    kind: str
    quantity: int
    unit: str
    cost_usd: float
    """As the agents reported it; 0 when they reported none."""


def view_run_usage(records: Sequence[UsageRecord]) -> list[RunUsageView] | None:
    """Return the sums of an attempt's records, by service and kind; None: nothing was recorded yet."""
    sums: defaultdict[tuple[str, str], list[UsageItem]] = defaultdict(list)
    for record in records:
        for item in record.spec.items:
            sums[item.service, item.kind].append(item)
    shown = [_view_sum(items) for _, items in sorted(sums.items())]
    return shown if records else None


def _view_sum(items: Sequence[UsageItem]) -> RunUsageView:
    first = items[0]
    return RunUsageView(
        service=first.service,
        kind=word_of(first.kind),
        quantity=sum(item.quantity for item in items),
        unit=word_of(first.unit),
        cost_usd=sum(item.cost_micro_usd for item in items) / _MICRO,
    )


def cost_of(records: Sequence[UsageRecord]) -> float | None:
    """Return what an attempt cost by its records, in US dollars; None: nothing was recorded yet."""
    if not records:
        return None
    return sum(item.cost_micro_usd for record in records for item in record.spec.items) / _MICRO
