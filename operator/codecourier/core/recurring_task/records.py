"""The records of slots: which disposition, why, and the sentence that a user reads."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.reasons import Reason, cut
from codecourier.resources.recurring_task import RECORD_MESSAGE_LENGTH, Disposition, SlotRecord

__all__ = ["fired", "missed", "skipped"]


def fired(slot: datetime, reason: Reason, message: str, now: datetime, *, is_manual: bool = False) -> SlotRecord:
    """Return the record of a slot, or of a user's wish, for which a Run is made."""
    return _record(slot, Disposition.FIRED, reason, message, now, is_manual=is_manual)


def skipped(slot: datetime, reason: Reason, message: str, now: datetime, *, is_manual: bool = False) -> SlotRecord:
    """Return the record of one that the operator decided against."""
    return _record(slot, Disposition.SKIPPED, reason, message, now, is_manual=is_manual)


def missed(slot: datetime, reason: Reason, message: str, now: datetime) -> SlotRecord:
    """Return the record of a slot that the operator came too late for."""
    return _record(slot, Disposition.MISSED, reason, message, now, is_manual=False)


def _record(
    slot: datetime, disposition: Disposition, reason: Reason, message: str, now: datetime, *, is_manual: bool
) -> SlotRecord:
    return SlotRecord(
        slot=slot,
        is_manual=is_manual,
        disposition=disposition,
        reason=reason.value,
        message=cut(message, RECORD_MESSAGE_LENGTH),
        time=now,
    )
