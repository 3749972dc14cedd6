"""Answers what plans ask about issues and their comments."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from codecourier.controller.ask_host import AskHost
from codecourier.core.shared.facts import (
    IssueAsk,
    IssueComment,
    IssueFact,
    OwnComment,
    OwnCommentsAsk,
    OwnCommentsFact,
    Problem,
    RepositoryAccess,
)
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.github.operations.get_issue import GetIssue, IssueFacts
from codecourier.github.operations.get_issue_comment import GetIssueComment
from codecourier.github.operations.issue import CommentFacts
from codecourier.github.operations.list_issue_comments import ListIssueComments
from codecourier.issue import IssueState

__all__ = ["MOST_COMMENTS", "MOST_PAGES", "IssueReader"]

R = TypeVar("R")

PROBLEM_SECONDS = 5.0
"""How long to wait before asking again for an issue that could not be read."""

MOST_COMMENTS = 10
"""How many comments one question may ask for."""

MOST_PAGES = 10
"""How many pages of comments are searched for our own; each is one request."""

_COMMENT_MAX_BYTES = 16 * 1024
_MOST_BYTES = 16 * 1024 * 1024
"""How much of issues is remembered, in bytes of their texts; the least recently read one is forgotten first."""

_SMALLEST_BYTES = 1024
"""What an issue without texts counts."""

_CLOCKS_APART = timedelta(minutes=5)
"""How far the host's clock, by which comments are listed, may be behind the cluster's."""


@dataclass(frozen=True)
class _Known:
    """What is remembered of an issue."""

    time: float
    asked: tuple[int, ...]
    """Its comments that were asked for."""

    fact: IssueFact | Problem
    issue: IssueFacts | None
    """What its host said, for a request that costs nothing if that is still so; None where it was not read."""

    comments: dict[int, CommentFacts]
    size_bytes: int


class IssueReader:
    """Reads issues and comments.

    Parameters
    ----------
    ask_host
        Carries out an operation.
    """

    def __init__(self, ask_host: AskHost) -> None:
        self._ask_host = ask_host
        self._known: OrderedDict[tuple[RepositoryAccess, int], _Known] = OrderedDict()
        self._bytes = 0

    def recall(self, ask: IssueAsk) -> IssueFact | Problem | None:
        """Return an answer that is not too old; None: look it up."""
        access = ask.repository
        if isinstance(access, Problem):
            return access
        known = self._known.get((access, ask.number))
        if known is None or known.asked != ask.comments:
            return None
        # Issues that were asked for together, as at a start, are asked for again at different times.
        share = 0.8 + zlib.crc32(f"{access.url}/{ask.number}".encode()) % 1000 / 5000
        seconds = PROBLEM_SECONDS if isinstance(known.fact, Problem) else ask.age_seconds * share
        return known.fact if asyncio.get_running_loop().time() < known.time + seconds else None

    async def look(self, ask: IssueAsk) -> IssueFact | Problem:
        """Look an issue up, with the comments that were asked for."""
        access = ask.repository
        if isinstance(access, Problem):
            return access
        known = self._known.get((access, ask.number))
        issue = await self._ask_host(access, GetIssue(ask.number, None if known is None else known.issue), ask.number)
        if isinstance(issue, Problem):
            return self._remember(access, ask, issue, None, {})
        comments = await self._comments(ask, issue, known.comments if known is not None else {})
        if isinstance(comments, Problem):
            return self._remember(access, ask, comments, issue, {})
        return self._remember(access, ask, _fact(ask, issue, comments), issue, comments)

    async def find_own(self, ask: OwnCommentsAsk) -> OwnCommentsFact | Problem:
        """Find the comments that carry our marker."""
        if ask.comment is not None:
            found = await self._ask_host(ask.repository, GetIssueComment(ask.number, ask.comment), ask.number)
            if isinstance(found, Problem):
                return found
            is_ours = found is not None and ask.marker in found.body
            return _own([found] if found is not None and is_ours else [])
        marked: list[CommentFacts] = []
        since = ask.since - _CLOCKS_APART
        for number in range(1, MOST_PAGES + 1):
            page = await self._ask_host(
                ask.repository, ListIssueComments(ask.number, ask.marker, since, number), ask.number
            )
            if isinstance(page, Problem):
                return page
            marked += page.marked
            if not page.is_full:
                return _own(marked)
        return _too_many(ask)

    async def _comments(
        self, ask: IssueAsk, issue: IssueFacts, known: dict[int, CommentFacts]
    ) -> dict[int, CommentFacts] | Problem:
        found: dict[int, CommentFacts] = {}
        if issue.state in {IssueState.TRANSFERRED, IssueState.DELETED}:
            return found
        for number in ask.comments[:MOST_COMMENTS]:
            operation = GetIssueComment(ask.number, number, known.get(number))
            comment = await self._ask_host(ask.repository, operation, ask.number)
            if isinstance(comment, Problem):
                return comment
            if comment is not None:
                found[number] = replace(comment, body=_cut(comment.body))
        return found

    def _remember(
        self,
        access: RepositoryAccess,
        ask: IssueAsk,
        fact: IssueFact | Problem,
        issue: IssueFacts | None,
        comments: dict[int, CommentFacts],
    ) -> IssueFact | Problem:
        texts = [issue.body if issue is not None else "", *(comment.body for comment in comments.values())]
        size = _SMALLEST_BYTES + sum(len(text.encode()) for text in texts)
        old = self._known.pop((access, ask.number), None)
        time = asyncio.get_running_loop().time()
        self._known[access, ask.number] = _Known(time, ask.comments, fact, issue, comments, size)
        self._bytes += size - (old.size_bytes if old is not None else 0)
        while self._bytes > _MOST_BYTES:
            self._bytes -= self._known.popitem(last=False)[1].size_bytes
        return fact


def _fact(ask: IssueAsk, issue: IssueFacts, comments: dict[int, CommentFacts]) -> IssueFact:
    found = [comments[number] for number in ask.comments if number in comments]
    return IssueFact(
        state=issue.state,
        url=issue.url,
        title=issue.title,
        author=issue.author,
        body=issue.body,
        is_locked=issue.is_locked,
        is_pull_request=issue.is_pull_request,
        comments=tuple(IssueComment(comment.id, comment.author, comment.body) for comment in found),
        missing_comments=tuple(number for number in ask.comments if number not in comments),
    )


def _cut(text: str) -> str:
    return text.encode()[:_COMMENT_MAX_BYTES].decode(errors="ignore")


def _own(found: list[CommentFacts]) -> OwnCommentsFact:
    ordered = sorted(found, key=lambda comment: comment.id)
    return OwnCommentsFact(tuple(OwnComment(comment.id, comment.url, comment.body) for comment in ordered))


def _too_many(ask: OwnCommentsAsk) -> Problem:
    access = ask.repository
    issue = f"{access.url}/issues/{ask.number}" if isinstance(access, RepositoryAccess) else str(ask.number)
    detail = f"{MOST_PAGES} pages of comments were changed since {ask.since:%Y-%m-%d %H:%M} UTC."
    reason = Reason.ISSUE_COMMENTS_UNCOUNTED
    return Problem(reason, sentence(reason, issue=issue, detail=detail))
