"""The one comment on an issue that says what its session does.

It is claimed in the status before it is written, found again by its marker, and then changed where it is. Hosts accept
any number of comments, so a request without an answer may still be carried out: until that cannot be any more, no other
one is sent. What users write elsewhere is never changed, and a comment that a user deletes is not written again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.facts import OwnComment, OwnCommentsAsk, Problem
from codecourier.core.shared.intents import Event, Plan, WriteComment
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.steady import steady
from codecourier.resources.issue_session import (
    IssueSession,
    IssueSessionPhase,
    IssueSessionStatus,
    SessionComment,
    SessionRun,
)
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.run import RunPhase
from codecourier.text import session_marker

__all__ = ["ARRIVAL_LIMIT", "WAIT_LIMIT", "build_comment", "with_comment"]

ARRIVAL_LIMIT = timedelta(minutes=2)
"""How long a request that was not answered may still be carried out by the host."""

WAIT_LIMIT = timedelta(days=1)
"""How long a text that the host does not take is tried; the next text is tried anew."""

_CHECK_TIME = timedelta(minutes=5)
"""How long, once a request that had no answer must have come, the comment is looked at again; no status counts it."""

_LOOK_AGAIN = timedelta(seconds=15)
_MOST_PAUSE = timedelta(minutes=30)

_HEADLINES = {
    IssueSessionPhase.PENDING: "will work on this issue",
    IssueSessionPhase.RUNNING: "is working on this issue",
    IssueSessionPhase.COMPLETED: "has worked on this issue",
    IssueSessionPhase.FAILED: "could not finish its work on this issue",
    IssueSessionPhase.CANCELLED: "has stopped its work on this issue",
}


def build_comment(session: IssueSession) -> str:
    """Return what the comment says: a function of the status alone, without a word of an agent."""
    status = session.status
    lines = [
        f"CodeCourier {_HEADLINES[status.phase]}.",
        "",
        "| Run | State | Pull request |",
        "|---|---|---|",
        *(_row(entry) for entry in status.runs),
        "",
        f"IssueSession `{session.name}` in namespace `{session.namespace}`.",
        "",
        session_marker(session.uid),
    ]
    return "\n".join(lines)


def _row(entry: SessionRun) -> str:
    state = "at work" if entry.phase is RunPhase.RUNNING else entry.phase.value.lower()
    return f"| `{entry.run}` | {state} | {entry.pull_request_url or 'none'} |"


def with_comment(world: IssueSessionWorld, plan: Plan, now: datetime) -> Plan:
    """Return a plan that also keeps the comment true, where the plan has nothing more urgent to do.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    session, present = world.session, world.session.status
    is_quiet = plan.status is None or steady(present, plan.status) == present
    if plan.creates or not is_quiet or not present.runs:
        return plan
    body = build_comment(session)
    digest = hashlib.sha256(body.encode()).hexdigest()[:16]
    comment = present.comment
    is_told = comment is not None and (comment.is_deleted or comment.digest == digest)
    if comment is not None and is_told and not _is_check_due(comment, now):
        return _until_check(plan, comment, now)
    found = world.facts.get(
        OwnCommentsAsk(
            world.access,
            world.number,
            session_marker(session.uid),
            session.metadata.creation_timestamp or now,
            None if comment is None else comment.id,
        )
    )
    if isinstance(found, Problem):
        return plan if comment is None or is_told else _wait(world, plan, comment, found, digest, now)
    if found.items:
        return _keep(world, plan, found.items[0], body, digest, now)
    if comment is not None and comment.id is not None:
        return _with(world, plan, comment.updated(is_deleted=True, digest=digest, waiting_since=None), _DELETED, now)
    return _write_first(world, plan, body, digest, now)


_DELETED = sentence(Reason.COMMENT_DELETED)


def _is_check_due(comment: SessionComment, now: datetime) -> bool:
    """Tell whether it is time to look whether a change that had no answer has come after a later one."""
    if comment.is_deleted or comment.seen_time is None:
        return False
    start = comment.seen_time + ARRIVAL_LIMIT
    return start <= now < start + _CHECK_TIME


def _until_check(plan: Plan, comment: SessionComment, now: datetime) -> Plan:
    if comment.is_deleted or comment.seen_time is None or now >= comment.seen_time + ARRIVAL_LIMIT:
        return plan
    return _sooner(plan, comment.seen_time + ARRIVAL_LIMIT)


