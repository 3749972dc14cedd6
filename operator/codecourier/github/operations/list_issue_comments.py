"""List the comments of an issue that carry a marker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from codecourier.github.api import Operation
from codecourier.github.gateway import Request
from codecourier.github.operations.issue import (
    GONE,
    READ_ISSUES,
    READ_REFUSALS,
    CommentFacts,
    IssueNotFound,
    read_comment,
    send_here,
)
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["CommentPage", "ListIssueComments"]

_PAGE_SIZE = 100
"""GitHub's largest page."""

_REFUSALS = (*READ_REFUSALS, Refusal(GONE, IssueNotFound, "there is no such issue, or the credential may not read it"))


@dataclass(frozen=True)
class CommentPage:
    """A page of the list."""

    marked: tuple[CommentFacts, ...]
    """The comments that carry the marker, oldest first."""

    is_full: bool
    """Whether another page may follow."""


@dataclass(frozen=True)
class ListIssueComments(Operation[CommentPage]):
    """List comments, oldest first: https://docs.github.com/rest/issues/comments#list-issue-comments."""

    number: int
    """The issue."""

    marker: str
    since: datetime
    """Only comments that were changed at this time or later are listed, by the host's clock."""

    page: int = 1

    def __post_init__(self) -> None:
        if not self.marker:
            raise ValueError("an empty marker is in every comment")

    def run(self, session: Session) -> CommentPage:
        """See `Operation.run`."""
        request = Request(
            "GET",
            f"{session.address.path}/issues/{self.number}/comments",
            query={
                "since": self.since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "per_page": _PAGE_SIZE,
                "page": self.page,
            },
            refusals=_REFUSALS,
            need=READ_ISSUES,
        )
        items = send_here(session, request).items()
        marked = (
            read_comment(item, session.address, self.number)
            for item in items
            if isinstance(body := item.at("body").data, str) and self.marker in body
        )
        return CommentPage(tuple(filter(None, marked)), is_full=len(items) >= _PAGE_SIZE)
