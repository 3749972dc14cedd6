"""What every plan ends with, alike for every kind: wishes are kept, the generation is observed, no news is no write.

A plan decides from the object's present spec, so whatever it leaves in the status holds for the present generation.
That is said here, once for all plans and all their branches.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import ConditionType
from codecourier.core.shared.steady import steady
from codecourier.core.shared.wishes import asks_for_attempt, cancelled_attempt
from codecourier.resources.meta import Condition, CustomResource, Status

__all__ = ["finish_plan", "plan_waiting"]


def finish_plan(model: CustomResource, plan: Plan, now: datetime) -> Plan:
    """Return a plan whose status has observed the object's generation, keeps its wishes and is written only for news.

    Observing causes a write only where the plan writes no status and none follows at once.

    Parameters
    ----------
    model
        The object that was planned from.
    plan
        Its plan.
    now
        The time.
    """
    present = getattr(model, "status", None)
    if not isinstance(present, Status) or _is_followed(plan):
        return plan
    status = plan.status or present
    new = _timed(model, present, _observing(model, _keeping_wishes(model, status)), now)
    new = steady(present, new)
    return plan if new == status else replace(plan, status=new)


def plan_waiting(model: CustomResource, now: datetime) -> Plan:
    """Return the plan of an object that waits for an answer or an effect: its generation is observed meanwhile.

    An object that no plan has seen yet is not, as nothing in its status would say that it is not ready.
    """
    present = getattr(model, "status", None)
    if not isinstance(present, Status) or present.observed_generation < 0:
        return Plan()
    return finish_plan(model, Plan(), now)


def _is_followed(plan: Plan) -> bool:
    """Tell whether another plan follows at once, or nothing does because the object goes."""
    return bool(plan.asks) or plan.add_finalizer or plan.release_finalizer or plan.is_brief


def _keeping_wishes(model: Any, status: Any) -> Status:
    kept: Status = status
    if not hasattr(status, "cancelled_attempt"):
        return kept
    greatest = cancelled_attempt(model.spec, status)
    return kept if greatest == status.cancelled_attempt else kept.updated(cancelled_attempt=greatest)


def _observing(model: CustomResource, status: Status) -> Status:
    generation = model.metadata.generation
    old = ConditionType.SUCCEEDED if _is_outdated(model, status) else None
    conditions = tuple(c if c.type == old else _renewed(c, generation) for c in status.conditions)
    if (status.observed_generation, status.conditions) == (generation, conditions):
        return status
    return status.updated(observed_generation=generation, conditions=conditions)


def _timed(model: CustomResource, present: Status, status: Status, now: datetime) -> Status:
    """Keep when the generation was observed first; it decides how long what the object names may still come."""
    is_new = present.observed_generation not in {-1, model.metadata.generation}
    time = now if is_new else present.generation_time
    return status if status.generation_time == time else status.updated(generation_time=time)


def _is_outdated(model: Any, status: Any) -> bool:
    """Tell whether the outcome in a status is that of an attempt before the one that is asked for."""
    if not hasattr(status, "attempt") or not hasattr(model.spec, "attempt"):
        return False
    return bool(status.phase.is_finished) and asks_for_attempt(model.spec, status)


def _renewed(condition: Condition, generation: int) -> Condition:
    is_new = condition.observed_generation == generation
    return condition if is_new else condition.updated(observed_generation=generation)
