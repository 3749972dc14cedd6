"""Look a comment of an issue up."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, Moved
from codecourier.github.gateway import Request
from codecourier.github.operations.get_issue import GetIssue
from codecourier.github.operations.issue import (
    GONE,
    READ_ISSUES,
    READ_REFUSALS,
    CommentFacts,
    find_target,
    is_of_repository,
    read_comment,
)
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["GetIssueComment"]


class _CommentGone(ForgeError):
    """There is no such comment, or the credential may not read it."""


_REFUSALS = (*READ_REFUSALS, Refusal(GONE, _CommentGone, "there is no such comment"))


@dataclass(frozen=True)
class GetIssueComment(Operation[CommentFacts | None]):
    """Look a comment up: https://docs.github.com/rest/issues/comments#get-an-issue-comment.

    None: there is no such comment, or it is one of another issue. As in `GetIssue`, one redirect is followed.
    """

    number: int
    """The issue."""

    comment: int
    known: CommentFacts | None = None
    """An earlier answer: that it still holds costs nothing of GitHub's rate limit."""

    def run(self, session: Session) -> CommentFacts | None:
        """See `Operation.run`."""
        etag = self.known.etag if self.known is not None else ""
        try:
            place = self._get(session, etag)
        except _CommentGone:
            # The answer is the same for a repository that is gone; that one must not look like a deleted comment.
            GetIssue(self.number).run(session)
            return None
        if place is None:
            return None
        if place.is_unchanged and self.known is not None:
            return self.known
        return read_comment(place, session.address, self.number)

    def _get(self, session: Session, etag: str) -> Field | None:
        request = Request(
            "GET",
            f"{session.address.path}/issues/comments/{self.comment}",
            refusals=_REFUSALS,
            etag=etag,
            need=READ_ISSUES,
        )
        try:
            return session.send(request)
        except Moved as moved:
            target = find_target(session.address, moved)
            if target is None:
                raise
        if target.number != self.comment or not is_of_repository(session, target):
            return None
        return session.send(Request("GET", target.path, refusals=_REFUSALS, need=READ_ISSUES))
