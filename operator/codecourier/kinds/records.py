"""The rows of records: the operator creates them, has no plan for them and never changes them."""

from __future__ import annotations

from typing import Any

from codecourier.kinds.kind import Kind
from codecourier.kube.api import Json
from codecourier.kube.cache import Trim
from codecourier.resources.daily_stats import DailyStats
from codecourier.resources.learning import Learning
from codecourier.resources.notification import Notification
from codecourier.resources.usage_record import UsageRecord

__all__ = ["DAILY_STATS", "LEARNING", "NOTIFICATION", "USAGE_RECORD"]


def _keeping(*fields: str) -> Trim:
    """Return what removes all but the identity of a record and these fields of its spec, which say what it is about."""

    def trim(record: Json) -> None:
        spec, metadata = record.get("spec") or {}, record["metadata"]
        record["spec"] = {field: spec[field] for field in fields if field in spec}
        record["metadata"] = {key: metadata[key] for key in _IDENTITY if key in metadata}

    return trim


_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp")
_COUNTED = ("runUid", "run", "attempt", "tryNumber", "workflow", "startTime", "finishTime", "items")
"""What a day's statistics are counted from."""

NOTIFICATION: Kind[Notification, Any] = Kind(Notification, mark="entity", trim=_keeping("entity", "eventTime"))
USAGE_RECORD: Kind[UsageRecord, Any] = Kind(UsageRecord, mark="runUid", trim=_keeping(*_COUNTED))
DAILY_STATS: Kind[DailyStats, Any] = Kind(DailyStats, mark="day", trim=_keeping("day", "totalRuns", "sealTime"))

LEARNING: Kind[Learning, Any] = Kind(Learning, mark="repositoryUrl")
"""The name of a proposed one holds the hash of its text, so it is the same one after a user has corrected the text."""
