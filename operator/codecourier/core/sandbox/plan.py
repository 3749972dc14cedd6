"""How a Sandbox goes through its life.

Pending → Running → Completed | Failed | Cancelled | Expired. A final phase never changes.

1. The tokens are minted into a Secret, then the pod is made. Both carry the Sandbox's UID; the pod holds a finalizer,
   so that even one that is deleted at once cannot vanish before its end is recorded, and is never made twice.
2. Some seconds after its first container has started the Sandbox is Running; a pod that ends sooner goes straight to
   its end. That a pod waits, for its first step or between two, is reported when it takes longer than usual. A pod that
   waits too long, lacks memory or runs past its deadline is given up: the status says why, then the pod is deleted.
3. When the pod has ended its tokens are revoked and their Secret is deleted; only then a final phase is written, so
   that no earlier try can push while a later one works (invariant 5 for Cancelled, and before every retry).
4. Then the pod's finalizer is released. The pod itself stays for `kubectl logs` until the Sandbox goes.
5. A Sandbox that is being deleted goes once its Run's ledger holds its end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.project.network_policy import find_policy_problem
from codecourier.core.sandbox.hidden import restore_hidden_pod
from codecourier.core.sandbox.news import plan_living
from codecourier.core.sandbox.outcome import Outcome, read_outcome, read_publication
from codecourier.core.sandbox.pod_view import PodView
from codecourier.core.sandbox.pods import build_pod
from codecourier.core.sandbox.status import (
    LOOK_AGAIN,
    final_status,
    plan_wait,
    pod_status,
    running_status,
    status_saying,
)
from codecourier.core.sandbox.stopping import find_entry, is_stopping
from codecourier.core.sandbox.strays import remove_pod
from codecourier.core.sandbox.tasks import build_task_json
from codecourier.core.sandbox.tokens import Revocation, describe_tokens, revocation_of
from codecourier.core.sandbox.waiting import as_given_up, find_lack_of_memory, find_overrun, last_moment
from codecourier.core.sandbox.world import SandboxWorld
from codecourier.core.shared.creations import START_LIMIT
from codecourier.core.shared.debts import URGENT_LIMIT, has_given_up
from codecourier.core.shared.facts import LogAsk, Problem
from codecourier.core.shared.intents import CreatePod, Delete, Event, MintTokens, Plan, asking
from codecourier.core.shared.naming import FINALIZER, LABEL_SANDBOX_UID, token_secret_name
from codecourier.core.shared.prompts import TemplateError
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.references import find_secret_problem
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.revisions import (
    find_recorded_workflow,
    has_recorded_workflow,
    read_recorded_workflow,
)
from codecourier.resources.project import CommitIdentity
from codecourier.resources.run import Run
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.workflow import START_TIMEOUT_SECONDS, WorkflowSpec
from codecourier.task import CONTAINER_PUBLISH, TaskError

__all__ = ["LOOK_AGAIN", "plan_sandbox"]

ROTATION_MARGIN = timedelta(minutes=15)
"""Tokens that end sooner than this are replaced while the pod runs."""

LOG_RETRY = timedelta(seconds=10)
"""Retry delay for a log that a node does not deliver."""

SILENCE_LIMIT = timedelta(seconds=60)
"""How long after its grace period a deleted pod may stay without the kubelet's word that its processes are gone."""

REVISION_GRACE = timedelta(seconds=60)
"""How long a Sandbox without a pod waits for a lost revision: its Run makes it again if the Workflow is unchanged."""


@asking
def plan_sandbox(world: SandboxWorld, now: datetime) -> Plan:
    """Return what is to be done for a Sandbox now."""
    status = world.sandbox.status
    if status.phase.is_finished:
        return _settle(world, now)
    has_to_stop = is_stopping(world)
    if (restored := restore_hidden_pod(world, now, is_stopping=has_to_stop)) is not None:
        return restored
    if has_to_stop:
        return _stop(world, now)
    if world.pod is not None:
        return _follow(world, world.pod, now)
    if status.pod_uid is not None:
        pod_name = status.pod_name or world.sandbox.name
        outcome = _failed(Reason.POD_DELETED, pod=pod_name)
        return _finish(world, outcome, now)
    return _start(world, now)


