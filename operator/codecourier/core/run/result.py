"""What follows from the end of a Run's sandbox: another try, a pull request, the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.origin import is_stop_requested
from codecourier.core.run.end import claim_end, record_end
from codecourier.core.run.pull_request_text import build_body, build_title
from codecourier.core.run.usage import build_usage_record
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import (
    BranchHeadAsk,
    ObjectAsk,
    Problem,
    PullRequestFact,
    PullRequestsAsk,
    RepositoryAccess,
)
from codecourier.core.shared.intents import Create, Event, OpenPullRequest, Plan
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import RETRYABLE, ConditionType, Reason, sentence
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.revisions import read_recorded_workflow
from codecourier.pull_request import PullRequestState
from codecourier.resources.run import Change, PullRequest, PullRequestPhase, Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.workflow import FailurePullRequest, WorkflowSpec

__all__ = ["close_try", "is_decided", "plan_pull_request", "plan_result", "plan_retry", "record_usage"]

MAX_BACKOFF = timedelta(hours=1)
"""Longest wait before an automatic try."""

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay when the repository's host failed and named no time."""

TAKEN_LIMIT = timedelta(minutes=5)
"""How long people have to close another pull request of the branch, as the Run keeps its place meanwhile."""

_STATE_WORDS = {
    PullRequestState.OPEN: "is open",
    PullRequestState.MERGED: "was merged",
    PullRequestState.CLOSED: "was closed without a merge",
}
"""What a Run says of its pull request; of several it takes the one whose state comes first here."""

_PASSING = frozenset({Reason.FORGE_UNAVAILABLE, Reason.RATE_LIMITED})
"""Problems that pass by themselves, and after which a request may still arrive; the others are certain and pass
only when people fix them, such as a missing credential."""


def record_usage(world: RunWorld, sandbox: Sandbox) -> tuple[Create, ...]:
    """Return the creation of a try's UsageRecord; none when it is there or nothing ran.

    The record is a function of the Sandbox's final status alone, so it may be made before the Run's own status says
    that the try is over; that status then says so and that the record was made in one write.
    """
    if sandbox.status.start_time is None or sandbox.name in world.records or world.is_namespace_ending:
        return ()
    return (Create(build_usage_record(world.run, sandbox)),)


def close_try(status: RunStatus, sandbox: Sandbox) -> RunStatus:
    """Return the status with the ledger's entry of the last try closed."""
    ended = sandbox.status
    closed = status.tries[-1].updated(
        phase=ended.phase,
        reason=ended.reason,
        message=ended.message,
        start_time=ended.start_time,
        finish_time=ended.finish_time,
        is_recorded=ended.start_time is not None,
    )
    return status.updated(tries=(*status.tries[:-1], closed))


def is_decided(world: RunWorld, sandbox: Sandbox) -> bool:
    """Tell whether the end of a Sandbox is that of its Run too, whatever people wish after it.

    It is where neither another try nor a pull request follows and the Sandbox was not stopped: its final status and
    the recorded Workflow decide all of that. A cancellation from then on comes too late. Where the Workflow is lost
    nothing is tried again either, but another leader may still know it: then the end is a decision.
    """
    if sandbox.status.phase is SandboxPhase.COMPLETED:
        return not _has_pushed(sandbox)
    if sandbox.status.phase not in {SandboxPhase.FAILED, SandboxPhase.EXPIRED}:
        return False
    workflow = _find_workflow(world)
    if workflow is None:
        return False
    is_retried = _is_retried(world.run.status, _failure_reason(sandbox), workflow)
    return not is_retried and not _is_drafted(sandbox, workflow)


def _find_workflow(world: RunWorld) -> WorkflowSpec | None:
    """Return the Workflow of the attempt, None where it is lost."""
    known = read_recorded_workflow(world.run, world.revision, world.facts)
    return None if isinstance(known, Problem) else known


