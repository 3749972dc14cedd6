"""How a Run comes to its sandbox: accepted, admitted at once or queued before, started."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.project.admission import has_place, has_room, next_try_number
from codecourier.core.run.end import claim_end
from codecourier.core.run.lessons import choose_learnings
from codecourier.core.run.recorded import fail_attempt, record_workflow
from codecourier.core.run.references import resolve
from codecourier.core.run.status import attempt_status, working_sentence
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.creations import START_LIMIT, given_up_from
from codecourier.core.shared.facts import Problem, RepositoryAsk
from codecourier.core.shared.grace import is_passing, next_look
from codecourier.core.shared.intents import Create, CreateRevision, Event, Plan
from codecourier.core.shared.naming import (
    FINALIZER,
    LABEL_MANAGED,
    LABEL_RUN_UID,
    branch_name,
    sandbox_name,
)
from codecourier.core.shared.outcome import accepted, refused, with_outcome
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.references import find_head, find_secret_problem
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.resources.meta import ConditionStatus, ObjectMeta
from codecourier.resources.project import Project
from codecourier.resources.run import Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import Sandbox, SandboxRun, SandboxSpec

__all__ = ["DECISION_GRACE", "build_sandbox", "plan_again", "plan_pending", "plan_queued"]

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
    if _is_refused(run):
        return _look_at_base(world, new, now)
    due = _decision_time(run, known.project, now)
    if now < due and not _says_problem(run):
        return Plan(look_again=due, is_brief=run.status.attempt == 0)
    return _wait(world, new, known.project, now, due)


def _wait(world: RunWorld, status: RunStatus, project: Project, now: datetime, due: datetime | None = None) -> Plan:
    """Say what a Run without a place waits for: its repository, without which it gets none, or a place.

    Until `due` the Project's plan is about to give it one.
    """
    access = find_access(project, world.run.namespace, status.repository_url, world.credentials)
    answer = None if project.spec.suspend else world.facts.get(RepositoryAsk(access))
    if isinstance(answer, Problem) and not is_passing(answer.reason):
        return _refuse(world, status, answer, now)
    if isinstance(answer, Problem):
        new = with_outcome(world.run, status, RunPhase.QUEUED, answer.reason, answer.message, now)
        event, look_again = Event.of(answer), next_look(world.run, answer, now)
    elif due is not None and now < due:
        return Plan(look_again=due)
    else:
        new, look_again = _queued(world.run, status, project, now), None
        event = Event("Queued", new.message)
    return Plan(status=new, events=(event,) if new.message != world.run.status.message else (), look_again=look_again)


def _says_problem(run: Run) -> bool:
    """Tell whether the status says that something which the Run names is not there: that may have changed since."""
    ready = run.status.condition(ConditionType.READY)
    return ready is not None and ready.status == ConditionStatus.FALSE


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
    """Wait until what the Run names is there; before its first try nothing was started, so nothing has failed."""
    run = world.run
    if status.tries:
        return _refuse_retry(world, status, problem, now)
    waiting = status.updated(phase=RunPhase.PENDING, conditions=run.status.conditions)
    new = refused(run, waiting, problem, now)
    look_again = next_look(run, problem, now, world.credentials, world.agent_secrets)
    if world.project is not None and (has_place(world.project, run) or _may_have_place(status, look_again)):
        new = new.updated(retry_time=now + LONGEST_WAIT)
    events = (Event.of(problem),) if new.message != run.status.message else ()
    return Plan(status=new, events=events, look_again=look_again)


def _may_have_place(status: RunStatus, time: datetime) -> bool:
    """Tell whether a Run that had returned its place would be given one again by this time."""
    return status.retry_time is not None and status.retry_time <= time


def _refuse_retry(world: RunWorld, status: RunStatus, problem: Problem, now: datetime) -> Plan:
    if not problem.is_final:
        return _return_place(world, status, problem, now)
    failed = with_outcome(world.run, status, RunPhase.FAILED, problem.reason, problem.message, now)
    return claim_end(world, failed, problem.reason, now)


def _is_refused(run: Run) -> bool:
    """Tell whether the Run has returned its place, as what its first try starts from was not there."""
    return _says_problem(run) and run.status.retry_time is not None and not run.status.tries


def _look_at_base(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    """Look without a place whether a refused Run can start, so that it need not take one for that from another."""
    recorded = record_workflow(world, status, now)
    if isinstance(recorded, CreateRevision) and world.failures.get(recorded) is not None:
        return _make_revision(world, status, recorded, now)
    based = _base(world, status)
    if not isinstance(based, Problem) and isinstance(recorded, CreateRevision):
        return _make_revision(world, status, recorded, now)
    if not isinstance(based, Problem):
        text = sentence(Reason.ACCEPTED)
        ready = with_outcome(world.run, status, RunPhase.PENDING, Reason.ACCEPTED, text, now)
        return Plan(status=ready.updated(retry_time=now), look_again=now + DECISION_GRACE)
    if is_passing(based.reason):
        return Plan(look_again=next_look(world.run, based, now))
    return _refuse(world, status, based, now)


def _queued(run: Run, status: RunStatus, project: Project, now: datetime) -> RunStatus:
    reason = Reason.PROJECT_SUSPENDED if project.spec.suspend else Reason.WAITING_FOR_PLACE
    text = sentence(reason, limit=project.spec.limits.max_concurrent_runs, what="the Run starts")
    return with_outcome(run, status, RunPhase.QUEUED, reason, text, now)


def plan_queued(world: RunWorld, now: datetime) -> Plan:
    """Queued → Running, once the Project's list gives this try a place and its commit is known."""
    run, project = world.run, world.project
    status = run.status
    if project is None:
        problem = Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
        return _refuse(world, status, problem, now)
    if not has_recorded_workflow(status):
        known = resolve(run, project, world.workflow)
        if isinstance(known, Problem):
            return _refuse(world, status, known, now)
    if not has_place(project, run):
        return _plan_waiting(world, project, now)
    return _plan_admitted(world, status, now)


