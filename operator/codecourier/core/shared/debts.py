"""Records that the API server refuses: an end is written without them, and its status owes them.

A debt is tried again until it is paid, or given up after `DEBT_LIMIT`. It holds no place. It holds the finalizer of an
object that is being deleted, and its next attempt, for `URGENT_LIMIT` after the end. The condition RecordsOwed is True
while something is owed, and False once that is given up.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Event, Failures, Plan
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.meta import Condition, ConditionStatus, CustomResource, Status

__all__ = [
    "DEBT_LIMIT",
    "URGENT_LIMIT",
    "debt_events",
    "find_refusal",
    "has_given_up",
    "plan_debt",
    "with_debt",
    "without_debt",
]

DEBT_LIMIT = timedelta(hours=24)
"""How long after the end of an object its refused records are tried."""

URGENT_LIMIT = timedelta(minutes=10)
"""The same, where a deletion or a new attempt waits for it."""

_MOST_NAMES = 3


class RefusingWorld(Protocol):
    """A world that says which intents did not work."""

    @property
    def failures(self) -> Failures:
        """Which intents did not work."""


S = TypeVar("S", bound=Status)


def find_refusal(world: RefusingWorld, creates: Iterable[Create]) -> Problem | None:
    """Return why the first of these creations that was refused was refused; None: none was."""
    problems = (world.failures.get(create) for create in creates)
    return next((problem for problem in problems if problem is not None), None)


def plan_debt(
    resource: CustomResource,
    status: S,
    creates: tuple[Create, ...],
    problem: Problem,
    limit: datetime,
    now: datetime,
) -> Plan:
    """Return the plan that tries refused records of a finished object again, or gives them up.

    Parameters
    ----------
    resource
        The object.
    status
        Its status, with what was paid taken off.
    creates
        What it owes.
    problem
        Why that is refused.
    limit
        When it is given up.
    now
        The time.
    """
    if now >= limit:
        text = sentence(Reason.RECORDS_LOST, owed=_names(creates), detail=problem.message)
        lost = _with_condition(resource, status, ConditionStatus.FALSE, Reason.RECORDS_LOST, text, now)
        event = Event(Reason.RECORDS_LOST.value, text, is_warning=True)
        return Plan(status=lost.updated(unnotified=()), events=(event,))
    owing = with_debt(resource, status, creates, problem, limit, now)
    return Plan(status=owing, creates=creates, events=debt_events(status, owing), look_again=limit)


def with_debt(
    resource: CustomResource,
    status: S,
    creates: tuple[Create, ...],
    problem: Problem,
    limit: datetime | None,
    now: datetime,
) -> S:
    """Return the status that says what is owed and why; `limit` is None where that is not decided yet."""
    time = f"{limit:%Y-%m-%dT%H:%M:%SZ}" if limit is not None else "some time after its end"
    text = sentence(Reason.RECORDS_OWED, owed=_names(creates), time=time, detail=problem.message)
    return _with_condition(resource, status, ConditionStatus.TRUE, problem.reason, text, now)


def debt_events(old: Status, new: Status) -> tuple[Event, ...]:
    """Return the Event that says that something is owed now, and was not before."""
    before, after = _find(old), _find(new)
    if after is None or (before is not None and before.status == after.status):
        return ()
    return (Event(Reason.RECORDS_OWED.value, after.message, is_warning=True),)


def without_debt(status: S) -> S:
    """Return the status of an object that owes nothing any more; that something was given up stays in it."""
    found = _find(status)
    if found is None or found.status != ConditionStatus.TRUE:
        return status
    return status.updated(conditions=tuple(c for c in status.conditions if c is not found))


def has_given_up(status: Status) -> bool:
    """Tell whether records that the status owed were given up."""
    found = _find(status)
    return found is not None and found.status == ConditionStatus.FALSE


def _find(status: Status) -> Condition | None:
    return next((c for c in status.conditions if c.type == ConditionType.RECORDS_OWED), None)


def _names(creates: tuple[Create, ...]) -> str:
    names = [f"{create.resource.kind} {create.resource.name}" for create in creates]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _with_condition(
    resource: CustomResource, status: S, value: ConditionStatus, reason: Reason, text: str, now: datetime
) -> S:
    conditions = with_condition(
        status.conditions,
        ConditionType.RECORDS_OWED,
        value,
        reason,
        text,
        now=now,
        generation=resource.metadata.generation,
    )
    return status.updated(conditions=conditions)
