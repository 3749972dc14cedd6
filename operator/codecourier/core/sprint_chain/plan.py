"""How a SprintChain goes through its life.

Pending → Running → Completed | Failed | Cancelled; a greater `spec.attempt` of a finished chain resumes it.

- Pending → Running: Project, Workflow and repository are there; the head of the base branch is recorded and the
  ledger of sprints is written.
- Running: at most one sprint is Running. It is claimed in the ledger, with the commit that it starts from, before its
  Run is made; the Run keeps a finalizer until the ledger has its end (invariant 1).
- The end of a sprint and the claim of the next one are one write. It follows from the end of the Run, a fact, so the
  sprint's Notification is made before it.
- Deletion: no further sprint starts, the active one may finish (or is stopped, with the annotation for it), then the
  chain is Cancelled and goes.
- Cancellation: no further sprint starts, the Run of the active one is stopped, then the chain is Cancelled. An end of
  the Run that came before is a fact: after the last sprint the chain is Completed, after one that failed Failed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from codecourier.core.run.status import find_delay
from codecourier.core.sandbox.pods import pod_deadline_seconds
from codecourier.core.shared.creations import (
    LOOK_AGAIN,
    START_LIMIT,
    absent_from,
    given_up_from,
    has_arrived,
    is_certain,
)
from codecourier.core.shared.debts import find_refusal, without_debt
from codecourier.core.shared.grace import next_look
from codecourier.core.shared.intents import Create, Event, Plan, asking
from codecourier.core.shared.naming import ANNOTATION_STOP_NOW, FINALIZER
from codecourier.core.shared.outcome import accepted, refused, with_outcome
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.reporting import claim_notifications, missing_claims, record_notifications, settle_claims
from codecourier.core.shared.revisions import has_recorded_workflow, read_recorded_workflow
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.core.sprint_chain.cancelling import is_chain_cancelled, is_ending
from codecourier.core.sprint_chain.debts import owe_records, plan_indebted, plan_refused
from codecourier.core.sprint_chain.sprints import (
    active_sprint,
    build_sprint_chain_notifications,
    build_sprint_run,
    claim_sprint,
    close_sprint,
    close_unmade,
    next_sprint,
)
from codecourier.core.sprint_chain.start import find_start_problem, plan_begin
from codecourier.core.sprint_chain.world import SprintChainWorld
from codecourier.resources.notification import NotificationType
from codecourier.resources.run import Run
from codecourier.resources.sprint_chain import (
    SprintChain,
    SprintChainPhase,
    SprintChainStatus,
    SprintPhase,
    SprintStatus,
)
from codecourier.resources.workflow import WorkflowSpec

__all__ = ["DELAY_LIMIT", "needs_references", "plan_sprint_chain"]

DELAY_LIMIT = timedelta(minutes=1)
"""How long the Run of a deleted chain may wait for anything but its pod: what passes by itself has that time."""

_REFUSED = frozenset({Reason.CREATION_REFUSED, Reason.QUOTA_EXCEEDED})
"""Reasons for which a Run that cannot be made keeps a chain waiting."""

FINISH_LIMIT = timedelta(days=1)
"""How long a deleted chain waits for its active sprint where the sprint's own deadline is not known."""


def needs_references(chain: SprintChain) -> bool:
    """Tell whether the plan depends on Project and Workflow: while a chain ends, or after the end, it does not."""
    if chain.status.phase.is_finished:
        return asks_for_attempt(chain.spec, chain.status) and not chain.is_deleting
    return not is_ending(chain)


@asking
def plan_sprint_chain(world: SprintChainWorld, now: datetime) -> Plan:
    """Return what is to be done for a SprintChain now."""
    chain, status = world.chain, world.chain.status
    if chain.is_deleting and world.is_namespace_ending:
        return Plan(release_finalizer=True)
    if FINALIZER not in chain.metadata.finalizers and not chain.is_deleting:
        return Plan(add_finalizer=True)
    claims = missing_claims(world, status.unnotified, lambda: build_sprint_chain_notifications(chain, status))
    problem = None if world.is_namespace_ending else find_refusal(world, claims)
    if problem is None:
        return owe_records(world, _settle(world) or _plan_phase(world, now))
    if status.phase.is_finished:
        return plan_refused(world, claims, problem, now)
    return owe_records(world, plan_indebted(world, claims, problem, _plan_phase, now))


def _plan_phase(world: SprintChainWorld, now: datetime) -> Plan:
    chain, status = world.chain, world.chain.status
    if status.phase.is_finished:
        return _plan_finished(world, now)
    if status.phase is SprintChainPhase.PENDING:
        return _cancel(world, status, now) if is_ending(chain) else plan_begin(world, status, now, _advance)
    return _plan_running(world, now)