def _settle(world: SandboxWorld, now: datetime) -> Plan:
    # Creations without an answer can arrive after the end: a pod, or tokens that work.
    if world.pod is not None and (removal := remove_pod(world.sandbox.namespace, world.pod)):
        return Plan(deletes=removal)
    sandbox = world.sandbox
    may_go = sandbox.is_deleting and _is_recorded(world, now)
    is_waiting = sandbox.is_deleting and not may_go and now < _debt_limit(world, now)
    times = {_debt_limit(world, now)} if is_waiting else set()
    revocation = _revocation(world, now)
    if revocation is None:
        return Plan(release_finalizer=may_go, look_again=min(times, default=None))
    may_go = may_go and not revocation.is_waited_for
    effect = revocation.effect
    if may_go and FINALIZER not in sandbox.metadata.finalizers:
        # Deleted in the foreground, it waits for this Secret, and its namespace may wait for it.
        effect = replace(effect, is_forced=True)
    if revocation.look_again is not None:
        times.add(revocation.look_again)
    return Plan(effects=(effect,), look_again=min(times, default=None), release_finalizer=may_go)


def _is_recorded(world: SandboxWorld, now: datetime) -> bool:
    if world.run is None or world.run.status.attempt != world.sandbox.spec.attempt:
        return True
    entry = find_entry(world)
    if entry is None:
        return True
    is_owed = entry.start_time is not None and not entry.is_recorded and not has_given_up(world.run.status)
    return entry.phase.is_finished and (not is_owed or now >= _debt_limit(world, now))


def _debt_limit(world: SandboxWorld, now: datetime) -> datetime:
    """Return how long a Sandbox that is being deleted stays for the UsageRecord that is made from it."""
    return (world.sandbox.metadata.deletion_timestamp or now) + URGENT_LIMIT


def _start(world: SandboxWorld, now: datetime) -> Plan:
    run = world.run
    created = world.sandbox.metadata.creation_timestamp or now
    if run is None or world.project is None or not has_recorded_workflow(run.status):
        missing = Problem(Reason.PROJECT_NOT_FOUND, sentence(Reason.PROJECT_NOT_FOUND))
        return _wait_for(world, missing, created + START_LIMIT, now)
    workflow = read_recorded_workflow(run, world.revision, world.facts)
    if isinstance(workflow, Problem):
        return _wait_for(world, workflow, created + REVISION_GRACE, now)
    deadline = created + timedelta(seconds=workflow.start_timeout_seconds)
    secret_problem = find_secret_problem(world.facts, world.sandbox.namespace, workflow)
    problem = find_policy_problem(world.project, world.api_server, world.policy) or secret_problem
    if problem is not None:
        return _wait_for(world, problem, deadline, now)
    create = _pod(world, run, workflow, world.project.spec.commit_identity)
    if isinstance(create, Outcome):
        return _finish(world, create, now)
    return _provide(world, run, create, deadline, now)


def _wait_for(world: SandboxWorld, problem: Problem, deadline: datetime, now: datetime) -> Plan:
    """Wait until what keeps the pod from starting is over; not all of that is watched, such as users' Secrets."""
    if now >= deadline:
        return _finish(world, Outcome(SandboxPhase.FAILED, problem.reason, problem.message), now)
    return plan_wait(world, problem.reason, problem.message, now, until=min(deadline, now + LOOK_AGAIN))


def _provide(world: SandboxWorld, run: Run, create: CreatePod, deadline: datetime, now: datetime) -> Plan:
    """Mint the tokens, then make the pod, unless the cluster has refused it already."""
    refusal = world.failures.get(create)
    if refusal is not None and (refusal.is_final or now >= deadline):
        # Decided before any token is minted: the end revokes the tokens, after which this is planned once more.
        return _finish(world, Outcome(SandboxPhase.FAILED, refusal.reason, refusal.message), now)
    if world.secret is None:
        return _mint_first(world, run, deadline, now)
    rotation = _rotate(world, run, now)
    look_again = min(deadline, rotation.look_again or deadline)
    if refusal is not None:
        waiting = plan_wait(world, refusal.reason, refusal.message, now)
        return replace(waiting, creates=(create,), effects=rotation.effects, look_again=look_again)
    return Plan(creates=(create,), effects=rotation.effects, look_again=look_again, is_brief=True)


