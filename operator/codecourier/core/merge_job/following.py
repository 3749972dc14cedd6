"""What becomes of the new pull request of a Combine, and of its sources once it is merged.

Its host is asked while it is open, and for a day after it was closed. Once it is merged, the sources are closed if the
spec asks for it: each only at the head that was merged, for a day at most. Each is looked at before and after, so an
answer that is lost does no harm, and none that a user opens again is closed twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.merge_job.gate import pause_after
from codecourier.core.merge_job.ledger import with_sources
from codecourier.core.merge_job.reporting import build_merge_notification
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.following import Follow, PullRequestLifeAsk, PullRequestLifeFact
from codecourier.core.shared.intents import ClosePullRequest, Event, Plan
from codecourier.core.shared.merge_facts import MergePullAsk, MergePullFact
from codecourier.core.shared.reasons import Reason, cut, sentence
from codecourier.core.shared.reporting import record_notifications
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import JobResult, JobSource, MergeJobStatus, SourceClosing, SourceResult

__all__ = ["CLOSING_LIMIT", "REOPENING", "RETRY", "plan_following"]

REOPENING = timedelta(days=1)
"""How long a pull request that was closed without a merge is still looked at."""

RETRY = timedelta(minutes=30)
"""When the Project is read again that names no credential for the repository."""

CLOSING_LIMIT = timedelta(days=1)
"""How long after the merge a source is tried to be closed."""

_MOST_AT_ONCE = 10
"""How many sources are looked at in one plan."""

_MESSAGE_LENGTH = 1024
_MERGED = frozenset({SourceResult.CLEAN, SourceResult.RESOLVED})


def plan_following(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan:
    """Return the plan that writes what became of the new pull request, follows it, and closes the sources.

    Raises
    ------
    MissingFacts
        If the host was not asked about a source yet.
    """
    result, access = status.result, world.access
    if result is None or result.number is None or world.is_namespace_ending:
        return Plan(status=status)
    if result.state is PullRequestState.MERGED:
        return _close_sources(world, status, now)
    if _is_given_up(result, status, now):
        return Plan(status=status)
    if isinstance(access, Problem):
        return Plan(status=status, look_again=now + RETRY)
    # A Secret is read anew for each look, so its version, which changes with it, says nothing.
    ask = PullRequestLifeAsk(replace(access, secret_version=None), result.number, result.branch)
    fact = world.facts.find(ask)
    new = result if fact is None else _with_fact(result, fact, now)
    written = status.updated(result=new)
    follow = Follow(ask, new.observed_time or status.finish_time or now)
    merge = build_merge_notification(world.job, written)
    records = record_notifications(world, () if merge is None else (merge,))
    look_again = None if new.close_time is None else new.close_time + REOPENING
    if new.state is PullRequestState.MERGED:
        return Plan(records=records, status=written, events=_events(result, new, written))
    return Plan(status=written, events=_events(result, new, written), follow=follow, look_again=look_again)


def _is_given_up(result: JobResult, status: MergeJobStatus, now: datetime) -> bool:
    closed = result.close_time or status.finish_time
    return result.state is PullRequestState.CLOSED and closed is not None and now >= closed + REOPENING


def _with_fact(result: JobResult, fact: PullRequestLifeFact, now: datetime) -> JobResult:
    """Return what is known of the pull request with what its host says; an older fact changes nothing."""
    if result.observed_time is not None and fact.seen_time < result.observed_time <= now:
        return result
    new = result.updated(
        state=fact.state, merge_time=fact.merge_time, merge_commit=fact.merge_commit, close_time=fact.close_time
    )
    return result if new == result else new.updated(observed_time=fact.seen_time)


def _events(old: JobResult, new: JobResult, status: MergeJobStatus) -> tuple[Event, ...]:
    if new.state is old.state or (new.state is PullRequestState.OPEN and old.state is None):
        return ()
    reasons = {
        PullRequestState.MERGED: Reason.PULL_REQUEST_MERGED,
        PullRequestState.CLOSED: Reason.CLOSED_UNMERGED,
        PullRequestState.OPEN: Reason.PULL_REQUEST_REOPENED,
    }
    reason = reasons[new.state or PullRequestState.OPEN]
    branch = status.base_branch if reason is Reason.PULL_REQUEST_MERGED else new.branch
    return (Event(reason.value, sentence(reason, url=new.url, branch=branch)),)


def _close_sources(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan:
    """Close the sources that are merged and still open, some at a time."""
    left = tuple(s for s in status.sources if s.result in _MERGED and s.closing is None)
    if not left or not world.job.spec.close_sources:
        return Plan(status=status)
    some = left[:_MOST_AT_ONCE]
    answers = world.facts.get_all(MergePullAsk(world.access, source.number) for source in some)
    merged = status.result and status.result.merge_time
    limit = (merged or status.finish_time or now) + CLOSING_LIMIT
    decided = {s.number: _decide(world, s, pull, is_over=now >= limit) for s, pull in zip(some, answers, strict=True)}
    done = tuple(found for found in decided.values() if isinstance(found, JobSource))
    effects = tuple(found for found in decided.values() if isinstance(found, ClosePullRequest))
    problems = [world.failures.get(effect) for effect in effects]
    problems += [answer for answer in answers if isinstance(answer, Problem)]
    times = [problem.retry_time for problem in problems if problem is not None and problem.retry_time is not None]
    pause = now + pause_after(now - (merged or now))
    look_again = min(max((pause, *times)), limit) if len(done) < len(some) else None
    return Plan(
        status=with_sources(status, done), effects=effects, events=tuple(_events_of(done)), look_again=look_again
    )


def _decide(
    world: MergeJobWorld, source: JobSource, pull: MergePullFact | Problem, *, is_over: bool
) -> JobSource | ClosePullRequest | None:
    """Return a source that is decided, or how it is closed; None: it is looked at again."""
    if isinstance(pull, Problem):
        return _leave_open(source, pull.message) if is_over or pull.is_final else None
    if pull.head_commit != source.head_commit:
        state = "open" if pull.state is PullRequestState.OPEN else "closed"
        detail = f"it is {state}, and its head was {source.head_commit} and is {pull.head_commit} now."
        return _leave_open(source, detail)
    if pull.state is not PullRequestState.OPEN:
        return source.updated(closing=SourceClosing.CLOSED)
    effect = ClosePullRequest(world.access, source.number, pull.head_commit)
    problem = world.failures.get(effect)
    if problem is not None and (is_over or problem.is_final):
        return _leave_open(source, problem.message)
    return _leave_open(source, "its host did not close it.") if is_over else effect


def _leave_open(source: JobSource, detail: str) -> JobSource:
    text = sentence(Reason.SOURCE_LEFT_OPEN, url=source.url, detail=detail)
    return source.updated(closing=SourceClosing.LEFT_OPEN, message=cut(text, _MESSAGE_LENGTH))


def _events_of(done: tuple[JobSource, ...]) -> Iterator[Event]:
    for source in done:
        if source.closing is SourceClosing.LEFT_OPEN:
            yield Event(Reason.SOURCE_LEFT_OPEN.value, source.message or "", is_warning=True)