def plan_result(world: RunWorld, sandbox: Sandbox, now: datetime) -> Plan:
    """Decide what follows from a Sandbox that has ended."""
    status = _with_result(close_try(world.run.status, sandbox), sandbox)
    if sandbox.status.phase is SandboxPhase.COMPLETED:
        plan = _plan_success(world, status, sandbox, now)
    else:
        plan = _plan_failure(world, status, sandbox, now)
    return replace(plan, records=(*record_usage(world, sandbox), *plan.records))


def _plan_success(world: RunWorld, status: RunStatus, sandbox: Sandbox, now: datetime) -> Plan:
    if _has_pushed(sandbox):
        return _claim_pull_request(world, status, now, is_draft=False)
    skipped = status.updated(head_commit=status.base_commit, pull_request=PullRequest(phase=PullRequestPhase.SKIPPED))
    text = sentence(Reason.NOTHING_TO_CHANGE)
    new = _ended(world, skipped, RunPhase.COMPLETED, Reason.NOTHING_TO_CHANGE, text, now)
    return record_end(world, new, Reason.NOTHING_TO_CHANGE, _end_time(sandbox))


def _with_result(status: RunStatus, sandbox: Sandbox) -> RunStatus:
    result = sandbox.status.result
    if result is None or result.commit is None:
        return status
    return status.updated(
        head_commit=result.commit,
        title=result.title or status.title,
        summary=result.summary or status.summary,
        change=Change(files=result.files, insertions=result.insertions, deletions=result.deletions),
    )


def _plan_failure(world: RunWorld, status: RunStatus, sandbox: Sandbox, now: datetime) -> Plan:
    reason = _failure_reason(sandbox)
    workflow = _find_workflow(world)
    retried = plan_retry(world, status, reason, sandbox.status.message, sandbox.status.retry_time, now)
    if retried is not None:
        return retried
    if workflow is not None and _is_drafted(sandbox, workflow):
        return _claim_pull_request(world, status, now, is_draft=True)
    new = _ended(world, status, RunPhase.FAILED, reason, sandbox.status.message, now)
    if is_decided(world, sandbox):
        return record_end(world, new, reason, _end_time(sandbox))
    return claim_end(world, new, reason, now)


def _has_pushed(sandbox: Sandbox) -> bool:
    return sandbox.status.result is not None and sandbox.status.result.state is PublishState.PUSHED


def _failure_reason(sandbox: Sandbox) -> str:
    """Return why a Sandbox failed: one of the catalogue's reasons, or a word that only a newer operator knows."""
    return sandbox.status.reason or Reason.STEP_FAILED.value


def _is_retried(status: RunStatus, reason: str, workflow: WorkflowSpec) -> bool:
    if reason not in RETRYABLE:
        return False
    return len(status.tries) < workflow.retry.max_tries


def _is_drafted(sandbox: Sandbox, workflow: WorkflowSpec) -> bool:
    return _has_pushed(sandbox) and workflow.pull_request.on_failure is FailurePullRequest.DRAFT


def _end_time(sandbox: Sandbox) -> datetime:
    """Return when the end of a Sandbox was written.

    That is later than its processes' end where its tokens were hard to revoke. Notifications are read in the order of
    their times, so one must not come out older than those that people have read meanwhile.
    """
    succeeded = sandbox.status.condition(ConditionType.SUCCEEDED)
    time = succeeded.last_transition_time if succeeded is not None else sandbox.status.finish_time
    if time is None:
        raise ValueError(f"Sandbox {sandbox.name} has not ended")
    return time


