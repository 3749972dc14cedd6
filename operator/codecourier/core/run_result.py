"""What follows from the end of a Run's sandbox: another try, a pull request, the end."""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.facts import Problem, PullRequestFact, PullRequestsAsk, PullRequestsFact
from codecourier.core.intents import Create, Event, OpenPullRequest, Plan
from codecourier.core.notifications import build_notification
from codecourier.core.pull_requests import build_body, build_title
from codecourier.core.reasons import RETRYABLE, Reason, sentence
from codecourier.core.run_status import RunWorld, with_outcome
from codecourier.core.usage import build_usage_record
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.run import Change, PullRequest, PullRequestPhase, Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.workflow import FailurePullRequest, Retry

__all__ = ["close_try", "notify", "plan_pull_request", "plan_result", "record_usage"]

MAX_BACKOFF = timedelta(hours=1)
"""Longest wait before another try that nobody asked for."""

LOOK_AGAIN = timedelta(seconds=15)
"""When the repository's host is asked again after it failed without saying when."""


def record_usage(world: RunWorld, sandbox: Sandbox) -> Plan | None:
    """Return the plan that makes the UsageRecord of a try, or None when it is there or nothing ran.

    The record is a function of the Sandbox's final status alone, so it may be made before the Run's own status says
    that the try is over; that status then says so and that the record was made in one write.
    """
    if sandbox.status.start_time is None or sandbox.name in world.records or world.is_namespace_ending:
        return None
    return Plan(creates=(Create(build_usage_record(world.run, sandbox)),))


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


def plan_result(world: RunWorld, sandbox: Sandbox, now: datetime) -> Plan:
    """Decide what follows from a Sandbox that has ended."""
    if (recording := record_usage(world, sandbox)) is not None:
        return recording
    status = _with_result(close_try(world.run.status, sandbox), sandbox)
    result = sandbox.status.result
    if sandbox.status.phase is SandboxPhase.COMPLETED:
        if result is None or result.state is not PublishState.PUSHED:
            skipped = status.updated(
                head_commit=status.base_commit, pull_request=PullRequest(phase=PullRequestPhase.SKIPPED)
            )
            text = sentence(Reason.NOTHING_TO_CHANGE)
            return _finish(world, skipped, RunPhase.COMPLETED, Reason.NOTHING_TO_CHANGE, text, now)
        return _claim_pull_request(world, status, now, is_draft=False)
    return _plan_failure(world, status, sandbox, now)


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
    ended = sandbox.status
    reason = Reason(ended.reason or Reason.STEP_FAILED)
    workflow = status.workflow
    if workflow is not None and reason in RETRYABLE and len(status.tries) < workflow.retry.max_tries:
        return _retry(world, status, reason, sandbox, workflow.retry, now)
    pushed = ended.result is not None and ended.result.state is PublishState.PUSHED
    if pushed and workflow is not None and workflow.pull_request.on_failure is FailurePullRequest.DRAFT:
        return _claim_pull_request(world, status, now, is_draft=True)
    return _finish(world, status, RunPhase.FAILED, reason, ended.message, now)


