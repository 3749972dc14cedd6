"""How conditions change: the rules of the Kubernetes API conventions and of kstatus."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.reasons import ConditionType
from codecourier.resources.meta import Condition, ConditionStatus

__all__ = ["with_condition", "with_readiness"]


def with_condition(
    conditions: tuple[Condition, ...],
    type_: ConditionType,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    now: datetime,
    generation: int,
) -> tuple[Condition, ...]:
    """Return the conditions with one set; its transition time moves only when its status does.

    `reason` is one of the catalogue's, or one that was read from an object and that only a newer operator knows.
    """
    old = next((c for c in conditions if c.type == type_), None)
    changed = old is None or old.status != status
    new = Condition(
        type=str(type_),
        status=status,
        reason=str(reason),
        message=message,
        last_transition_time=now if changed or old is None else old.last_transition_time,
        observed_generation=generation,
    )
    if old is None:
        return (*conditions, new)
    return tuple(new if c.type == type_ else c for c in conditions)


def with_readiness(
    conditions: tuple[Condition, ...],
    ready: ConditionStatus,
    reason: str,
    message: str,
    *,
    is_stalled: bool = False,
    now: datetime,
    generation: int,
) -> tuple[Condition, ...]:
    """Return the conditions with Ready set, and Stalled beside it for the same reason where only people can help.

    Stalled exists only while it is true, as kstatus expects.
    """
    conditions = with_condition(conditions, ConditionType.READY, ready, reason, message, now=now, generation=generation)
    if not is_stalled:
        return tuple(c for c in conditions if c.type != ConditionType.STALLED)
    return with_condition(
        conditions, ConditionType.STALLED, ConditionStatus.TRUE, reason, message, now=now, generation=generation
    )