def plan_retry(
    world: RunWorld, status: RunStatus, reason: str, message: str, retry_time: datetime | None, now: datetime
) -> Plan | None:
    """Return the plan that waits for the next try after one that failed; None: there is none.

    Parameters
    ----------
    world
        The world of the Run.
    status
        The status with the end of the try in its ledger.
    reason, message
        Why the try failed.
    retry_time
        The next try does not start before this time; None: the Workflow's backoff.
    now
        The time.
    """
    workflow = _find_workflow(world)
    if workflow is None or not _is_retried(status, reason, workflow):
        return None
    retry = workflow.retry
    doublings = min(len(status.tries) - 1, 12)
    backoff = min(timedelta(seconds=retry.backoff_seconds * 2**doublings), MAX_BACKOFF)
    due = max(retry_time or now, now + backoff)
    shown = Reason.PROVIDER_LIMIT if reason == Reason.PROVIDER_LIMIT else Reason.RETRYING
    text = sentence(
        shown,
        number=len(status.tries),
        limit=retry.max_tries,
        detail=message,
        time=due.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    new = with_outcome(world.run, status, RunPhase.QUEUED, shown, text, now).updated(retry_time=due)
    return Plan(status=new, events=(Event(shown.value, text, is_warning=True),), look_again=due)


def _claim_pull_request(world: RunWorld, status: RunStatus, now: datetime, *, is_draft: bool) -> Plan:
    text = sentence(Reason.OPENING_PULL_REQUEST, branch=status.branch)
    claimed = status.updated(pull_request=PullRequest(phase=PullRequestPhase.CREATING, is_draft=is_draft))
    new = with_outcome(world.run, claimed, RunPhase.RUNNING, Reason.OPENING_PULL_REQUEST, text, now)
    return Plan(status=new)


def plan_pull_request(world: RunWorld, claim: PullRequest, now: datetime) -> Plan:
    """Open the pull request that the status claims, or find the one that an unanswered call has made.

    One that is found cannot vanish, so it determines the end, unless another leader's refusal is written first. Once
    the Run was seen unchanged after the pull request was found, no leader can write a refusal without finding it in
    the last look of `_plan_refused`. Its state can change, and a Notification keeps the words of the leader that made
    it, even if that leader stopped before the status was written.
    """
    run = world.run
    ask = PullRequestsAsk(_access(world), run.status.branch or "", run.uid, run.status.attempt)
    answer = world.facts.get(ask)
    if isinstance(answer, Problem):
        return _plan_unseen(world, claim, answer, now)
    if claim.phase is PullRequestPhase.FAILED:
        return _plan_refused(world, claim, answer.items, now)
    if answer.items:
        return _plan_found(world, _choose(answer.items), now)
    return _open(world, claim, now)


def _open(world: RunWorld, claim: PullRequest, now: datetime) -> Plan:
    run, status = world.run, world.run.status
    base = _find_base(world)
    if isinstance(base, Problem):
        return _plan_unseen(world, claim, base, now)
    effect = OpenPullRequest(
        repository=_access(world),
        title=build_title(run),
        body=build_body(run, base),
        head=status.branch or "",
        base=base,
        is_draft=claim.is_draft,
    )
    problem = world.failures.get(effect)
    if problem is None:
        return Plan(effects=(effect,))
    if _is_given_up(world, problem) or _is_taken(problem, now):
        return _refuse(world, claim, problem, now)
    waiting = _wait(world, claim, problem, now)
    return Plan(status=waiting.status, effects=(effect,), look_again=waiting.look_again)


def _access(world: RunWorld) -> RepositoryAccess | Problem:
    return find_access(world.project, world.run.namespace, world.run.status.repository_url or "")


def _find_base(world: RunWorld) -> str | Problem:
    """Return the branch to merge into, or the problem that prevents the answer.

    The branch of an earlier sprint is gone once its own pull request is merged, where hosts or people delete it then.
    """
    run, status = world.run, world.run.status
    wanted, otherwise = run.spec.pull_request_base, status.base_branch or ""
    if wanted is None or wanted == otherwise:
        return otherwise
    ask = BranchHeadAsk(_access(world), wanted)
    answer = world.facts.get(ask)
    if isinstance(answer, Problem):
        return answer
    return wanted if answer.commit is not None else otherwise


def _plan_unseen(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    """Wait until the pull request can be looked for, unless that is refused for good or the Run has to stop."""
    if not _is_given_up(world, problem):
        return _wait(world, claim, problem, now)
    if claim.phase is PullRequestPhase.FAILED:
        return _plan_refused(world, claim, (), now)
    return _refuse(world, claim, problem, now)


def _is_given_up(world: RunWorld, problem: Problem) -> bool:
    return problem.is_final or (problem.reason not in _PASSING and is_stop_requested(world.run, world.origin))


def _is_taken(problem: Problem, now: datetime) -> bool:
    """Tell whether the branch's pull request is surely another's: one of ours would have been found by now."""
    return problem.reason is Reason.PULL_REQUEST_TAKEN and now >= (problem.since or now) + TAKEN_LIMIT


def _refuse(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    """Write that there is no pull request; it is looked for one last time, and none is opened any more."""
    refused = claim.updated(phase=PullRequestPhase.FAILED, message=problem.message)
    status = world.run.status.updated(pull_request=refused)
    return Plan(status=with_outcome(world.run, status, RunPhase.RUNNING, problem.reason, problem.message, now))


def _wait(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    look_again = problem.retry_time or now + LOOK_AGAIN
    if claim.phase is PullRequestPhase.FAILED:
        return Plan(look_again=look_again)  # what it says of the refusal is needed in the end
    status = world.run.status.updated(pull_request=claim.updated(message=problem.message))
    new = with_outcome(world.run, status, RunPhase.RUNNING, problem.reason, problem.message, now)
    return Plan(status=new, look_again=look_again)


def _plan_found(world: RunWorld, found: PullRequestFact, now: datetime) -> Plan:
    run = world.run
    present = world.facts.get(ObjectAsk(run.kind, run.namespace, run.name))
    if isinstance(present, Problem) or present.resource_version != run.metadata.resource_version:
        return Plan(look_again=now + LOOK_AGAIN)
    status, reason = _with_pull_request(world, found, now)
    return record_end(world, status, reason, found.creation_time)


def _plan_refused(world: RunWorld, claim: PullRequest, found: tuple[PullRequestFact, ...], now: datetime) -> Plan:
    """End a Run whose refused pull request is looked for a last time: another leader may have opened it."""
    if found:
        status, reason = _with_pull_request(world, _choose(found), now)
        return claim_end(world, status, reason, now)
    last = world.run.status.tries[-1]
    reason, message = _refusal(world.run), claim.message or ""
    if last.phase is not SandboxPhase.COMPLETED:
        reason, message = _try_failure(last)
    return claim_end(world, _ended(world, world.run.status, RunPhase.FAILED, reason, message, now), reason, now)


def _refusal(run: Run) -> Reason:
    """Return the reason that `_refuse` wrote."""
    said = run.status.condition(ConditionType.SUCCEEDED)
    return next((r for r in Reason if said is not None and r == said.reason), Reason.PULL_REQUEST_REFUSED)


def _choose(found: tuple[PullRequestFact, ...]) -> PullRequestFact:
    """Return the pull request that people work with, of several with the Run's marker; the oldest of equal ones."""
    return min(found, key=lambda pull_request: (list(_STATE_WORDS).index(pull_request.state), pull_request.number))


def _with_pull_request(world: RunWorld, found: PullRequestFact, now: datetime) -> tuple[RunStatus, str]:
    """Return the final status of a Run whose pull request is there, and the reason of its end."""
    status = world.run.status.updated(
        pull_request=PullRequest(
            phase=PullRequestPhase.CREATED, number=found.number, url=found.url, is_draft=found.is_draft
        )
    )
    last = status.tries[-1]
    if last.phase is SandboxPhase.COMPLETED:
        text = sentence(Reason.COMPLETED, detail=f"Pull request {found.url} {_STATE_WORDS[found.state]}.")
        return _ended(world, status, RunPhase.COMPLETED, Reason.COMPLETED, text, now), Reason.COMPLETED
    reason, message = _try_failure(last)
    return _ended(world, status, RunPhase.FAILED, reason, message, now), reason


def _try_failure(last: Try) -> tuple[str, str]:
    return last.reason or Reason.STEP_FAILED.value, last.message or ""


def _ended(world: RunWorld, status: RunStatus, phase: RunPhase, reason: str, message: str, now: datetime) -> RunStatus:
    return with_outcome(world.run, status, phase, reason, message, now).updated(retry_time=None)
