"""When a further Run continues the pull request of a finished one, and when no other follows.

A failure is answered once: at the head that the Run or its last follow-up pushed, after every check has ended, if the
failure is not one that was answered before. A follow-up is claimed in the status before its Run is made. Each plan
decides anew from the status alone; the host is asked what failed once nothing else speaks against a follow-up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from codecourier.core.run.checks import has_pending
from codecourier.core.run.end import build_stop_notification
from codecourier.core.run.failure_text import build_failure_context
from codecourier.core.run.follow_up_ledger import (
    active_follow_up,
    build_follow_up,
    claim_follow_up,
    close_follow_up,
    find_last_push,
    knows_commit,
    record_end_of,
)
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.creations import ARRIVAL_LIMIT, LOOK_AGAIN, START_LIMIT, given_up_from
from codecourier.core.shared.facts import ObjectAsk, Problem
from codecourier.core.shared.failure_facts import FailedChecksAsk, FailedChecksFact, digest_of
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.reporting import claim_notifications
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.wishes import is_cancelled
from codecourier.pull_request import PullRequestState
from codecourier.resources.follow_up import FollowUp, FollowUpCause, FollowUpPhase, FollowUpPolicy
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.pull_request import PullRequest, PullRequestPhase
from codecourier.resources.run import Run, RunStatus

__all__ = ["PENDING_LIMIT", "RETRY", "is_settled", "with_follow_up"]

PENDING_LIMIT = timedelta(minutes=30)
"""How long a failure waits for the checks that have not ended, counted from the last change of any."""

RETRY = timedelta(minutes=30)
"""When the host is asked again for what the failed checks say."""


@dataclass(frozen=True)
class _Stop:
    """Why no further Run follows."""

    reason: Reason
    message: str


def with_follow_up(world: RunWorld, plan: Plan, now: datetime) -> Plan:
    """Return the plan of a finished Run that also sees to its follow-ups.

    Parameters
    ----------
    world
        The world of the Run.
    plan
        What is to be done for other reasons, with the whole status.
    now
        The time.

    Raises
    ------
    MissingFacts
        If the host was not asked yet what has failed.
    """
    status = plan.status
    if world.is_namespace_ending or not isinstance(status, RunStatus):
        return plan
    active = active_follow_up(status)
    if active is not None:
        return _plan_active(world, plan, status, active, now)
    made, policy = status.pull_request, _policy(world)
    if status != world.run.status or made is None or policy is None or not _has_failed(made):
        return plan
    if made.checks is not None and has_pending(made.checks) and now < made.checks.check_time + PENDING_LIMIT:
        return _sooner(plan, made.checks.check_time + PENDING_LIMIT)
    head = made.head_commit
    if head is None or (knows_commit(status, head) and head != find_last_push(status)):
        return plan
    stop = _find_stop(status, made, head, policy)
    return _begin(world, plan, status, head, now) if stop is None else _stop(world, plan, status, stop, now)


def is_settled(world: RunWorld, now: datetime) -> bool:
    """Tell whether no follow-up of a Run that is being deleted works any more, or may still come.

    Raises
    ------
    MissingFacts
        If the API server was not asked yet.
    """
    active = active_follow_up(world.run.status)
    if active is None or world.is_namespace_ending:
        return True
    found = _find_run(world, active)
    if found is not None:
        return found.status.phase.is_finished
    return now >= active.claim_time + ARRIVAL_LIMIT and _is_absent(world, active)


def _policy(world: RunWorld) -> FollowUpPolicy | None:
    """Return how failures are followed up; None: they are not."""
    run = world.run
    if run.is_deleting or is_cancelled(run.spec, run.status) or world.project is None:
        return None
    policy = world.project.spec.follow_up
    return policy if policy.on_failed_checks else None


def _has_failed(made: PullRequest) -> bool:
    is_open = made.state is PullRequestState.OPEN and not made.is_draft
    return is_open and made.phase is PullRequestPhase.BLOCKED_ON_CI


def _find_stop(status: RunStatus, made: PullRequest, head: str, policy: FollowUpPolicy) -> _Stop | None:
    """Return why a failure at this head is not followed up, as far as the status says; None: it may be."""
    last = status.follow_ups[-1] if status.follow_ups else None
    if not knows_commit(status, head):
        return _say(Reason.TAKEN_OVER, url=made.url, commit=head)
    if last is not None and last.phase is not FollowUpPhase.COMPLETED:
        return _say(Reason.FOLLOW_UP_FAILED, run=last.run, url=made.url, detail=last.message or "It did not end well.")
    if last is not None and last.head_commit == head:
        return _say(Reason.FOLLOW_UP_FAILED, run=last.run, url=made.url, detail="It changed nothing.")
    if len(status.follow_ups) >= policy.limit:
        return _say(Reason.FOLLOW_UP_LIMIT, count=len(status.follow_ups), url=made.url)
    said = status.condition(ConditionType.FOLLOWED_UP)
    if said is not None and said.reason == Reason.SAME_FAILURE:
        return _Stop(Reason.SAME_FAILURE, said.message)
    return None


def _say(reason: Reason, **values: object) -> _Stop:
    return _Stop(reason, sentence(reason, **values))


def _begin(world: RunWorld, plan: Plan, status: RunStatus, head: str, now: datetime) -> Plan:
    """Claim a follow-up and make its Run, unless the failure was answered before."""
    failure = _read(world, head)
    if isinstance(failure, Problem):
        return _wait(world, plan, status, failure, failure.retry_time or now + RETRY, now)
    if not failure.items:
        # The checks have begun anew since the last look, or pass by now: the next look says so.
        return _sooner(plan, now + RETRY)
    digest = digest_of(failure)
    same = next((entry for entry in status.follow_ups if entry.digest == digest), None)
    url = None if status.pull_request is None else status.pull_request.url
    if same is not None:
        return _stop(world, plan, status, _say(Reason.SAME_FAILURE, run=same.run, url=url), now)
    claimed = claim_follow_up(world.run, status, FollowUpCause.FAILED_CHECKS, digest, now)
    entry = claimed.follow_ups[-1]
    text = sentence(Reason.FOLLOWING_UP, run=entry.run, number=entry.number, url=url)
    new = _with_condition(world, claimed, ConditionStatus.TRUE, Reason.FOLLOWING_UP, text, now)
    create = Create(build_follow_up(world.run, entry, build_failure_context(world.run, head, failure)))
    event = Event(Reason.FOLLOWING_UP.value, text)
    return replace(plan, status=new, creates=(*plan.creates, create), events=(*plan.events, event))


def _read(world: RunWorld, commit: str) -> FailedChecksFact | Problem:
    run = world.run
    access = find_access(world.project, run.namespace, run.status.repository_url or "", world.credentials)
    return access if isinstance(access, Problem) else world.facts.get(FailedChecksAsk(access, commit))


def _plan_active(world: RunWorld, plan: Plan, status: RunStatus, entry: FollowUp, now: datetime) -> Plan:
    found = _find_run(world, entry)
    if found is None:
        return _plan_unmade(world, plan, status, entry, now)
    if not found.status.phase.is_finished:
        return plan
    closed = record_end_of(status, entry, found, now)
    last = closed.follow_ups[-1]
    if last.pushed_commit is None:
        return replace(plan, status=closed)
    text = sentence(Reason.FOLLOWED_UP, run=entry.run, commit=last.pushed_commit)
    new = _with_condition(world, closed, ConditionStatus.TRUE, Reason.FOLLOWED_UP, text, now)
    return replace(plan, status=new, events=(*plan.events, Event(Reason.FOLLOWED_UP.value, text)))


def _plan_unmade(world: RunWorld, plan: Plan, status: RunStatus, entry: FollowUp, now: datetime) -> Plan:
    """Make the Run that is claimed, say what prevents it, or give it up.

    The creation was not answered or the operator stopped in between. The finalizer of a Run that was made keeps it
    until this ledger has its end, so one that is absent was never made.
    """
    made = status.pull_request
    is_wanted = _policy(world) is not None and made is not None and made.state is PullRequestState.OPEN
    create = _build(world, entry) if is_wanted else Problem(Reason.CANCELLED, sentence(Reason.CANCELLED))
    problem = create if isinstance(create, Problem) else world.failures.get(create)
    if isinstance(create, Create) and problem is None:
        return replace(plan, creates=(*plan.creates, create))
    until = entry.claim_time + (START_LIMIT if is_wanted else ARRIVAL_LIMIT)
    if problem is not None and isinstance(create, Create):
        until = given_up_from(problem, until) or until
    if problem is not None and now >= until and _is_absent(world, entry):
        phase = FollowUpPhase.FAILED if is_wanted else FollowUpPhase.CANCELLED
        return replace(plan, status=close_follow_up(status, entry, phase, problem.reason, problem.message, now))
    creates = (*plan.creates, create) if isinstance(create, Create) and now < until else plan.creates
    waiting = replace(plan, creates=creates)
    look_again = until if now < until else now + LOOK_AGAIN
    if problem is None or not is_wanted:
        return _sooner(waiting, look_again)
    return _wait(world, waiting, status, problem, look_again, now)


def _build(world: RunWorld, entry: FollowUp) -> Create | Problem:
    failure = _read(world, entry.head_commit)
    if isinstance(failure, Problem):
        return failure
    context = build_failure_context(world.run, entry.head_commit, failure)
    return Create(build_follow_up(world.run, entry, context))


def _is_absent(world: RunWorld, entry: FollowUp) -> bool:
    found = world.facts.get(ObjectAsk(world.run.kind, world.run.namespace, entry.run))
    return not isinstance(found, Problem) and found.uid is None


def _find_run(world: RunWorld, entry: FollowUp) -> Run | None:
    return next((run for run in world.follow_ups if run.name == entry.run), None)


def _stop(world: RunWorld, plan: Plan, status: RunStatus, stop: _Stop, now: datetime) -> Plan:
    """Say once, also by a Notification, why no further Run follows."""
    said = status.condition(ConditionType.FOLLOWED_UP)
    if said is not None and (said.reason, said.message) == (stop.reason, stop.message):
        return plan
    new = _with_condition(world, status, ConditionStatus.FALSE, stop.reason, stop.message, now)
    notification = build_stop_notification(world.run, new)
    claimed, creates = claim_notifications(new, () if notification is None else (notification,))
    event = Event(stop.reason.value, stop.message, is_warning=True)
    return replace(plan, status=claimed, creates=(*plan.creates, *creates), events=(*plan.events, event))


def _wait(world: RunWorld, plan: Plan, status: RunStatus, problem: Problem, time: datetime, now: datetime) -> Plan:
    """Say once what keeps a follow-up from being made."""
    said = status.condition(ConditionType.FOLLOWED_UP)
    new = _with_condition(world, status, ConditionStatus.UNKNOWN, problem.reason, problem.message, now)
    is_news = said is None or said.reason != problem.reason
    events = (*plan.events, Event.of(problem)) if is_news else plan.events
    return _sooner(replace(plan, status=new, events=events), time)


def _with_condition(
    world: RunWorld, status: RunStatus, value: ConditionStatus, reason: Reason, message: str, now: datetime
) -> RunStatus:
    generation = world.run.metadata.generation
    conditions = with_condition(
        status.conditions, ConditionType.FOLLOWED_UP, value, reason, message, now=now, generation=generation
    )
    return status.updated(conditions=conditions)


def _sooner(plan: Plan, time: datetime) -> Plan:
    return replace(plan, look_again=time if plan.look_again is None else min(plan.look_again, time))
