"""Write a comment on an issue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.answers import unreadable
from codecourier.github.api import Operation
from codecourier.github.gateway import Request
from codecourier.github.operations.issue import WRITE_ISSUES, WRITE_REFUSALS, CommentFacts, read_comment, send_here
from codecourier.github.session import Session

__all__ = ["WriteIssueComment"]


@dataclass(frozen=True)
class WriteIssueComment(Operation[CommentFacts]):
    """Make a comment, or replace the text of one.

    https://docs.github.com/rest/issues/comments#create-an-issue-comment and `#update-an-issue-comment`. No redirect is
    followed.
    """

    is_write: ClassVar[bool] = True

    number: int
    """The issue."""

    body: str
    """Carries the marker, by which the comment is found again when the answer is lost."""

    comment: int | None = None
    """The comment whose text is replaced, one of this issue; None: a new one is made."""

    def run(self, session: Session) -> CommentFacts:
        """See `Operation.run`."""
        issues = f"{session.address.path}/issues"
        method, path = "POST", f"{issues}/{self.number}/comments"
        if self.comment is not None:
            method, path = "PATCH", f"{issues}/comments/{self.comment}"
        request = Request(method, path, body={"body": self.body}, refusals=WRITE_REFUSALS, need=WRITE_ISSUES)
        place = send_here(session, request)
        written = read_comment(place, session.address, self.number)
        if written is None:
            raise unreadable(place.what, "it is a comment of another issue")
        return written
