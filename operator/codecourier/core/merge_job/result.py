"""How the new pull request of a Combine comes to be: its branch is made once, then it is looked for and opened.

A branch of that name at the verified commit, or a pull request with the marker, was made by an unanswered call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.merge_job.body import build_body, build_title
from codecourier.core.merge_job.ledger import count_merged, restart
from codecourier.core.merge_job.outcome import plan_outcome
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.run.pull_request import LOOK_AGAIN, MOST_PAUSE, WAIT_LIMIT
from codecourier.core.shared.facts import BranchHeadAsk, Problem, PullRequestFact, PullRequestsAsk
from codecourier.core.shared.intents import CreateBranch, Effect, OpenPullRequest, Plan
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import JobResult, MergeJobPhase, MergeJobStatus

__all__ = ["plan_found", "plan_result"]


def plan_result(
    world: MergeJobWorld, status: MergeJobStatus, result: JobResult, now: datetime
) -> Plan | MergeJobStatus:
    """Make the branch and open the pull request that the status claims, or find those of an unanswered call.

    Where the host makes no branch that changes workflow files, the status is returned from which the rest is merged.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    job = world.job
    found = world.facts.get(PullRequestsAsk(world.access, result.branch, job.uid, 1))
    if isinstance(found, Problem):
        return _wait(world, status, result, found, now)
    if found.items:
        return _complete(world, status, result, found.items[0], now)
    effect = _next_effect(world, status, result)
    if isinstance(effect, Problem):
        return _wait(world, status, result, effect, now)
    problem = world.failures.get(effect)
    if problem is None:
        return Plan(effects=(effect,))
    if problem.reason is Reason.WORKFLOW_PERMISSION and status.may_change_workflows is not False:
        return restart(status)
    waiting = _wait(world, status, result, problem, now)
    return waiting if waiting.look_again is None else replace(waiting, effects=(effect,))


def plan_found(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan | None:
    """Complete a merge whose new pull request was opened already; None: there is none, or it cannot be seen.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    if status.result is None:
        return None
    found = world.facts.get(PullRequestsAsk(world.access, status.result.branch, world.job.uid, 1))
    if isinstance(found, Problem) or not found.items:
        return None
    return _complete(world, status, status.result, found.items[0], now)


def _next_effect(world: MergeJobWorld, status: MergeJobStatus, result: JobResult) -> Effect | Problem:
    """Return what is to be done next at the host, or why nothing can be."""
    head = world.facts.get(BranchHeadAsk(world.access, result.branch))
    if isinstance(head, Problem):
        return head
    if head.commit is None:
        may_change = status.may_change_workflows is True
        return CreateBranch(world.access, result.branch, status.head_commit or "", may_change)
    if head.commit != status.head_commit:
        text = sentence(Reason.BRANCH_TAKEN, repository=status.repository_url, branch=result.branch)
        return Problem(Reason.BRANCH_TAKEN, text, is_final=True)
    return OpenPullRequest(
        repository=world.access,
        title=build_title(world.job, status),
        body=build_body(world.job, status),
        head=result.branch,
        base=status.base_branch or "",
        is_draft=False,
    )


def _complete(
    world: MergeJobWorld, status: MergeJobStatus, result: JobResult, found: PullRequestFact, now: datetime
) -> Plan:
    made = result.updated(number=found.number, url=found.url, message=None, waiting_since=None)
    detail = f"{found.url} has {count_merged(status)} of {len(status.sources)} pull requests."
    text = sentence(Reason.COMPLETED, detail=detail)
    return plan_outcome(world, status.updated(result=made), MergeJobPhase.COMPLETED, Reason.COMPLETED, text, now)


def _wait(world: MergeJobWorld, status: MergeJobStatus, result: JobResult, problem: Problem, now: datetime) -> Plan:
    """Say why there is no pull request yet, and try it less and less often, for a day."""
    since = result.waiting_since or now
    waiting = status.updated(result=result.updated(waiting_since=since, message=problem.message))
    if problem.is_final or now >= since + WAIT_LIMIT:
        return plan_outcome(world, waiting, MergeJobPhase.FAILED, problem.reason, problem.message, now)
    plan = plan_outcome(world, waiting, MergeJobPhase.RUNNING, problem.reason, problem.message, now)
    pause = min(max(LOOK_AGAIN, now - since), MOST_PAUSE)
    return replace(
        plan, look_again=problem.retry_time or min(now + pause, max(since + WAIT_LIMIT, now + timedelta(seconds=1)))
    )
