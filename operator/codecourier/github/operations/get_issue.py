"""Look an issue up."""

from __future__ import annotations

from dataclasses import dataclass, field

from codecourier.github.address import RepositoryAddress
from codecourier.github.answers import Field, unreadable
from codecourier.github.api import Operation
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeNotFound, Moved
from codecourier.github.gateway import Request
from codecourier.github.operations.issue import (
    GONE,
    READ_ISSUES,
    READ_REFUSALS,
    IssueNotFound,
    Target,
    find_target,
    is_of_repository,
    read_author,
    read_body,
    read_page,
)
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session
from codecourier.issue import IssueState

__all__ = ["GetIssue", "IssueFacts"]

_TITLE_MAX_BYTES = 1024
"""GitHub takes 256 characters."""


class _IssueDeleted(ForgeError):
    """The issue was deleted."""


_REFUSALS = (
    *READ_REFUSALS,
    Refusal(frozenset({410}), _IssueDeleted, "the issue was deleted"),
    Refusal(GONE, IssueNotFound, "there is no such issue, or the credential may not read it"),
)


@dataclass(frozen=True)
class IssueFacts:
    """What the forge says of an issue; one that was transferred or deleted has no texts."""

    state: IssueState
    url: str | None = None
    """Its page, for people; None: it was deleted, or transferred to where the credential cannot read."""

    title: str = ""
    author: str = ""
    body: str = ""
    """Cut to 64 KiB of UTF-8."""

    is_locked: bool = False
    is_pull_request: bool = False
    """Whether it is a pull request, which is an issue too."""

    etag: str = field(default="", compare=False)
    """Names this answer, for a request that asks only for news; empty if the forge gives no name."""


@dataclass(frozen=True)
class GetIssue(Operation[IssueFacts]):
    """Look an issue up, wherever it is now: https://docs.github.com/rest/issues/issues#get-an-issue.

    One redirect is followed, to the same API only. GitHub redirects all issues of a repository that was renamed, and
    one that was transferred; the number of the repository says which of the two it is.
    """

    number: int
    known: IssueFacts | None = None
    """An earlier answer: that it still holds costs nothing of GitHub's rate limit."""

    def run(self, session: Session) -> IssueFacts:
        """See `Operation.run`."""
        etag = self.known.etag if self.known is not None else ""
        try:
            place = self._get(session, f"{session.address.path}/issues/{self.number}", etag)
        except _IssueDeleted:
            return IssueFacts(IssueState.DELETED)
        except Moved as moved:
            return self._follow(session, moved)
        if place.is_unchanged and self.known is not None:
            return self.known
        return self._read(place, session.address)

    def _follow(self, session: Session, moved: Moved) -> IssueFacts:
        target = find_target(session.address, moved)
        if target is None:
            raise moved
        if target.number != self.number or not is_of_repository(session, target):
            return IssueFacts(IssueState.TRANSFERRED, _find_page(session, target))
        try:
            return self._read(self._get(session, target.path), session.address)
        except _IssueDeleted:
            return IssueFacts(IssueState.DELETED)
        except Moved:
            # The repository was renamed and the issue transferred; a second redirect is not followed.
            return IssueFacts(IssueState.TRANSFERRED)

    @staticmethod
    def _get(session: Session, path: str, etag: str = "") -> Field:
        return session.send(Request("GET", path, refusals=_REFUSALS, etag=etag, need=READ_ISSUES))

    def _read(self, place: Field, address: RepositoryAddress) -> IssueFacts:
        if place.at("number").number() != self.number:
            raise unreadable(place.what, "it is another issue")
        return IssueFacts(
            state=IssueState.OPEN if place.at("state").text() == "open" else IssueState.CLOSED,
            url=read_page(place.at("html_url"), address),
            title=read_body(place.at("title"), _TITLE_MAX_BYTES),
            author=read_author(place),
            body=read_body(place.at("body")),
            is_locked=place.at("locked").data is True,
            is_pull_request=place.at("pull_request").data is not None,
            etag=place.etag,
        )


def _find_page(session: Session, target: Target) -> str | None:
    """Return the page of an issue that was transferred; None: the credential cannot read it."""
    request = Request("GET", target.path, refusals=_REFUSALS, need=READ_ISSUES)
    try:
        return read_page(session.send(request).at("html_url"), session.address)
    except (CredentialsRefused, ForgeNotFound, _IssueDeleted):
        return None
