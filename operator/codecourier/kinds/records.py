"""The rows of records: the operator creates them, and they never change."""

from __future__ import annotations

from typing import Any

from codecourier.kinds.kind import Kind
from codecourier.resources.notification import Notification
from codecourier.resources.usage_record import UsageRecord

__all__ = ["NOTIFICATION", "USAGE_RECORD"]

NOTIFICATION: Kind[Notification, Any] = Kind(Notification, mark="entity")
USAGE_RECORD: Kind[UsageRecord, Any] = Kind(UsageRecord, mark="runUid")