def _mint_first(world: SandboxWorld, run: Run, deadline: datetime, now: datetime) -> Plan:
    """Mint the tokens of a pod that is to be made; the same deadline holds as for the pod itself."""
    effect = _minting(world, run)
    problem = world.failures.get(effect)
    if problem is None:
        return Plan(effects=(effect,), is_brief=True)
    if problem.is_final or now >= deadline:
        return _finish(world, Outcome(SandboxPhase.FAILED, problem.reason, problem.message), now)
    until = min(deadline, problem.retry_time or deadline)
    return replace(plan_wait(world, problem.reason, problem.message, now, until=until), effects=(effect,))


def _pod(world: SandboxWorld, run: Run, workflow: WorkflowSpec, identity: CommitIdentity) -> CreatePod | Outcome:
    """Return the creation of the pod, or the end of a Sandbox that can have none."""
    sandbox = world.sandbox
    try:
        task_json = build_task_json(run, workflow, identity, sandbox.spec.try_number, world.learnings)
    except TemplateError as error:
        return _failed(Reason.TEMPLATE_INVALID, detail=error)
    except TaskError as error:
        return _failed(Reason.TASK_TOO_LARGE, detail=error)
    manifest = build_pod(
        sandbox,
        workflow,
        task_json,
        token_secret_name(sandbox.name),
        world.settings,
        is_merging=run.spec.merge is not None,
    )
    return CreatePod(manifest)


def _minting(world: SandboxWorld, run: Run, replaces: str | None = None) -> MintTokens:
    sandbox = world.sandbox
    return MintTokens(
        repository=find_access(world.project, sandbox.namespace, run.status.repository_url or "", world.credentials),
        namespace=sandbox.namespace,
        owner=sandbox.as_owner,
        owner_label=LABEL_SANDBOX_UID,
        secret=token_secret_name(sandbox.name),
        replaces=replaces,
        with_workflows=run.spec.merge is not None and run.spec.merge.may_change_workflows is True,
    )


def _follow(world: SandboxWorld, pod: PodView, now: datetime) -> Plan:
    if pod.is_ended:
        return _collect(world, pod, now)
    if pod.deletion_time is not None:
        return _follow_deleted(world, pod, now)
    run = world.run
    if run is None:
        raise ValueError(f"Sandbox {world.sandbox.name} has a pod, but no Run")
    seconds = _start_timeout_seconds(run, world)
    overrun = find_overrun(pod, seconds, now, world.sandbox.status.message)
    if overrun is not None:
        # It may have gone on meanwhile, where the watch is late or the clock has jumped.
        delete = Delete("Pod", world.sandbox.namespace, pod.name, pod.uid, pod.resource_version)
        status = pod_status(world, pod, overrun.reason, overrun.message, now)
        return Plan(status=status, deletes=(delete,), look_again=now + SILENCE_LIMIT)
    rotation = _rotate(world, run, now)
    going = plan_living(world, pod, now)
    times = (last_moment(pod, seconds), rotation.look_again, going.look_again)
    return replace(going, effects=rotation.effects, look_again=min(time for time in times if time is not None))


def _rotate(world: SandboxWorld, run: Run, now: datetime) -> Plan:
    secret = world.secret
    if secret is None or secret.expiry_time is None:
        return Plan()
    due = secret.expiry_time - ROTATION_MARGIN
    if now < due:
        return Plan(look_again=due)
    effect = _minting(world, run, replaces=secret.resource_version)
    problem = world.failures.get(effect)
    return Plan(effects=(effect,), look_again=problem.retry_time if problem is not None else None)


def _follow_deleted(world: SandboxWorld, pod: PodView, now: datetime) -> Plan:
    """Wait for the end of a pod that is being deleted, for a bounded time."""
    limit = _silence_limit(pod)
    if now < limit:
        is_new = world.sandbox.status.phase is SandboxPhase.PENDING and pod.start_time is not None
        return Plan(status=running_status(world, pod, now) if is_new else None, look_again=limit)
    lost = _failed(Reason.NODE_LOST, pod=pod.name, tokens=_tokens(world))
    is_known = pod.start_time is None or find_lack_of_memory(pod) is not None
    return _finish(world, as_given_up(world.sandbox, lost) if is_known else lost, now)


def _start_timeout_seconds(run: Run, world: SandboxWorld) -> int:
    """Return how long a pod may take to start: as the Workflow says, the usual time where its revision is lost."""
    workflow = find_recorded_workflow(run.status, world.revision)
    return START_TIMEOUT_SECONDS if workflow is None else workflow.start_timeout_seconds


