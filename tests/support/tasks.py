"""RecurringTasks on a real API server whose slot comes at once: as if they had been there since yesterday."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from codecourier.core.shared.naming import stats_name
from codecourier.kinds.api_resources import DAILY_STATS, RECURRING_TASKS
from codecourier.kube.api import Json, KubeApi
from codecourier.resources.meta import API_VERSION

__all__ = ["due_slot", "make_due_task", "seal_days"]

_FIRST = timedelta(seconds=25)
"""How much of a minute may be over if its slot is still to be on time once an operator has started."""


def due_slot(now: datetime) -> datetime:
    """Return the present minute, or the next one where much of it is over."""
    minute = now.replace(second=0, microsecond=0)
    return minute if now - minute < _FIRST else minute + timedelta(minutes=1)


async def make_due_task(api: KubeApi, namespace: str, name: str, slot: datetime, workflow: str, **spec: Any) -> None:
    """Make a daily task whose ledger ends a day before a slot."""
    schedule: Json = {"frequency": "Daily", "timeZone": "UTC", "hour": slot.hour, "minute": slot.minute}
    body = {"apiVersion": API_VERSION, "kind": "RecurringTask", "metadata": {"name": name, "namespace": namespace}}
    fields = {"workflowRef": {"name": workflow}, "prompt": "Look around.", **schedule, **spec}
    made = await api.create(RECURRING_TASKS, {**body, "spec": fields})
    yesterday = slot - timedelta(days=1)
    made["status"] = {
        "phase": "Active",
        "anchor": {**schedule, "date": f"{yesterday:%Y-%m-%d}", "day": yesterday.day},
        "settledTime": f"{yesterday:%Y-%m-%dT%H:%M:%SZ}",
    }
    await api.replace_status(RECURRING_TASKS, made)


async def seal_days(api: KubeApi, namespace: str, now: datetime) -> None:
    """Seal today and tomorrow as if they were over, so that what waits for the seal of its day is deleted at once."""
    for number in range(2):
        day = (now + timedelta(days=number)).date()
        metadata = {"name": stats_name(day), "namespace": namespace}
        spec = {"day": day.isoformat(), "sealTime": now.isoformat()}
        await api.create(
            DAILY_STATS, {"apiVersion": API_VERSION, "kind": "DailyStats", "metadata": metadata, "spec": spec}
        )
