"""How a Run comes to its sandbox: accepted, queued, admitted, started."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.admission import has_place, next_try_number
from codecourier.core.facts import BranchHeadAsk, BranchHeadFact, Problem, RepositoryAsk, RepositoryFact
from codecourier.core.intents import Create, Event, Plan
from codecourier.core.naming import (
    FINALIZER,
    LABEL_MANAGED,
    LABEL_RUN_UID,
    branch_name,
    sandbox_name,
)
from codecourier.core.prompts import unknown_placeholders
from codecourier.core.reasons import Reason, sentence
from codecourier.core.repositories import find_repository
from codecourier.core.run_status import RunWorld, accepted, refused, with_outcome
from codecourier.resources.meta import API_VERSION, ObjectMeta, OwnerReference
from codecourier.resources.project import Project, Repository
from codecourier.resources.run import Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import Sandbox, SandboxRun, SandboxSpec
from codecourier.resources.workflow import WorkflowSpec

__all__ = ["build_sandbox", "plan_accept", "plan_queued"]

STALL_AFTER = timedelta(minutes=5)
"""How long something that a Run names may be missing before the Run is Stalled: GitOps applies in any order."""

LOOK_AGAIN = timedelta(seconds=15)
"""When something outside is asked again that has no time of its own."""


def plan_accept(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    """Pending → Queued, once all that the Run names is there."""
    resolved = _resolve(world)
    if isinstance(resolved, Problem):
        return _refuse(world, status, resolved, now)
    project, workflow, repository = resolved
    new = accepted(world.run, status, now).updated(workflow=status.workflow or workflow, repository_url=repository.url)
    return Plan(status=_queued(world.run, new, project, now), events=(Event("Queued", "Accepted and queued"),))


def _resolve(world: RunWorld) -> tuple[Project, WorkflowSpec, Repository] | Problem:
    if world.project is None:
        return Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
    workflow = world.run.status.workflow or (world.workflow.spec if world.workflow is not None else None)
    if workflow is None:
        name = world.run.spec.workflow_ref.name
        return Problem(Reason.WORKFLOW_NOT_FOUND, sentence(Reason.WORKFLOW_NOT_FOUND, workflow=name))
    if (fault := unknown_placeholders(workflow.prompt_template)) is not None:
        return Problem(Reason.TEMPLATE_INVALID, sentence(Reason.TEMPLATE_INVALID, detail=fault), is_final=True)
    repository = find_repository(world.project, world.run.spec.repository_url)
    if isinstance(repository, Reason):
        return Problem(repository, sentence(repository, repository=world.run.spec.repository_url))
    return world.project, workflow, repository


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
        return Plan(status=new)
    created = world.run.metadata.creation_timestamp or now
    stalls = created + STALL_AFTER
    is_stalled = now >= stalls or problem.reason in {
        Reason.REPOSITORY_NOT_ALLOWED,
        Reason.NO_DEFAULT_REPOSITORY,
    }
    new = refused(world.run, status, problem.reason, problem.message, now, is_stalled=is_stalled)
    return Plan(status=new, look_again=None if is_stalled else stalls)


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
    if not has_place(project, run):
        return _plan_waiting(world, project, now)
    based = _base(world, now)
    if isinstance(based, Plan):
        return based
    return _start(world, based, now)


def _plan_waiting(world: RunWorld, project: Project, now: datetime) -> Plan:
    status = world.run.status
    if status.retry_time is not None and now < status.retry_time:
        return Plan(look_again=status.retry_time)
    return Plan(status=_queued(world.run, accepted(world.run, status, now), project, now))


def _base(world: RunWorld, now: datetime) -> tuple[str, str] | Plan:
    """Return base branch and base commit of the attempt, or the plan that finds them out."""
    run, status = world.run, world.run.status
    branch = status.base_branch or run.spec.base_branch
    url = status.repository_url or ""
    if branch is None:
        answer = _known(world, RepositoryAsk(run.namespace, url), now)
        if isinstance(answer, Plan):
            return answer
        if not isinstance(answer, RepositoryFact):
            raise TypeError(f"a RepositoryAsk was answered with {type(answer).__name__}")
        branch = answer.default_branch
    commit = status.base_commit or run.spec.base_commit
    if commit is not None:
        return branch, commit
    head = _known(world, BranchHeadAsk(run.namespace, url, branch), now)
    if isinstance(head, Plan):
        return head
    if not isinstance(head, BranchHeadFact):
        raise TypeError(f"a BranchHeadAsk was answered with {type(head).__name__}")
    if head.commit is None:
        text = sentence(Reason.BRANCH_NOT_FOUND, repository=url, branch=branch)
        return Plan(status=with_outcome(run, status, RunPhase.FAILED, Reason.BRANCH_NOT_FOUND, text, now))
    return branch, head.commit


def _known(world: RunWorld, ask: RepositoryAsk | BranchHeadAsk, now: datetime) -> object:
    """Return the answer, or the plan that asks or waits."""
    answer = world.facts.get(ask)
    if answer is None:
        return Plan(asks=(ask,))
    if isinstance(answer, Problem):
        status = with_outcome(world.run, world.run.status, RunPhase.QUEUED, answer.reason, answer.message, now)
        return Plan(status=status, look_again=answer.retry_time or now + LOOK_AGAIN)
    return answer


def _start(world: RunWorld, base: tuple[str, str], now: datetime) -> Plan:
    run, status = world.run, world.run.status
    number = next_try_number(run)
    name = sandbox_name(run.name, run.uid, status.attempt, number)
    new = with_outcome(
        run,
        accepted(run, status, now),
        RunPhase.RUNNING,
        Reason.RUNNING,
        sentence(Reason.RUNNING, detail=f"Sandbox {name} works on it."),
        now,
    ).updated(
        base_branch=base[0],
        base_commit=base[1],
        branch=status.branch or branch_name(run.name, run.uid, status.attempt),
        tries=(*status.tries, Try(number=number, sandbox=name)),
        retry_time=None,
        start_time=status.start_time or now,
    )
    return Plan(
        status=new,
        creates=(Create(build_sandbox(run, status.attempt, number)),),
        events=(Event("Started", f"Try {number} of attempt {status.attempt} runs in Sandbox {name}"),),
    )


def build_sandbox(run: Run, attempt: int, number: int) -> Sandbox:
    """Return the Sandbox of a try. Its finalizer keeps it until the Run's ledger has its end."""
    return Sandbox(
        metadata=ObjectMeta(
            name=sandbox_name(run.name, run.uid, attempt, number),
            namespace=run.namespace,
            labels={LABEL_RUN_UID: run.uid, LABEL_MANAGED: "true"},
            finalizers=(FINALIZER,),
            owner_references=(
                OwnerReference(
                    api_version=API_VERSION,
                    kind="Run",
                    name=run.name,
                    uid=run.uid,
                    controller=True,
                    block_owner_deletion=True,
                ),
            ),
        ),
        spec=SandboxSpec(run_ref=SandboxRun(name=run.name, uid=run.uid), attempt=attempt, try_number=number),
    )
