"""How an attempt of a SprintChain begins: what it names is there, its ledger and its base are recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from codecourier.core.shared.facts import Problem, RepositoryAsk
from codecourier.core.shared.grace import next_look
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.outcome import accepted, refused, with_outcome
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_head, find_secret_problem, find_workflow
from codecourier.core.shared.repositories import find_access, find_repository
from codecourier.core.sprint_chain.sprints import begin_sprints, first_sprint_of_attempt, start_commit
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.project import Repository
from codecourier.resources.sprint_chain import (
    ChainAttempt,
    SprintChainPhase,
    SprintChainStatus,
    SprintStatus,
)

__all__ = ["find_start_problem", "plan_begin"]

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
    based = _base(world, repository.url, start_commit(sprints, first))
    if isinstance(based, Problem):
        return _refuse(world, status, based, now)
    branch, commit = based
    begun = SprintChainStatus(
        conditions=accepted(world.chain, status, now).conditions,
        observed_generation=world.chain.metadata.generation,
        phase=SprintChainPhase.RUNNING,
        attempt=world.chain.spec.attempt,
        cancelled_attempt=status.cancelled_attempt,
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


def find_start_problem(world: SprintChainWorld) -> Problem | None:
    """Return why no sprint can start now, or None: it is looked at before one is claimed, so that none fails of it."""
    found = _resolve(world)
    return found if isinstance(found, Problem) else None


def _resolve(world: SprintChainWorld) -> Repository | Problem:
    if world.project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    workflow = find_workflow(world.workflow, world.chain.spec.workflow_ref.name, has_sprint=True)
    if isinstance(workflow, Problem):
        return workflow
    repository = find_repository(world.project, world.chain.spec.repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=world.chain.spec.repository_url))
    problem = find_secret_problem(world.facts, world.chain.namespace, workflow.spec)
    return repository if problem is None else problem


def _refuse(world: SprintChainWorld, status: SprintChainStatus, problem: Problem, now: datetime) -> Plan:
    """Wait until a problem is over that keeps a sprint from starting; nothing was started, so nothing has failed."""
    chain = world.chain
    return Plan(
        status=refused(chain, status, problem, now),
        events=(Event.of(problem),),
        look_again=next_look(chain, problem, now, world.credentials, world.agent_secrets),
    )


def _base(world: SprintChainWorld, url: str, recorded: str | None) -> tuple[str, str] | Problem:
    """Return base branch and the commit that the attempt's first sprint starts from, or why there is none.

    An attempt that goes on from a finished sprint keeps the chain's recorded base; one that starts without any takes
    the head that the base branch has now.
    """
    chain = world.chain
    repository = find_access(world.project, chain.namespace, url, world.credentials)
    branch = chain.spec.base_branch or chain.status.base_branch
    if branch is None:
        fact = world.facts.get(RepositoryAsk(repository))
        if isinstance(fact, Problem):
            return fact
        branch = fact.default_branch
    if recorded is not None:
        return branch, chain.status.base_commit or recorded
    head = find_head(world.facts, repository, url, branch)
    return head if isinstance(head, Problem) else (branch, head)