def _retry(world: RunWorld, status: RunStatus, reason: Reason, sandbox: Sandbox, retry: Retry, now: datetime) -> Plan:
    doublings = min(len(status.tries) - 1, 12)
    backoff = min(timedelta(seconds=retry.backoff_seconds * 2**doublings), MAX_BACKOFF)
    due = max(sandbox.status.retry_time or now, now + backoff)
    shown = Reason.PROVIDER_LIMIT if reason is Reason.PROVIDER_LIMIT else Reason.RETRYING
    text = sentence(
        shown,
        number=len(status.tries),
        limit=retry.max_tries,
        detail=sandbox.status.message,
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
    """Open the pull request that the status claims, or find the one that an unanswered call has made."""
    run, status = world.run, world.run.status
    url, branch = status.repository_url or "", status.branch or ""
    ask = PullRequestsAsk(run.namespace, url, branch, run.uid, status.attempt)
    answer = world.facts.get(ask)
    if answer is None:
        return Plan(asks=(ask,))
    if isinstance(answer, Problem):
        return _wait(world, claim, answer, now)
    if not isinstance(answer, PullRequestsFact):
        raise TypeError(f"a PullRequestsAsk was answered with {type(answer).__name__}")
    if answer.items:
        return _opened(world, answer.items[0], now)
    effect = OpenPullRequest(
        namespace=run.namespace,
        url=url,
        title=build_title(run),
        body=build_body(run),
        head=branch,
        base=run.spec.pull_request_base or status.base_branch or "",
        is_draft=claim.is_draft,
    )
    problem = world.facts.get(effect)
    if not isinstance(problem, Problem):
        return Plan(effects=(effect,))
    if problem.is_final:
        return _refused(world, claim, problem, now)
    waiting = _wait(world, claim, problem, now)
    return Plan(status=waiting.status, effects=(effect,), look_again=waiting.look_again)


def _wait(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    status = world.run.status.updated(pull_request=claim.updated(message=problem.message))
    new = with_outcome(world.run, status, RunPhase.RUNNING, problem.reason, problem.message, now)
    return Plan(status=new, look_again=problem.retry_time or now + LOOK_AGAIN)


def _opened(world: RunWorld, found: PullRequestFact, now: datetime) -> Plan:
    status = world.run.status.updated(
        pull_request=PullRequest(
            phase=PullRequestPhase.CREATED, number=found.number, url=found.url, is_draft=found.is_draft
        )
    )
    last = status.tries[-1]
    if last.phase is SandboxPhase.COMPLETED:
        text = sentence(Reason.COMPLETED, detail=f"Pull request {found.url} is open.")
        return _finish(world, status, RunPhase.COMPLETED, Reason.COMPLETED, text, now)
    return _finish(world, status, RunPhase.FAILED, *_try_failure(last), now)


def _refused(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    failed = claim.updated(phase=PullRequestPhase.FAILED, message=problem.message)
    status = world.run.status.updated(pull_request=failed)
    last = status.tries[-1]
    if last.phase is SandboxPhase.COMPLETED:
        return _finish(world, status, RunPhase.FAILED, problem.reason, problem.message, now)
    return _finish(world, status, RunPhase.FAILED, *_try_failure(last), now)


def _try_failure(last: Try) -> tuple[Reason, str]:
    return Reason(last.reason or Reason.STEP_FAILED), last.message or ""


def _finish(world: RunWorld, status: RunStatus, phase: RunPhase, reason: Reason, message: str, now: datetime) -> Plan:
    new = with_outcome(world.run, status, phase, reason, message, now).updated(retry_time=None)
    return notify(world.run, new, reason, now)


def notify(run: Run, status: RunStatus, reason: Reason, now: datetime) -> Plan:
    """Return the plan that claims an end and makes its Notifications."""
    made = tuple(_notifications(run, status, now))
    new = status.updated(unnotified=tuple(notification.name for notification in made))
    event = Event(reason.value, status.message, is_warning=status.phase is RunPhase.FAILED)
    return Plan(status=new, creates=tuple(Create(n) for n in made), events=(event,))


def _notifications(run: Run, status: RunStatus, now: datetime) -> list[Notification]:
    made = []
    pull_request = status.pull_request
    which = f"a{status.attempt}"
    url = pull_request.url if pull_request is not None else None
    if pull_request is not None and pull_request.phase is PullRequestPhase.CREATED:
        made.append((NotificationType.PR_CREATED, f"Pull request opened: {build_title(run, status)}"))
    if pull_request is not None and pull_request.phase is PullRequestPhase.FAILED:
        made.append((NotificationType.PR_FAILED, f"No pull request for {run.name}"))
    if run.spec.origin is None and status.phase is RunPhase.COMPLETED:
        made.append((NotificationType.RUN_COMPLETED, f"Run {run.name} is completed"))
    if run.spec.origin is None and status.phase is RunPhase.FAILED:
        made.append((NotificationType.RUN_FAILED, f"Run {run.name} failed"))
    return [
        build_notification(
            run,
            type_,
            which,
            title=title,
            message=status.message,
            event_time=now,
            run=run.name,
            pr_url=url,
        )
        for type_, title in made
    ]
