"""What the operations on issues share: permissions, refusals, redirects, and how issues and comments are read.

GitHub redirects requests for an issue that was transferred, and for all issues of a repository that was renamed, to an
address below `/repositories/ID`: https://docs.github.com/rest/issues/issues#get-an-issue and
https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

from codecourier.github.address import RepositoryAddress
from codecourier.github.answers import Field, unreadable
from codecourier.github.errors import CredentialsRefused, ForgeError, ForgeNotFound, Moved
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = [
    "GONE",
    "READ_ISSUES",
    "READ_REFUSALS",
    "WRITE_ISSUES",
    "WRITE_REFUSALS",
    "CommentFacts",
    "IssueLocked",
    "IssueNotFound",
    "IssuesForbidden",
    "Target",
    "find_target",
    "is_of_repository",
    "read_author",
    "read_body",
    "read_comment",
    "read_page",
    "send_here",
]

BODY_MAX_BYTES = 64 * 1024
"""Longest text of an issue or a comment that is kept, in bytes of UTF-8; GitHub takes 65,536 characters."""

_URL_MAX_LENGTH = 1024
"""As long as statuses hold."""

_LOGIN_MAX_LENGTH = 256

GHOST = "ghost"
"""As GitHub shows the author of what a deleted account wrote."""

_PAGE = re.compile(r"https://[\x21-\x7e]+")
_ISSUE = re.compile(r"/issues/([1-9][0-9]{0,15})")
_TARGET = re.compile(
    r"(/repositories/[1-9][0-9]{0,15}|/repos/[\w-][\w.-]*/[\w-][\w.-]*)/issues/(comments/)?([1-9]\d{0,15})", re.ASCII
)


class IssueNotFound(ForgeNotFound):
    """There is no such issue or comment, the repository has no issues, or the credential may not read them."""


class IssueLocked(ForgeError):
    """The issue is locked: nothing was written."""


class IssuesForbidden(CredentialsRefused):
    """The credential lacks the permission for issues: nothing was done."""


READ_ISSUES = Need((("issues", "read"),), IssuesForbidden)
WRITE_ISSUES = Need((("issues", "write"),), IssuesForbidden)

GONE = frozenset({404, 410, 451})
"""Statuses of what is not there, or not for this credential."""


def _refusals(need: Need) -> tuple[Refusal, ...]:
    lacks = f"the credential lacks the permission {need.words}"
    return (
        Refusal(frozenset({403}), IssuesForbidden, lacks, words="not accessible by"),
        # GitHub answers 410 for an issue that was deleted too.
        Refusal(frozenset({410}), IssueNotFound, "the repository has no issues", words="disabled"),
    )


READ_REFUSALS = _refusals(READ_ISSUES)
"""What refusals of all requests that read mean."""

WRITE_REFUSALS = (
    # Whatever the permissions: https://docs.github.com/articles/locking-conversations.
    Refusal(frozenset({403}), IssueLocked, "the conversation is locked", words="locked"),
    *_refusals(WRITE_ISSUES),
    Refusal(GONE, IssueNotFound, "there is no such issue or comment, or the credential may not see it"),
)
"""What refusals of all requests that write mean."""


@dataclass(frozen=True)
class CommentFacts:
    """What the forge says of a comment."""

    id: int
    author: str
    url: str
    """Its page, for people."""

    body: str
    """Cut to 64 KiB of UTF-8."""

    etag: str = field(default="", compare=False)
    """Names this answer, for a request that asks only for news; empty if the forge gives no name."""


@dataclass(frozen=True)
class Target:
    """Where a request for an issue or a comment was redirected to."""

    repository: str
    """Path of the repository below the API's root."""

    path: str
    number: int
    """Number of the issue, or of the comment."""


def send_here(session: Session, request: Request) -> Field:
    """Send a request that no redirect answers: what moved is not at the session's repository.

    Raises
    ------
    ForgeError
        If the forge did not do what was asked.
    """
    try:
        return session.send(request)
    except Moved as moved:
        raise IssueNotFound(moved.message, status=moved.status) from None


def find_target(address: RepositoryAddress, moved: Moved) -> Target | None:
    """Return where a redirect leads, if that is an issue or a comment at the same API; None: do not follow it."""
    found = _TARGET.fullmatch(_path_below_root(address, moved))
    return None if found is None else Target(found[1], found[0], int(found[3]))


def is_of_repository(session: Session, target: Target) -> bool:
    """Return whether a redirect leads to the session's repository, under the name that it has now.

    Raises
    ------
    ForgeError
        If the forge does not say which repository that is.
    """
    address = session.address
    try:
        place = session.send(Request("GET", address.path, need=READ_ISSUES))
    except Moved as moved:
        return _path_below_root(address, moved).lower() == target.repository.lower()
    names = (f"/repositories/{place.at('id').number()}", address.path)
    return target.repository.lower() in {name.lower() for name in names}


def _path_below_root(address: RepositoryAddress, moved: Moved) -> str:
    """Return where a redirect leads, below the root of the same API; for elsewhere this is no path."""
    try:
        return urljoin(f"{address.api_url}{address.path}", moved.location).removeprefix(address.api_url)
    except ValueError:
        return ""


def read_author(place: Field) -> str:
    """Read the login of an author; that of a deleted account is `ghost`."""
    user = place.at("user")
    return GHOST if user.data is None else user.at("login").text(_LOGIN_MAX_LENGTH)


def read_body(place: Field, max_bytes: int = BODY_MAX_BYTES) -> str:
    """Read a text that people wrote, cut to a number of bytes of UTF-8; an absent one is empty."""
    if place.data is None:
        return ""
    if not isinstance(place.data, str):
        raise unreadable(place.what, f"{place.path} is not a text")
    # Escapes of JSON can hold half of a character, which no other text can.
    return place.data.encode(errors="replace")[:max_bytes].decode(errors="ignore")


def read_page(place: Field, address: RepositoryAddress) -> str:
    """Read the address of a page at the host that was asked."""
    url = place.text(_URL_MAX_LENGTH)
    if _PAGE.fullmatch(url) and url.lower().startswith(f"https://{address.host}/"):
        return url
    raise unreadable(place.what, f"{place.path} is no page of {address.host}")


def read_comment(place: Field, address: RepositoryAddress, number: int) -> CommentFacts | None:
    """Read a comment; None: it is one of another issue."""
    found = _ISSUE.search(place.at("issue_url").text(_URL_MAX_LENGTH))
    if found is None or not place.at("issue_url").text().endswith(found[0]) or int(found[1]) != number:
        return None
    return CommentFacts(
        id=place.at("id").number(),
        author=read_author(place),
        url=read_page(place.at("html_url"), address),
        body=read_body(place.at("body")),
        etag=place.etag,
    )
