"""How the pull request of a Run comes to be: looked for, opened, waited for, given up.

A problem that lasts is reported once, in the status, by a Warning Event and, where a credential is the cause, by a
Notification; it is looked at less and less often, and given up after a day. A stop gives it up at once where the
answer is certain, and after ten minutes where a request may still arrive: the pull request may appear then although
the Run has ended, and its message says so.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.origin import is_stop_requested
from codecourier.core.run.end import build_wait_notification, claim_end, ended_status, record_end
from codecourier.core.run.pull_request_text import build_body, build_title
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
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.repositories import find_access
from codecourier.pull_request import PullRequestState
from codecourier.resources.pull_request import TITLE_LENGTH
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase, RunStatus, Try
from codecourier.resources.sandbox import SandboxPhase

__all__ = ["LOOK_AGAIN", "STOP_LIMIT", "TAKEN_LIMIT", "WAIT_LIMIT", "plan_pull_request"]

LOOK_AGAIN = timedelta(seconds=15)
"""Retry delay when the repository's host failed and named no time."""

MOST_PAUSE = timedelta(minutes=5)
"""Longest time between two looks at a problem that lasts."""

WAIT_LIMIT = timedelta(days=1)
"""How long a pull request is waited for; then the Run fails, with its work on its branch."""

STOP_LIMIT = timedelta(minutes=10)
"""The same, once the Run has to stop, for problems after which a request may still arrive."""

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
    if _is_given_up(world, claim, problem, now) or _is_taken(problem, now):
        return _refuse(world, claim, problem, now)
    return replace(_wait(world, claim, problem, now), effects=(effect,))


def _access(world: RunWorld) -> RepositoryAccess | Problem:
    url = world.run.status.repository_url or ""
    return find_access(world.project, world.run.namespace, url, world.credentials)


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
    """Wait until the pull request can be looked for, unless that is given up."""
    if not _is_given_up(world, claim, problem, now):
        return _wait(world, claim, problem, now)
    if claim.phase is PullRequestPhase.FAILED:
        return _plan_refused(world, claim, (), now)
    return _refuse(world, claim, problem, now)


def _is_given_up(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> bool:
    return problem.is_final or now >= _waiting_since(claim, now) + _limit(world, problem)


def _limit(world: RunWorld, problem: Problem) -> timedelta:
    """Return how long a problem is waited for."""
    if not is_stop_requested(world.run, world.origin):
        return WAIT_LIMIT
    return STOP_LIMIT if problem.reason in _PASSING else timedelta()


def _waiting_since(claim: PullRequest, now: datetime) -> datetime:
    return claim.waiting_since or now


def _is_taken(problem: Problem, now: datetime) -> bool:
    """Tell whether the branch's pull request is surely another's: one of ours would have been found by now."""
    return problem.reason is Reason.PULL_REQUEST_TAKEN and now >= (problem.since or now) + TAKEN_LIMIT


def _refuse(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    """Write that there is no pull request; it is looked for one last time, and none is opened any more."""
    reason, message = problem.reason, problem.message
    if reason in _PASSING:
        reason = Reason.PULL_REQUEST_UNKNOWN
        message = sentence(reason, branch=world.run.status.branch, detail=message)
    elif now >= _waiting_since(claim, now) + WAIT_LIMIT:
        message = sentence(Reason.PULL_REQUEST_REFUSED, branch=world.run.status.branch, detail=message)
    refused = claim.updated(phase=PullRequestPhase.FAILED, message=message, waiting_since=_waiting_since(claim, now))
    status = world.run.status.updated(pull_request=refused)
    return Plan(status=with_outcome(world.run, status, RunPhase.RUNNING, reason, message, now))


def _wait(world: RunWorld, claim: PullRequest, problem: Problem, now: datetime) -> Plan:
    """Say once why there is no pull request yet, and look for it less and less often."""
    since = _waiting_since(claim, now)
    pause = min(max(LOOK_AGAIN, now - since), MOST_PAUSE)
    look_again = problem.retry_time or min(now + pause, max(since + _limit(world, problem), now + LOOK_AGAIN))
    if claim.phase is PullRequestPhase.FAILED:
        return Plan(look_again=look_again)  # what it says of the refusal is needed in the end
    waiting = claim.updated(message=problem.message, waiting_since=since)
    status = world.run.status.updated(pull_request=waiting)
    new = with_outcome(world.run, status, RunPhase.RUNNING, problem.reason, problem.message, now)
    return _notify_of_wait(world, Plan(status=new, look_again=look_again), problem)


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
    return claim_end(world, ended_status(world, world.run.status, RunPhase.FAILED, reason, message, now), reason, now)


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
            phase=PullRequestPhase.CREATED,
            state=found.state,
            number=found.number,
            url=found.url,
            is_draft=found.is_draft,
            title=None if found.title is None else found.title[:TITLE_LENGTH],
            base_branch=found.base_branch,
            head_commit=found.head_commit,
        )
    )
    last = status.tries[-1]
    if last.phase is SandboxPhase.COMPLETED:
        text = sentence(Reason.COMPLETED, detail=f"Pull request {found.url} {_STATE_WORDS[found.state]}.")
        return ended_status(world, status, RunPhase.COMPLETED, Reason.COMPLETED, text, now), Reason.COMPLETED
    reason, message = _try_failure(last)
    return ended_status(world, status, RunPhase.FAILED, reason, message, now), reason


def _try_failure(last: Try) -> tuple[str, str]:
    return last.reason or Reason.STEP_FAILED.value, last.message or ""


def _notify_of_wait(world: RunWorld, plan: Plan, problem: Problem) -> Plan:
    """Return the plan with what people are told of a problem that keeps a pull request waiting, each once."""
    run, status = world.run, plan.status
    if not isinstance(status, RunStatus):
        return plan
    said = run.status.condition(ConditionType.SUCCEEDED)
    is_new = said is None or said.reason != problem.reason
    events = (Event.of(problem),) if is_new else ()
    notification = build_wait_notification(run, status)
    if notification is None or world.is_namespace_ending:
        return replace(plan, status=status.updated(unnotified=()), events=events)
    is_owed = is_new or notification.name in run.status.unnotified
    if not is_owed or notification.name in world.notifications:
        return replace(plan, status=status.updated(unnotified=()), events=events)
    return replace(
        plan,
        status=status.updated(unnotified=(notification.name,)),
        creates=(Create(notification),),
        events=events,
    )
