"""What a SprintChain owes (see `core.shared.debts`): Notifications that the API server refuses.

An unfinished chain goes on meanwhile; what it owes is tried beside its work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from codecourier.core.shared.debts import DEBT_LIMIT, URGENT_LIMIT, debt_events, plan_debt, with_debt
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Plan
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reporting import with_claims
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.sprint_chain import SprintChainStatus

__all__ = ["owe_records", "plan_indebted", "plan_refused"]


def owe_records(world: SprintChainWorld, plan: Plan) -> Plan:
    """Return the plan without the records that the API server refuses, which its status owes instead."""
    refused = tuple(record for record in plan.records if world.failures.get(record) is not None)
    if not refused or not isinstance(plan.status, SprintChainStatus):
        return plan
    status = with_claims(plan.status, (record.resource.name for record in refused))
    return replace(plan, records=tuple(record for record in plan.records if record not in refused), status=status)


def plan_refused(world: SprintChainWorld, claims: tuple[Create, ...], problem: Problem, now: datetime) -> Plan:
    """Return the plan of a finished chain whose Notifications are refused."""
    chain = world.chain
    status = accepted(chain, _left(world, claims), now)
    is_urgent = chain.is_deleting or asks_for_attempt(chain.spec, status)
    limit = (status.finish_time or now) + (URGENT_LIMIT if is_urgent else DEBT_LIMIT)
    return plan_debt(chain, status, claims, problem, limit, now)


def plan_indebted(
    world: SprintChainWorld,
    claims: tuple[Create, ...],
    problem: Problem,
    plan_phase: Callable[[SprintChainWorld, datetime], Plan],
    now: datetime,
) -> Plan:
    """Return the plan of an unfinished chain, with the refused Notifications that it owes."""
    left = _left(world, claims)
    owing = with_debt(world.chain, left, claims, problem, None, now)
    plan = plan_phase(replace(world, chain=world.chain.updated(status=owing)), now)
    return replace(
        plan,
        status=plan.status or owing,
        creates=(*claims, *plan.creates),
        events=(*plan.events, *debt_events(left, owing)),
    )


def _left(world: SprintChainWorld, claims: tuple[Create, ...]) -> SprintChainStatus:
    return world.chain.status.updated(unnotified=tuple(create.resource.name for create in claims))
