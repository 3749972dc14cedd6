"""How a Run comes to its sandbox: accepted, admitted at once or queued before, started."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from codecourier.core.project.admission import has_place, has_room, next_try_number
from codecourier.core.run.end import claim_end
from codecourier.core.run.recorded import record_workflow
from codecourier.core.run.references import resolve
from codecourier.core.run.status import attempt_status, working_sentence
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Ask, BranchHeadAsk, Problem, RepositoryAsk
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.naming import (
    FINALIZER,
    LABEL_MANAGED,
    LABEL_RUN_UID,
    branch_name,
    sandbox_name,
)
from codecourier.core.shared.outcome import accepted, refused, with_outcome
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.project import Project
from codecourier.resources.run import Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import Sandbox, SandboxRun, SandboxSpec

F = TypeVar("F")

__all__ = ["DECISION_GRACE", "build_sandbox", "plan_again", "plan_pending", "plan_queued"]

STALL_AFTER = timedelta(minutes=5)
"""How long something that a Run names may be missing before the Run is Stalled: GitOps applies in any order."""

DECISION_GRACE = timedelta(seconds=3)
"""How long a Run stays Pending for the Project's plan to admit it, at least 2 s of it: creation times have seconds."""

LOOK_AGAIN = timedelta(seconds=15)
"""Shortest wait after a problem, before the Run may have a place again."""

LONGEST_WAIT = timedelta(minutes=10)
"""Longest wait after a problem that goes on, unless it names a later time."""


def plan_again(run: Run, now: datetime) -> Plan:
    """Completed | Failed | Cancelled → Pending: the outcome of an earlier attempt is not that of the one asked for."""
    text = sentence(Reason.STARTING, detail=f"Attempt {run.spec.attempt} begins.")
    return Plan(status=with_outcome(run, attempt_status(run), RunPhase.PENDING, Reason.STARTING, text, now))