def _silence_limit(pod: PodView) -> datetime:
    # deletionTimestamp already contains the grace period.
    return (pod.deletion_time or pod.creation_time) + SILENCE_LIMIT


def _collect(world: SandboxWorld, pod: PodView, now: datetime) -> Plan:
    revocation = _revocation(world, now)
    if revocation is not None and revocation.is_waited_for:
        # The log is read for the end only, so that it is read once.
        return _revoke_first(revocation)
    publication = read_publication(pod)
    log: str | None = None
    if publication is not None and publication.details_digest is not None:
        answer = world.facts.get(LogAsk(world.sandbox.namespace, pod.name, pod.uid, CONTAINER_PUBLISH))
        if isinstance(answer, Problem) and answer.reason is Reason.LOG_DELAYED:
            return plan_wait(world, answer.reason, answer.message, now, until=now + LOG_RETRY)
        log = None if isinstance(answer, Problem) else answer.text
    deadline = pod.deadline_seconds
    outcome = read_outcome(
        pod, log, namespace=world.sandbox.namespace, deadline_seconds=deadline, now=now, run=world.run
    )
    return _finish(world, as_given_up(world.sandbox, outcome) if outcome.reason is Reason.POD_DELETED else outcome, now)


def _stop(world: SandboxWorld, now: datetime) -> Plan:
    pod = world.pod
    if pod is None:
        return _finish(world, _cancelled(world), now)
    if pod.is_ended:
        return _finish(world, _cancelled(world), now)
    revocation = _revocation(world, now)
    effects = () if revocation is None else (revocation.effect,)
    if pod.deletion_time is None:
        # The tokens go first: what the agent's processes do from here on cannot reach the repository.
        delete = Delete("Pod", world.sandbox.namespace, pod.name, pod.uid)
        status = status_saying(world, Reason.STOPPING, sentence(Reason.STOPPING), now)
        return Plan(status=status, deletes=(delete,), effects=effects)
    limit = _silence_limit(pod)
    if now < limit:
        return Plan(effects=effects, look_again=limit)
    outcome = Outcome(
        SandboxPhase.CANCELLED,
        Reason.PROCESS_UNCONFIRMED,
        sentence(Reason.PROCESS_UNCONFIRMED, pod=pod.name, tokens=_tokens(world)),
    )
    return _finish(world, outcome, now)


def _cancelled(world: SandboxWorld) -> Outcome:
    if world.sandbox.is_deleting:
        return Outcome(SandboxPhase.CANCELLED, Reason.DELETED, sentence(Reason.DELETED))
    if world.run is None:
        return Outcome(SandboxPhase.CANCELLED, Reason.DELETED, "Stopped because its Run is not there.")
    return Outcome(SandboxPhase.CANCELLED, Reason.CANCELLED, "Stopped because its Run was stopped.")


def _tokens(world: SandboxWorld) -> str:
    return describe_tokens(world.project, world.run, world.secret)


def _revocation(world: SandboxWorld, now: datetime) -> Revocation | None:
    """Return how the tokens are ended, None when there are none left."""
    if world.secret is None:
        return None
    return revocation_of(world.sandbox.namespace, world.secret, world.failures, now)


def _finish(world: SandboxWorld, outcome: Outcome, now: datetime) -> Plan:
    """Write the end of a Sandbox, once its tokens are gone."""
    revocation = _revocation(world, now)
    # A Run posts its start and its end; that a Sandbox did what was asked of it would be the same news again.
    end = Event(outcome.reason.value, outcome.message, is_warning=outcome.phase is SandboxPhase.FAILED)
    events = () if outcome.phase is SandboxPhase.COMPLETED else (end,)
    if revocation is None:
        return Plan(status=final_status(world, outcome, now), events=events)
    if revocation.is_waited_for:
        return _revoke_first(revocation)
    return Plan(
        status=final_status(world, outcome, now),
        effects=(revocation.effect,),
        events=(*events, Event("TokensNotRevoked", _tokens(world), is_warning=True)),
        look_again=revocation.look_again,
    )


def _revoke_first(revocation: Revocation) -> Plan:
    """End the tokens; what else is to be said follows, at once where that works."""
    is_brief = revocation.look_again is None
    return Plan(effects=(revocation.effect,), look_again=revocation.look_again, is_brief=is_brief)


def _failed(reason: Reason, **values: object) -> Outcome:
    return Outcome(SandboxPhase.FAILED, reason, sentence(reason, **values))