def _keep(world: IssueSessionWorld, plan: Plan, own: OwnComment, body: str, digest: str, now: datetime) -> Plan:
    """Change the comment that is there, if it says something else."""
    known = world.session.status.comment or SessionComment(claim_time=now)
    seen = known.updated(id=own.id, url=own.url)
    is_told = known.digest == digest
    if own.body.replace("\r\n", "\n").strip() == body:
        told = seen.updated(digest=digest, waiting_since=None, seen_time=now)
        return plan if is_told else _with(world, plan, told, sentence(Reason.COMMENTED, url=own.url), now)
    if seen != known:
        return replace(plan, status=world.session.status.updated(comment=seen))
    effect = WriteComment(world.access, world.number, body, own.id)
    problem = world.failures.get(effect)
    if problem is None or is_told:
        return replace(plan, effects=(effect,))
    return _wait(world, replace(plan, effects=(effect,)), seen, problem, digest, now)


def _write_first(world: IssueSessionWorld, plan: Plan, body: str, digest: str, now: datetime) -> Plan:
    """Write the comment that is not there, once no earlier request for it can be carried out any more."""
    status = world.session.status
    effect = WriteComment(world.access, world.number, body)
    problem, comment = world.failures.get(effect), status.comment
    if comment is None:
        claimed = status.updated(comment=SessionComment(claim_time=now))
        return replace(plan, status=claimed, effects=(effect,))
    if problem is None:
        return _write_again(plan, status, comment, effect, now)
    if problem.refused_since is not None or now >= (problem.tried or now) + ARRIVAL_LIMIT:
        plan = replace(plan, effects=(effect,))
    return _wait(world, plan, comment, problem, digest, now)


def _write_again(
    plan: Plan, status: IssueSessionStatus, comment: SessionComment, effect: WriteComment, now: datetime
) -> Plan:
    """Wait for a comment whose request worked or is not known of; when it must have come, claim it anew."""
    if comment.waiting_since is not None or comment.claim_time > now:
        # When it was last asked is not known: the operator has started anew, or a clock went back.
        waiting = comment.updated(claim_time=now, waiting_since=None)
        return replace(plan, status=status.updated(comment=waiting), look_again=now + ARRIVAL_LIMIT)
    if now < comment.claim_time + ARRIVAL_LIMIT:
        return _sooner(plan, min(now + _LOOK_AGAIN, comment.claim_time + ARRIVAL_LIMIT))
    return replace(plan, status=status.updated(comment=comment.updated(claim_time=now)), effects=(effect,))


def _wait(
    world: IssueSessionWorld, plan: Plan, comment: SessionComment, problem: Problem, digest: str, now: datetime
) -> Plan:
    """Say once why the comment does not say what it should, and try less and less often, for a day."""
    since = comment.waiting_since or now
    if problem.is_final or now >= since + WAIT_LIMIT:
        given_up = comment.updated(digest=digest, waiting_since=None)
        return replace(_with(world, plan, given_up, problem.message, now, reason=problem.reason), effects=())
    waiting = _with(world, plan, comment.updated(waiting_since=since), problem.message, now, reason=problem.reason)
    pause = min(max(_LOOK_AGAIN, now - since), _MOST_PAUSE)
    return _sooner(waiting, problem.retry_time or now + pause)


def _with(
    world: IssueSessionWorld,
    plan: Plan,
    comment: SessionComment,
    message: str,
    now: datetime,
    *,
    reason: Reason | None = None,
) -> Plan:
    """Return the plan that writes what is known of the comment; a reason is that of a problem."""
    session, old = world.session, world.session.status.condition(ConditionType.COMMENTED)
    said = reason or (Reason.COMMENT_DELETED if comment.is_deleted else Reason.COMMENTED)
    is_there = said is Reason.COMMENTED
    conditions = with_condition(
        session.status.conditions,
        ConditionType.COMMENTED,
        ConditionStatus.TRUE if is_there else ConditionStatus.FALSE,
        said,
        message,
        now=now,
        generation=session.metadata.generation,
    )
    status = session.status.updated(comment=comment, conditions=conditions)
    is_news = not is_there and (old is None or old.reason != said)
    events = (Event(said.value, message, is_warning=True),) if is_news else ()
    return replace(plan, status=status, events=(*plan.events, *events))


def _sooner(plan: Plan, time: datetime) -> Plan:
    return replace(plan, look_again=time if plan.look_again is None else min(plan.look_again, time))
