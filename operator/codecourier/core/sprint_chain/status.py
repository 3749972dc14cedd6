"""How the status of a SprintChain is put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from codecourier.core.shared.conditions import with_condition, with_readiness
from codecourier.core.shared.facts import Facts
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import SprintChain, SprintChainPhase, SprintChainStatus
from codecourier.resources.workflow import Workflow

__all__ = ["SprintChainWorld", "accepted", "refused", "with_outcome"]


@dataclass(frozen=True)
class SprintChainWorld:
    """A SprintChain, what belongs to it and what it refers to."""

    chain: SprintChain
    project: Project | None
    workflow: Workflow | None
    runs: tuple[Run, ...] = ()
    """The Runs whose origin is this very chain."""

    notifications: frozenset[str] = frozenset()
    """Names of the Notifications that are there."""

    is_namespace_ending: bool = False
    """Whether the namespace is going away, so that nothing can be made in it any more."""

    facts: Facts = field(default_factory=dict)


def accepted(chain: SprintChain, status: SprintChainStatus, now: datetime) -> SprintChainStatus:
    """Return the status of a chain whose declaration is valid."""
    generation = chain.metadata.generation
    conditions = with_readiness(
        status.conditions,
        ConditionStatus.TRUE,
        Reason.ACCEPTED,
        sentence(Reason.ACCEPTED),
        now=now,
        generation=generation,
    )
    return status.updated(observed_generation=generation, conditions=conditions)


def refused(
    chain: SprintChain,
    status: SprintChainStatus,
    reason: Reason,
    message: str,
    now: datetime,
    *,
    is_stalled: bool,
) -> SprintChainStatus:
    """Return the status of a chain that cannot start before its declaration, or what it names, is changed.

    An attempt that has ended keeps its outcome: why the next one does not begin is in the Ready condition.
    """
    generation = chain.metadata.generation
    conditions = with_readiness(
        status.conditions,
        ConditionStatus.FALSE,
        reason,
        message,
        is_stalled=is_stalled,
        now=now,
        generation=generation,
    )
    new = status.updated(observed_generation=generation, conditions=conditions)
    return new if status.phase.is_finished else with_outcome(chain, new, status.phase, reason, message, now)


def with_outcome(
    chain: SprintChain,
    status: SprintChainStatus,
    phase: SprintChainPhase,
    reason: Reason,
    message: str,
    now: datetime,
) -> SprintChainStatus:
    """Return the status with a phase and what the Succeeded condition says of it."""
    succeeded = ConditionStatus.UNKNOWN
    if phase.is_finished:
        succeeded = ConditionStatus.TRUE if phase is SprintChainPhase.COMPLETED else ConditionStatus.FALSE
    generation = chain.metadata.generation
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