def _settle(world: SprintChainWorld) -> Plan | None:
    chain, status = world.chain, world.chain.status
    called_for = partial(build_sprint_chain_notifications, chain, status)
    return settle_claims(world, without_debt(status), status.unnotified, called_for)


def _plan_finished(world: SprintChainWorld, now: datetime) -> Plan:
    chain, status = world.chain, world.chain.status
    if chain.is_deleting:
        return Plan(release_finalizer=True)
    if asks_for_attempt(chain.spec, status):
        return plan_begin(world, status, now, _advance)
    new = accepted(chain, status, now)
    return Plan() if new == status else Plan(status=new)


def _plan_running(world: SprintChainWorld, now: datetime) -> Plan:
    status = world.chain.status
    active = active_sprint(status)
    if active is None:
        return _cancel(world, status, now) if is_ending(world.chain) else _advance(world, status, now)
    run = next((r for r in world.runs if r.name == active.run), None)
    if run is None:
        return _plan_unmade(world, active, now)
    if not run.status.phase.is_finished:
        return _plan_active(world, active, run, now)
    return _plan_ended(world, close_sprint(status, active, run, now), active.index, now)


def _plan_unmade(world: SprintChainWorld, active: SprintStatus, now: datetime) -> Plan:
    """Make the Run of a sprint that is claimed, say what refuses it, or end the sprint.

    The creation was not answered or the operator stopped in between. The finalizer of a Run that was made keeps it
    until this ledger has its end, so one that is absent was never made.
    """
    chain, status = world.chain, world.chain.status
    create = Create(build_sprint_run(chain, status, active))
    problem = world.failures.get(create)
    if problem is None:
        return Plan(creates=(create,))
    is_over = is_ending(chain)
    deadline = now if is_over else (active.start_time or problem.since or now) + START_LIMIT
    given_up = absent_from(problem) if is_over else given_up_from(problem, deadline)
    if given_up is not None and now >= given_up:
        if not has_arrived(world.facts, problem, create.resource):
            phase = SprintPhase.CANCELLED if is_over else SprintPhase.FAILED
            return _plan_ended(world, close_unmade(status, active, phase, problem.message, now), active.index, now)
        given_up = now + LOOK_AGAIN
    waiting = with_outcome(chain, status, SprintChainPhase.RUNNING, problem.reason, problem.message, now)
    creates = (create,) if now < deadline or is_certain(problem) else ()
    return Plan(status=waiting, creates=creates, events=_events(world, waiting), look_again=given_up)


def _plan_active(world: SprintChainWorld, active: SprintStatus, run: Run, now: datetime) -> Plan:
    chain, status = world.chain, world.chain.status
    if is_chain_cancelled(chain):
        return _plan_stopping(world, now)
    if not chain.is_deleting:
        return Plan()
    delay = find_delay(run)
    since = None if delay is None else status.waiting_time or now
    limit = _finish_limit(world, run)
    limit = limit if since is None else min(limit, since + DELAY_LIMIT)
    is_wished = chain.metadata.annotations.get(ANNOTATION_STOP_NOW) == "true"
    is_stopped = is_wished or run.uid in status.stopping or now >= limit
    reason, text = Reason.STOPPING, sentence(Reason.STOPPING)
    if run.status.tries and not is_stopped:  # one that has not started stops by itself
        detail = "" if delay is None else f"Its Run waits: {delay}"
        reason, text = Reason.FINISHING, sentence(Reason.FINISHING, number=active.number, detail=detail)
    new = with_outcome(chain, status, SprintChainPhase.RUNNING, reason, text, now)
    return Plan(
        status=new.updated(stopping=(run.uid,) if is_stopped else (), waiting_time=since),
        events=(Event(reason.value, text),),
        look_again=None if is_stopped else limit,
    )


def _plan_stopping(world: SprintChainWorld, now: datetime) -> Plan:
    """Say that the sprint of a cancelled chain stops: its Run reads that from the cancellation in the status."""
    text = sentence(Reason.STOPPING)
    new = with_outcome(world.chain, world.chain.status, SprintChainPhase.RUNNING, Reason.STOPPING, text, now)
    return Plan(status=new.updated(waiting_time=None), events=_events(world, new))


def _finish_limit(world: SprintChainWorld, run: Run) -> datetime:
    chain = world.chain
    deleted = chain.metadata.deletion_timestamp
    if deleted is None:
        raise ValueError(f"SprintChain {chain.name} is not being deleted")
    known = read_recorded_workflow(run, None, world.facts) if has_recorded_workflow(run.status) else None
    limit = timedelta(seconds=pod_deadline_seconds(known)) if isinstance(known, WorkflowSpec) else FINISH_LIMIT
    return deleted + limit


