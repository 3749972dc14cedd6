"""How an object says that this version of CodeCourier cannot read it, and that it no longer does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.meta import Condition, ConditionStatus, CustomResource, Status

__all__ = ["readable_again", "unreadable_status"]


def unreadable_status(obj: Mapping[str, Any], detail: str, now: datetime) -> dict[str, Any] | None:
    """Return the status of an object that cannot be read, with a condition that says so; None where it says so already.

    Everything else in the status stays as it is: the version that wrote it will read it again.

    Parameters
    ----------
    obj
        The object as the API server gave it.
    detail
        Which field cannot be read, and why.
    now
        The time.
    """
    status = obj.get("status") or {}
    message = sentence(Reason.UNREADABLE, detail=detail)
    others = [c for c in status.get("conditions") or () if c.get("type") != ConditionType.UNREADABLE]
    known = next((c for c in status.get("conditions") or () if c.get("type") == ConditionType.UNREADABLE), None)
    if known is not None and known.get("message") == message:
        return None
    condition = Condition(
        type=ConditionType.UNREADABLE,
        status=ConditionStatus.TRUE,
        reason=Reason.UNREADABLE,
        message=message,
        last_transition_time=now,
        observed_generation=obj["metadata"].get("generation"),
    )
    return {**status, "conditions": [*others, condition.to_json()]}


def readable_again(model: CustomResource, plan: Plan) -> Plan:
    """Return a plan that also removes the condition of an object that could not be read and now can be."""
    present = getattr(model, "status", None)
    if not isinstance(present, Status) or present.condition(ConditionType.UNREADABLE) is None:
        return plan
    status = plan.status or present
    kept = tuple(c for c in status.conditions if c.type != ConditionType.UNREADABLE)
    return replace(plan, status=status.updated(conditions=kept))
