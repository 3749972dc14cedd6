"""How a Single merge keeps the order of pull requests that are built on each other.

1. Nothing is merged while something below it is not: the host would merge both, or one into the branch of the other.
2. One whose base was merged is given the base of that one first, and is then verified there as any other.
3. Once a pull request is merged, what is built on it is given its base before anything deletes its branch: a host
   closes the pull requests of a base that goes away. The operator itself closes none and deletes no base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from codecourier.address import split_pull_request_address
from codecourier.core.merge_job.gate import pause_after
from codecourier.core.merge_job.landing import say_below
from codecourier.core.merge_job.outcome import plan_refusal
from codecourier.core.merge_job.waiting import CLAIM_LIMIT, wait_for_host, waiting
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Plan, Retarget
from codecourier.core.shared.merge_facts import DependantsAsk, MergePullAsk, MergePullFact
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import MergeJobStatus, MergeMode

__all__ = ["plan_dependants", "plan_stack_start", "plan_stack_wait"]


@dataclass(frozen=True)
class _Wait:
    problem: Problem
    effects: tuple[Retarget, ...] = ()


def plan_stack_start(world: MergeJobWorld, now: datetime) -> Plan | None:
    """Wait before anything is recorded, while a pull request cannot be merged where it stands; None: it can.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    job = world.job
    if job.spec.mode is not MergeMode.SINGLE:
        return None
    number = split_pull_request_address(job.spec.pull_requests[0])[1]
    pull = world.facts.get(MergePullAsk(world.access, number, with_place=True))
    found = None if isinstance(pull, Problem) else _find_wait(world, pull)
    if found is None:
        return None
    held = job.status.updated(waiting_for=found.problem.message)
    return replace(plan_refusal(world, held, found.problem, now), effects=found.effects)


def plan_stack_wait(world: MergeJobWorld, status: MergeJobStatus, pull: MergePullFact, now: datetime) -> Plan | None:
    """Wait for a bounded time after the verification, before the host is asked; None: nothing is waited for."""
    found = None if status.landing is not None else _find_wait(world, pull)
    if found is None:
        return None
    plan = wait_for_host(world, status.updated(lane=None), found.problem, now)
    is_over = isinstance(plan.status, MergeJobStatus) and plan.status.phase.is_finished
    return plan if is_over else replace(plan, effects=found.effects)


def plan_dependants(world: MergeJobWorld, status: MergeJobStatus, pull: MergePullFact, now: datetime) -> Plan | None:
    """Give what is built on a merged pull request its base; None: there is nothing, or no more time for it.

    Only what the operator opened has a branch that nothing but its merge is for: what is based on a branch of users, or
    on one of the same name where a fork was merged, stays as it is.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    if not pull.is_own:
        return None
    said = status.condition(ConditionType.SUCCEEDED)
    # Before that, it says since when the host did not answer.
    is_begun = said is not None and said.reason == Reason.STACK_FREED
    since = (status.waiting_since if is_begun else None) or now
    if now >= since + CLAIM_LIMIT:
        return None
    found = world.facts.get(DependantsAsk(world.access, pull.head_branch))
    if isinstance(found, Problem):
        return None if found.is_final else _wait_for(world, status, found.message, (), since, now)
    effects = (Retarget(world.access, number, pull.base_branch) for number in found.numbers)
    left = tuple(effect for effect in effects if not _is_refused(world, effect))
    if not left:
        return None
    names = ", ".join(f"#{effect.number}" for effect in left[:10])
    text = sentence(Reason.STACK_FREED, url=pull.url, base=pull.base_branch, names=names)
    return _wait_for(world, status, text, left, since, now)


def _find_wait(world: MergeJobWorld, pull: MergePullFact) -> _Wait | None:
    if pull.state is not PullRequestState.OPEN:
        return None
    if pull.below:
        return _Wait(Problem(Reason.STACK_BELOW, say_below(pull)))
    if pull.new_base is None:
        return None
    effect = Retarget(world.access, pull.number, pull.new_base)
    text = sentence(Reason.STACK_RETARGETED, url=pull.url, branch=pull.base_branch, base=pull.new_base)
    return _Wait(world.failures.get(effect) or Problem(Reason.STACK_RETARGETED, text), (effect,))


def _is_refused(world: MergeJobWorld, effect: Retarget) -> bool:
    problem = world.failures.get(effect)
    return problem is not None and problem.is_final


def _wait_for(
    world: MergeJobWorld,
    status: MergeJobStatus,
    text: str,
    effects: tuple[Retarget, ...],
    since: datetime,
    now: datetime,
) -> Plan:
    held = status.updated(waiting_since=since, lane=None)
    look_again = min(now + pause_after(now - since), since + CLAIM_LIMIT)
    plan = waiting(world, held, Reason.STACK_FREED, text, now, look_again)
    return replace(plan, effects=effects)
