"""How an attempt of a SprintChain begins: what it names is there, its ledger and its base are recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from codecourier.core.shared.facts import Ask, BranchHeadAsk, Problem, RepositoryAsk
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.outcome import accepted, refused, with_outcome
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.repositories import find_access, find_repository
from codecourier.core.sprint_chain.sprints import begin_sprints, first_sprint_of_attempt, start_commit
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.project import Repository
from codecourier.resources.sprint_chain import (
    ChainAttempt,
    SprintChain,
    SprintChainPhase,
    SprintChainStatus,
    SprintStatus,
)

F = TypeVar("F")

__all__ = ["LOOK_AGAIN", "plan_begin"]

STALL_AFTER = timedelta(minutes=5)
"""How long something that a chain names may be missing before it is Stalled: GitOps applies in any order."""

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay when the problem carries no retry time."""

KEPT_ATTEMPTS = 50
"""How many earlier attempts the history keeps."""

Advance = Callable[[SprintChainWorld, SprintChainStatus, datetime], Plan]


def plan_begin(world: SprintChainWorld, status: SprintChainStatus, now: datetime, advance: Advance) -> Plan:
    """Begin the attempt that the spec asks for: resolve, record the base and the ledger, then `advance`."""
    repository = _resolve(world)
    if isinstance(repository, Problem):
        return _refuse(world, status, repository, now)
    first = first_sprint_of_attempt(world.chain)
    if first is None:
        return _end_at_once(world, status, now)
    sprints = begin_sprints(world.chain, first)
    based = _base(world, repository.url, start_commit(sprints, first), now)
    if isinstance(based, Plan):
        return based
    branch, commit = based
    begun = SprintChainStatus(
        conditions=accepted(world.chain, status, now).conditions,
        observed_generation=world.chain.metadata.generation,
        phase=SprintChainPhase.RUNNING,
        attempt=world.chain.spec.attempt,
        from_sprint=first,
        repository_url=repository.url,
        base_branch=branch,
        base_commit=commit,
        sprints=sprints,
        completed_sprints=sum(s.head_commit is not None for s in sprints),
        attempts=_history(status, sprints),
        start_time=now,
    )
    return advance(world, begun, now)


def _end_at_once(world: SprintChainWorld, status: SprintChainStatus, now: datetime) -> Plan:
    """Complete an attempt for which no sprint is left."""
    text = sentence(Reason.NOTHING_LEFT, count=len(status.sprints))
    begun = accepted(world.chain, status, now).updated(
        attempt=world.chain.spec.attempt, attempts=_history(status, status.sprints), start_time=now
    )
    ended = with_outcome(world.chain, begun, SprintChainPhase.COMPLETED, Reason.NOTHING_LEFT, text, now)
    return Plan(status=ended, events=(Event(Reason.NOTHING_LEFT.value, text),))


def _history(status: SprintChainStatus, sprints: tuple[SprintStatus, ...]) -> tuple[ChainAttempt, ...]:
    if status.attempt == 0:
        return ()
    kept = {s.pull_request_url for s in sprints}
    superseded = tuple(
        s.pull_request_url for s in status.sprints if s.pull_request_url and s.pull_request_url not in kept
    )
    succeeded = status.condition("Succeeded")
    ended = ChainAttempt(
        attempt=status.attempt,
        phase=status.phase,
        from_sprint=status.from_sprint,
        start_time=status.start_time,
        finish_time=status.finish_time,
        reason=succeeded.reason if succeeded is not None else Reason.COMPLETED.value,
        message=status.message,
        superseded_pull_requests=superseded,
    )
    return (*status.attempts, ended)[-KEPT_ATTEMPTS:]


def _resolve(world: SprintChainWorld) -> Repository | Problem:
    if world.project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    if world.workflow is None:
        name = world.chain.spec.workflow_ref.name
        return Problem(Reason.WORKFLOW_NOT_FOUND, sentence(Reason.WORKFLOW_NOT_FOUND, workflow=name))
    repository = find_repository(world.project, world.chain.spec.repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=world.chain.spec.repository_url))
    return repository


def _refuse(world: SprintChainWorld, status: SprintChainStatus, problem: Problem, now: datetime) -> Plan:
    stalls = _asked_time(world.chain, status, now) + STALL_AFTER
    is_stalled = now >= stalls or problem.reason in {
        Reason.REPOSITORY_NOT_ALLOWED,
        Reason.NO_DEFAULT_REPOSITORY,
    }
    new = refused(world.chain, status, problem.reason, problem.message, now, is_stalled=is_stalled)
    return Plan(status=new, events=(Event.of(problem),), look_again=None if is_stalled else stalls)


def _asked_time(chain: SprintChain, status: SprintChainStatus, now: datetime) -> datetime:
    """Return since when the attempt waits: its Ready condition turned false then, or the chain was made."""
    ready = status.condition("Ready")
    if ready is not None and ready.status == "False":
        return ready.last_transition_time
    return now if status.attempt > 0 else (chain.metadata.creation_timestamp or now)


def _base(world: SprintChainWorld, url: str, recorded: str | None, now: datetime) -> tuple[str, str] | Plan:
    """Return base branch and the commit that the attempt's first sprint starts from.

    An attempt that goes on from a finished sprint keeps the chain's recorded base; one that starts without any takes
    the head that the base branch has now.
    """
    chain = world.chain
    repository = find_access(world.project, chain.namespace, url)
    branch = chain.spec.base_branch or chain.status.base_branch
    if branch is None:
        fact = _known(world, RepositoryAsk(repository), now)
        if isinstance(fact, Plan):
            return fact
        branch = fact.default_branch
    if recorded is not None:
        return branch, chain.status.base_commit or recorded
    head = _known(world, BranchHeadAsk(repository, branch), now)
    if isinstance(head, Plan):
        return head
    if head.commit is None:
        text = sentence(Reason.BRANCH_NOT_FOUND, repository=url, branch=branch)
        status = refused(chain, chain.status, Reason.BRANCH_NOT_FOUND, text, now, is_stalled=True)
        missing = Event(Reason.BRANCH_NOT_FOUND.value, text, is_warning=True)
        return Plan(status=status, events=(missing,), look_again=now + STALL_AFTER)
    return branch, head.commit


def _known(world: SprintChainWorld, ask: Ask[F], now: datetime) -> F | Plan:
    """Return the answer, or the plan that waits for it."""
    answer = world.facts.get(ask)
    if isinstance(answer, Problem):
        status = refused(
            world.chain, world.chain.status, answer.reason, answer.message, now, is_stalled=answer.is_final
        )
        look_again = answer.retry_time or now + (STALL_AFTER if answer.is_final else LOOK_AGAIN)
        return Plan(status=status, events=(Event.of(answer),), look_again=look_again)
    return answer