def _plan_ended(world: SprintChainWorld, status: SprintChainStatus, index: int, now: datetime) -> Plan:
    """Decide what follows from the end of a sprint, which `status` already holds."""
    sprint = status.sprints[index]
    if sprint.phase is SprintPhase.COMPLETED:
        if is_ending(world.chain) and next_sprint(status) is not None:
            return _cancel(world, status, now)
        return _advance(world, status, now)
    failed = sprint.phase is SprintPhase.FAILED
    if world.chain.is_deleting or (is_chain_cancelled(world.chain) and not failed):
        return _cancel(world, status, now)
    reason = Reason.SPRINT_FAILED if failed else Reason.SPRINT_CANCELLED
    text = sentence(reason, number=sprint.number, detail=sprint.message or "")
    phase = SprintChainPhase.FAILED if failed else SprintChainPhase.CANCELLED
    return _claim(world, with_outcome(world.chain, status, phase, reason, text, now))


def _advance(world: SprintChainWorld, status: SprintChainStatus, now: datetime) -> Plan:
    """Start the next sprint, or end the chain when there is none."""
    chain = world.chain
    following = next_sprint(status)
    if following is None:
        text = sentence(Reason.COMPLETED, detail=f"All {len(status.sprints)} sprints are done.")
        done = with_outcome(chain, status, SprintChainPhase.COMPLETED, Reason.COMPLETED, text, now)
        return _claim(world, done.updated(current_sprint_index=len(status.sprints) - 1))
    if chain.spec.suspend:
        text = sentence(Reason.SUSPENDED, kind="chain", what=f"sprint {following.number} starts")
        held = accepted(chain, status, now)
        return _claim(world, with_outcome(chain, held, SprintChainPhase.RUNNING, Reason.SUSPENDED, text, now))
    if (problem := find_start_problem(world)) is not None:
        held = refused(chain, status, problem, now)
        look_again = next_look(chain, problem, now, world.credentials, world.agent_secrets)
        return replace(_claim(world, held), look_again=look_again)
    claimed = claim_sprint(chain, accepted(chain, status, now), following.index, now)
    text = f"Sprint {following.number} ({following.index + 1} of {len(status.sprints)}) is under way."
    running = with_outcome(
        chain, claimed, SprintChainPhase.RUNNING, Reason.RUNNING, sentence(Reason.RUNNING, detail=text), now
    )
    run = build_sprint_run(chain, running, running.sprints[following.index])
    return _claim(world, running, run)


def _cancel(world: SprintChainWorld, status: SprintChainStatus, now: datetime) -> Plan:
    chain, reason = world.chain, Reason.DELETED
    if is_chain_cancelled(chain):
        reason = Reason.CANCELLED
        status = accepted(chain, status, now).updated(attempt=status.attempt or chain.spec.attempt)
    new = with_outcome(chain, status, SprintChainPhase.CANCELLED, reason, sentence(reason), now)
    return _claim(world, new.updated(stopping=(), waiting_time=None))


def _claim(world: SprintChainWorld, status: SprintChainStatus, run: Run | None = None) -> Plan:
    """Return the plan that writes a status and makes what it calls for.

    The end of a sprint is that of its Run, and the end of the last one completes the chain, whatever happens
    meanwhile: these are facts. That a chain is cancelled, or a sprint ends whose Run was never made, is a decision.
    """
    before = {n.name for n in build_sprint_chain_notifications(world.chain, world.chain.status)}
    made = [n for n in build_sprint_chain_notifications(world.chain, status) if n.name not in before]
    runs = {run.name for run in world.runs}
    facts = [n for n in made if n.spec.run in runs or n.spec.type is NotificationType.WORKFLOW_COMPLETED]
    new, creates = claim_notifications(status, (n for n in made if n not in facts))
    return Plan(
        records=record_notifications(world, facts),
        status=new,
        creates=(*creates, *((Create(run),) if run is not None else ())),
        events=_events(world, new),
    )


def _events(world: SprintChainWorld, status: SprintChainStatus) -> tuple[Event, ...]:
    if status.message == world.chain.status.message:
        return ()
    succeeded = status.condition("Succeeded")
    reason = succeeded.reason if succeeded is not None else Reason.RUNNING.value
    is_warning = status.phase is SprintChainPhase.FAILED or reason in _REFUSED
    return (Event(reason, status.message, is_warning=is_warning),)