def _plan_admitted(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    """Start the try that has a place, once its commit is known and its Workflow is recorded."""
    based = _base(world, status)
    if isinstance(based, Problem) and is_passing(based.reason):
        return _return_place(world, status, based, now)
    if isinstance(based, Problem):
        return _refuse(world, status, based, now)
    recorded = record_workflow(world, status, now)
    if isinstance(recorded, CreateRevision):
        return _make_revision(world, status, recorded, now)
    return recorded if isinstance(recorded, Plan) else _start(world, recorded, based, now)


def _make_revision(world: RunWorld, status: RunStatus, create: CreateRevision, now: datetime) -> Plan:
    """Make the revision before the status that names it, without a place while the API server refuses it."""
    refusal = world.failures.get(create)
    if refusal is None:
        return Plan(creates=(create,), look_again=now, is_brief=world.run.status.attempt == 0)
    given_up = given_up_from(refusal, (refusal.since or now) + START_LIMIT)
    if given_up is not None and now >= given_up:
        return fail_attempt(world, status, refusal, now)
    plan = (_return_place if status.tries else _refuse)(world, status, refusal, now)
    times = [time for time in (plan.look_again, given_up) if time is not None]
    return replace(plan, creates=(create,), look_again=min(times, default=None))


def _plan_waiting(world: RunWorld, project: Project, now: datetime) -> Plan:
    status = world.run.status
    if status.retry_time is not None and now < (due := status.retry_time + DECISION_GRACE):
        return Plan(look_again=due)
    return _wait(world, accepted(world.run, status, now), project, now)


def _base(world: RunWorld, status: RunStatus) -> tuple[str, str] | Problem:
    """Return base branch and base commit of the attempt, or why its next try cannot start."""
    run = world.run
    branch = status.base_branch or run.spec.base_branch
    url = status.repository_url or ""
    repository = find_access(world.project, run.namespace, url, world.credentials)
    if branch is None:
        answer = world.facts.get(RepositoryAsk(repository))
        if isinstance(answer, Problem):
            return answer
        branch = answer.default_branch
    commit = status.base_commit or run.spec.base_commit or find_head(world.facts, repository, url, branch)
    if isinstance(commit, Problem):
        return commit
    if world.workflow is not None and not has_recorded_workflow(status):
        problem = find_secret_problem(world.facts, run.namespace, world.workflow.spec)
        if problem is not None:
            return problem
    return branch, commit


def _return_place(world: RunWorld, status: RunStatus, problem: Problem, now: datetime) -> Plan:
    """Let another Run have the place: this one gets one again after its retry time, which makes this place void."""
    known = world.run.status.condition(ConditionType.SUCCEEDED)
    is_new = known is None or known.reason != problem.reason
    wait = LOOK_AGAIN if is_new or known is None else (now - known.last_transition_time) / 4
    retry_time = max(problem.retry_time or now, now + min(max(wait, LOOK_AGAIN), LONGEST_WAIT))
    has_returned = world.project is None or not has_place(world.project, world.run)
    if has_returned and status.retry_time is not None and now < status.retry_time:
        retry_time = status.retry_time  # one that moved with the clock would be written again and again
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
        branch=status.branch or _find_branch(run, status.attempt),
        tries=(*status.tries, Try(number=number, sandbox=name, claim_time=now)),
        retry_time=None,
        start_time=status.start_time or now,
    )
    new, events = (new, ()) if status.tries else choose_learnings(world, new)
    return Plan(
        status=new,
        creates=(Create(build_sandbox(run, status.attempt, number)),),
        events=(Event("Started", f"Try {number} of attempt {status.attempt} runs in Sandbox {name}."), *events),
    )


def _find_branch(run: Run, attempt: int) -> str:
    """Return the branch of an attempt; a follow-up has that of the Run whose pull request it continues.

    It follows from names and UIDs alone, so no field of a Run names a branch that it may push to.
    """
    origin, follow_up = run.spec.origin, run.spec.follow_up
    if follow_up is not None and origin is not None and origin.kind == run.kind:
        return branch_name(origin.name, origin.uid, follow_up.attempt)
    return branch_name(run.name, run.uid, attempt)


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
