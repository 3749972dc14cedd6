"""How a status says that its object is accepted, refused, in progress or finished: alike for every kind.

A kind whose status has `phase`, `message`, `conditions` and `finish_time` needs nothing of its own for it. Ready says
whether the declaration is accepted, Succeeded what became of the work, Stalled that people must act first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol, Self, TypeVar

from codecourier.core.shared.conditions import with_condition, with_readiness
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import is_passing, is_stalling
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.meta import Condition, ConditionStatus, CustomResource

__all__ = ["OutcomeStatus", "Phase", "accepted", "refused", "with_outcome"]

_COMPLETED = "Completed"
"""The value of the one phase, in every kind, in which the work has succeeded."""


class Phase(Protocol):
    """A phase of any kind: a string enum."""

    @property
    def is_finished(self) -> bool:
        """Whether the work is over."""


class OutcomeStatus(Protocol):
    """The status of a kind that does some work and then is finished."""

    @property
    def phase(self) -> Phase:
        """Where the object is."""

    @property
    def message(self) -> str:
        """What happens now or has happened, as a sentence."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Ready, Succeeded and, while it is so, Stalled."""

    @property
    def finish_time(self) -> datetime | None:
        """When the work ended; None before."""

    def updated(self, **changes: Any) -> Self:
        """Return a copy with these fields changed."""


S = TypeVar("S", bound=OutcomeStatus)


def accepted(resource: CustomResource, status: S, now: datetime) -> S:
    """Return the status of an object whose declaration is valid."""
    generation = resource.metadata.generation
    conditions = with_readiness(
        status.conditions,
        ConditionStatus.TRUE,
        Reason.ACCEPTED,
        sentence(Reason.ACCEPTED),
        now=now,
        generation=generation,
    )
    return status.updated(observed_generation=generation, conditions=conditions)


def refused(resource: CustomResource, status: S, problem: Problem, now: datetime) -> S:
    """Return the status of an object that cannot start because of its declaration, or of what it names.

    Nothing was started, so nothing has failed: the phase stays. An attempt that has ended keeps its outcome: why the
    next one does not begin is in the Ready condition.
    """
    generation = resource.metadata.generation
    conditions = with_readiness(
        status.conditions,
        ConditionStatus.UNKNOWN if is_passing(problem.reason) else ConditionStatus.FALSE,
        problem.reason,
        problem.message,
        is_stalled=is_stalling(resource, problem, now),
        now=now,
        generation=generation,
    )
    new = status.updated(observed_generation=generation, conditions=conditions)
    if status.phase.is_finished:
        return new
    return with_outcome(resource, new, status.phase, problem.reason, problem.message, now)


def with_outcome(resource: CustomResource, status: S, phase: Phase, reason: str, message: str, now: datetime) -> S:
    """Return the status with a phase and what the Succeeded condition says of it."""
    succeeded = ConditionStatus.UNKNOWN
    if phase.is_finished:
        succeeded = ConditionStatus.TRUE if str(phase) == _COMPLETED else ConditionStatus.FALSE
    generation = resource.metadata.generation
    conditions = with_condition(
        status.conditions, ConditionType.SUCCEEDED, succeeded, reason, message, now=now, generation=generation
    )
    return status.updated(
        observed_generation=generation,
        phase=phase,
        conditions=conditions,
        message=message,
        finish_time=now if phase.is_finished else None,
    )
