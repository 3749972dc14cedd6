"""What an issue means for its session: whether work on it goes on, and how often its host is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from codecourier.address import plain_issue_address
from codecourier.core.issue_session.context import clean_title
from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.facts import IssueAsk, IssueFact, Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.issue import IssueState
from codecourier.resources.issue_session import IssueSession, IssueSessionPhase, IssueSessionStatus, SessionIssue

__all__ = ["LOOK_AT_ACTIVE", "LOOK_AT_NEW", "Halt", "find_halt", "look_at_issue", "next_look_at", "with_issue"]

LOOK_AT_NEW = timedelta(minutes=1)
"""How old what is known of an issue may be when a Run is made for it."""

LOOK_AT_ACTIVE = timedelta(minutes=2)
"""The same while a Run works on it: a user who closes the issue stops the Run."""

_LOOK_AT_OPEN = timedelta(minutes=30)
_LOOK_AT_CLOSED = timedelta(hours=6)

_URL_MAX_LENGTH = 1024


@dataclass(frozen=True)
class Halt:
    """Why no Run may work on an issue."""

    reason: Reason
    message: str
    phase: IssueSessionPhase = IssueSessionPhase.CANCELLED
    """How a session ends that has no Run."""


def look_at_issue(world: IssueSessionWorld, age: timedelta, *, has_comments: bool) -> IssueFact | Problem:
    """Return the issue as its host shows it, not older than this, with the chosen comments if they are needed.

    Raises
    ------
    MissingFacts
        If the host was not asked yet.
    """
    comments = world.session.spec.comment_ids if has_comments else ()
    return world.facts.get(IssueAsk(world.access, world.number, comments, age.total_seconds()))


def with_issue(session: IssueSession, status: IssueSessionStatus, issue: IssueFact | Problem) -> IssueSessionStatus:
    """Return the status with what is known of the issue; a problem says nothing new of it."""
    if isinstance(issue, Problem):
        return status
    title = clean_title(issue.title) or (status.issue.title if status.issue is not None else "")
    known_url = plain_issue_address(session.spec.issue_url)
    is_elsewhere = issue.url is not None and issue.url.casefold() != known_url.casefold()
    url = issue.url if is_elsewhere and len(issue.url or "") <= _URL_MAX_LENGTH else None
    return status.updated(issue=SessionIssue(state=issue.state, title=title, is_locked=issue.is_locked, url=url))


def find_halt(world: IssueSessionWorld, issue: IssueFact | SessionIssue | None) -> Halt | None:
    """Return why no Run may work on the issue, by what is known of it; None: one may."""
    if issue is None:
        return None
    url = world.session.spec.issue_url
    if issue.state is IssueState.CLOSED:
        return Halt(Reason.ISSUE_CLOSED, sentence(Reason.ISSUE_CLOSED, url=url))
    if issue.state is IssueState.DELETED:
        return Halt(Reason.ISSUE_DELETED, sentence(Reason.ISSUE_DELETED, url=url))
    if issue.state is IssueState.TRANSFERRED:
        where = f" now at {issue.url}" if issue.url is not None else ""
        return Halt(Reason.ISSUE_TRANSFERRED, sentence(Reason.ISSUE_TRANSFERRED, url=url, where=where))
    if isinstance(issue, IssueFact) and issue.is_pull_request:
        text = sentence(Reason.ISSUE_IS_PULL_REQUEST, url=url)
        return Halt(Reason.ISSUE_IS_PULL_REQUEST, text, IssueSessionPhase.FAILED)
    return None


def next_look_at(issue: SessionIssue | None) -> timedelta | None:
    """Return how long what is known of the issue of a finished session is good enough; None: it cannot change."""
    states = {IssueState.OPEN: _LOOK_AT_OPEN, IssueState.CLOSED: _LOOK_AT_CLOSED}
    return None if issue is None else states.get(issue.state)