def plan_pending(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    """Pending → Running with a place; → Queued without one, once the Project's plan has had its time to give it."""
    run = world.run
    known = resolve(run, world.project, world.workflow)
    if isinstance(known, Problem):
        return _refuse(world, status, known, now)
    new = accepted(run, status, now).updated(repository_url=known.repository.url)
    if has_place(known.project, run):
        return _plan_admitted(world, new, now)
    due = _decision_time(run, known.project, now)
    if now < due:
        return Plan(look_again=due, is_brief=run.status.attempt == 0)
    return _wait(world, new, known.project, now)


def _wait(world: RunWorld, status: RunStatus, project: Project, now: datetime) -> Plan:
    """Say what a Run without a place waits for: its repository, without which it gets none, or a place."""
    access = find_access(project, world.run.namespace, status.repository_url)
    answer = None if project.spec.suspend else world.facts.get(RepositoryAsk(access))
    if isinstance(answer, Problem) and answer.is_final:
        return _refuse(world, status, answer, now)
    if isinstance(answer, Problem):
        new = with_outcome(world.run, status, RunPhase.QUEUED, answer.reason, answer.message, now)
        event = Event.of(answer)
    else:
        new = _queued(world.run, status, project, now)
        event = Event("Queued", new.message)
    return Plan(status=new, events=(event,) if new.message != world.run.status.message else ())


def _decision_time(run: Run, project: Project, now: datetime) -> datetime:
    """Return until when a Run that has no place is not said to wait for one: the Project's plan is about to look.

    For a Run that was refused for a time, nothing keeps the time at which that ended: it waits while the list has room,
    as the Project's plan then gives it a place or fills the list.
    """
    if project.spec.suspend:
        return now
    begun = run.status.condition(ConditionType.SUCCEEDED)
    if begun is not None and begun.reason == Reason.STARTING:
        return begun.last_transition_time + DECISION_GRACE
    if run.status.attempt == 0:
        return (run.metadata.creation_timestamp or now) + DECISION_GRACE
    return now + DECISION_GRACE if has_room(project) else now


def _refuse(world: RunWorld, status: RunStatus, problem: Problem, now: datetime) -> Plan:
    if problem.is_final:
        new = with_outcome(
            world.run,
            accepted(world.run, status, now),
            RunPhase.FAILED,
            problem.reason,
            problem.message,
            now,
        )
        return claim_end(world, new, problem.reason, now)
    created = world.run.metadata.creation_timestamp or now
    stalls = created + STALL_AFTER
    is_stalled = now >= stalls or problem.reason in {
        Reason.REPOSITORY_NOT_ALLOWED,
        Reason.NO_DEFAULT_REPOSITORY,
    }
    new = refused(world.run, status, problem.reason, problem.message, now, is_stalled=is_stalled)
    if world.project is not None and has_place(world.project, world.run):
        new = new.updated(retry_time=now + LOOK_AGAIN)
    return Plan(status=new, events=(Event.of(problem),), look_again=None if is_stalled else stalls)


def _queued(run: Run, status: RunStatus, project: Project, now: datetime) -> RunStatus:
    reason = Reason.PROJECT_SUSPENDED if project.spec.suspend else Reason.WAITING_FOR_PLACE
    text = sentence(reason, limit=project.spec.limits.max_concurrent_runs)
    return with_outcome(run, status, RunPhase.QUEUED, reason, text, now)


def plan_queued(world: RunWorld, now: datetime) -> Plan:
    """Queued → Running, once the Project's list gives this try a place and its commit is known."""
    run, project = world.run, world.project
    status = run.status
    if project is None:
        text = sentence(Reason.PROJECT_NOT_FOUND)
        return Plan(status=with_outcome(run, status, RunPhase.QUEUED, Reason.PROJECT_NOT_FOUND, text, now))
    if not has_recorded_workflow(status):
        known = resolve(run, project, world.workflow)
        if isinstance(known, Problem):
            return _refuse(world, status, known, now)
    if not has_place(project, run):
        return _plan_waiting(world, project, now)
    return _plan_admitted(world, status, now)


def _plan_admitted(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    """Start the try that has a place, once its commit is known and its Workflow is recorded."""
    based = _base(world, status, now)
    if isinstance(based, Plan):
        return based
    recorded = record_workflow(world, status, now)
    if isinstance(recorded, Plan):
        return recorded
    return _start(world, recorded, based, now)


def _plan_waiting(world: RunWorld, project: Project, now: datetime) -> Plan:
    status = world.run.status
    if status.retry_time is not None and now < (due := status.retry_time + DECISION_GRACE):
        return Plan(look_again=due)
    return _wait(world, accepted(world.run, status, now), project, now)


def _base(world: RunWorld, status: RunStatus, now: datetime) -> tuple[str, str] | Plan:
    """Return base branch and base commit of the attempt, or the plan that finds them out."""
    run = world.run
    branch = status.base_branch or run.spec.base_branch
    url = status.repository_url or ""
    repository = find_access(world.project, run.namespace, url)
    if branch is None:
        answer = _known(world, status, RepositoryAsk(repository), now)
        if isinstance(answer, Plan):
            return answer
        branch = answer.default_branch
    commit = status.base_commit or run.spec.base_commit
    if commit is not None:
        return branch, commit
    head = _known(world, status, BranchHeadAsk(repository, branch), now)
    if isinstance(head, Plan):
        return head
    if head.commit is None:
        text = sentence(Reason.BRANCH_NOT_FOUND, repository=url, branch=branch)
        failed = with_outcome(run, status, RunPhase.FAILED, Reason.BRANCH_NOT_FOUND, text, now)
        return claim_end(world, failed, Reason.BRANCH_NOT_FOUND, now)
    return branch, head.commit


def _known(world: RunWorld, status: RunStatus, ask: Ask[F], now: datetime) -> F | Plan:
    """Return the answer, or the plan that waits for it."""
    answer = world.facts.get(ask)
    if isinstance(answer, Problem):
        if answer.is_final:
            return _refuse(world, status, answer, now)
        return _return_place(world, status, answer, now)
    return answer


def _return_place(world: RunWorld, status: RunStatus, problem: Problem, now: datetime) -> Plan:
    """Let another Run have the place: this one gets one again after its retry time, which makes this place void."""
    known = world.run.status.condition(ConditionType.SUCCEEDED)
    is_new = known is None or known.reason != problem.reason
    wait = LOOK_AGAIN if is_new or known is None else (now - known.last_transition_time) / 4
    retry_time = max(problem.retry_time or now, now + min(max(wait, LOOK_AGAIN), LONGEST_WAIT))
    new = with_outcome(world.run, status, RunPhase.QUEUED, problem.reason, problem.message, now)
    events = (Event.of(problem),) if is_new else ()
    return Plan(status=new.updated(retry_time=retry_time), events=events, look_again=retry_time)


def _start(world: RunWorld, status: RunStatus, base: tuple[str, str], now: datetime) -> Plan:
    run = world.run
    number = next_try_number(run)
    name = sandbox_name(run.name, run.uid, status.attempt, number)
    new = with_outcome(
        run,
        accepted(run, status, now),
        RunPhase.RUNNING,
        Reason.RUNNING,
        working_sentence(run, status.attempt, name),
        now,
    ).updated(
        base_branch=base[0],
        base_commit=base[1],
        branch=status.branch or branch_name(run.name, run.uid, status.attempt),
        tries=(*status.tries, Try(number=number, sandbox=name, claim_time=now)),
        retry_time=None,
        start_time=status.start_time or now,
    )
    return Plan(
        status=new,
        creates=(Create(build_sandbox(run, status.attempt, number)),),
        events=(Event("Started", f"Try {number} of attempt {status.attempt} runs in Sandbox {name}."),),
    )


def build_sandbox(run: Run, attempt: int, number: int) -> Sandbox:
    """Return the Sandbox of a try. Its finalizer keeps it until the Run's ledger has its end."""
    return Sandbox(
        metadata=ObjectMeta(
            name=sandbox_name(run.name, run.uid, attempt, number),
            namespace=run.namespace,
            labels={LABEL_RUN_UID: run.uid, LABEL_MANAGED: "true"},
            finalizers=(FINALIZER,),
            owner_references=(run.as_owner,),
        ),
        spec=SandboxSpec(run_ref=SandboxRun(name=run.name, uid=run.uid), attempt=attempt, try_number=number),
    )
