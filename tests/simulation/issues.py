"""The issues of the simulated forge, and how operators ask for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import CredentialsRefused, ForgeNotFound, Unavailable
from codecourier.github.operations.get_issue import GetIssue, IssueFacts
from codecourier.github.operations.get_issue_comment import GetIssueComment
from codecourier.github.operations.issue import CommentFacts, IssueLocked, IssueNotFound, IssuesForbidden
from codecourier.github.operations.list_issue_comments import CommentPage, ListIssueComments
from codecourier.github.operations.write_issue_comment import WriteIssueComment
from codecourier.issue import IssueState
from tests.simulation.network import Verb

__all__ = ["FIRST_ISSUE", "OPERATOR", "Board", "Comment", "Issue", "IssueDesk"]

T = TypeVar("T")

OPERATOR = "codecourier[bot]"
"""Author of what operators write."""

_PAGE_SIZE = 100

FIRST_ISSUE = 1001
"""Pull requests have the numbers below: both share one sequence at a real forge."""


@dataclass(frozen=True)
class Issue:
    """An issue."""

    number: int
    url: str
    title: str
    body: str
    author: str
    state: IssueState = IssueState.OPEN
    is_locked: bool = False
    is_pull_request: bool = False


@dataclass(frozen=True)
class Comment:
    """A comment of an issue."""

    id: int
    issue: int
    author: str
    body: str
    updated: datetime


@dataclass
class Board:
    """The issues of the repository.

    Parameters
    ----------
    now
        The wall clock.
    url
        Address of the repository.
    """

    now: Callable[[], datetime]
    url: str
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    """Those that are there."""

    written: list[Comment] = field(default_factory=list)
    """Every comment that an operator made, as it was made; none is ever taken out."""

    last: int = 0
    """Id of the last comment."""

    edits: int = 0
    """How many comments operators replaced."""

    has_issues: bool = True
    """Whether the repository has issues at all."""

    may_read: bool = True
    """Whether the credential has the permission to read issues."""

    may_write: bool = True
    """Whether the credential has the permission to write comments."""

    def create(self, title: str = "Totals are wrong", body: str = "Fix them.", author: str = "alice") -> Issue:
        """Make an issue, as people do."""
        number = FIRST_ISSUE + len(self.issues)
        self.issues[number] = Issue(number, f"{self.url}/issues/{number}", title, body, author)
        return self.issues[number]

    def comment(self, number: int, body: str, author: str = "alice") -> Comment:
        """Write a comment, as people do."""
        self.last += 1
        comment = Comment(self.last, number, author, body, self.now())
        self.comments[comment.id] = comment
        return comment

    def change(self, number: int, **changes: Any) -> None:
        """Change fields of an issue."""
        self.issues[number] = replace(self.issues[number], **changes)

    def close(self, number: int) -> None:
        """Close an issue."""
        self.change(number, state=IssueState.CLOSED)

    def reopen(self, number: int) -> None:
        """Open a closed issue again."""
        self.change(number, state=IssueState.OPEN)

    def lock(self, number: int, *, is_locked: bool = True) -> None:
        """Lock or unlock the conversation of an issue."""
        self.change(number, is_locked=is_locked)

    def transfer(self, number: int, url: str | None) -> None:
        """Move an issue to another repository; None: one that the credential cannot read."""
        self.change(number, state=IssueState.TRANSFERRED, url=url, title="", body="", author="")
        self._drop_comments(number)

    def delete(self, number: int) -> None:
        """Delete an issue with its comments."""
        self.change(number, state=IssueState.DELETED, url=None, title="", body="", author="")
        self._drop_comments(number)

    def delete_comment(self, comment: int) -> None:
        """Delete a comment."""
        del self.comments[comment]

    def posts(self) -> Counter[int]:
        """Return how many comments operators made on each issue."""
        return Counter(comment.issue for comment in self.written)

    def _drop_comments(self, number: int) -> None:
        self.comments = {key: comment for key, comment in self.comments.items() if comment.issue != number}

    def find(self, number: int) -> Issue:
        """Return an issue as a request sees it."""
        if not self.may_read:
            raise IssuesForbidden("Resource not accessible by integration (403): issues: read", status=403)
        if not self.has_issues:
            raise IssueNotFound("Issues are disabled for this repo (410)", status=410)
        if number not in self.issues:
            raise IssueNotFound("Not Found (404)", status=404)
        return self.issues[number]

    def find_here(self, number: int) -> Issue:
        """Return an issue that was neither transferred nor deleted."""
        issue = self.find(number)
        if issue.state in {IssueState.TRANSFERRED, IssueState.DELETED}:
            raise IssueNotFound("It moved, or was deleted (410)", status=410)
        return issue

    def write(self, operation: WriteIssueComment) -> Comment:
        """Make or replace a comment for an operator."""
        if not (self.may_read and self.may_write):
            raise IssuesForbidden("Resource not accessible by integration (403): issues: write", status=403)
        old = None
        if operation.comment is not None:
            old = self.comments.get(operation.comment)
            if old is None:
                raise IssueNotFound("Not Found (404)", status=404)
        if self.find_here(operation.number if old is None else old.issue).is_locked:
            raise IssueLocked("Unable to create comment because issue is locked. (403)", status=403)
        if old is None:
            made = self.comment(operation.number, operation.body, OPERATOR)
            self.written.append(made)
            return made
        self.edits += 1
        changed = replace(old, body=operation.body, updated=self.now())
        self.comments[old.id] = changed
        if changed.issue != operation.number:
            raise Unavailable("it is a comment of another issue", may_have_happened=True)
        return changed


class Carry(Protocol):
    """Carries one request over the network and back."""

    async def __call__(self, verb: Verb, name: str, work: Callable[[], T]) -> T:
        """Return what the work at the forge returns."""


class IssueDesk:
    """What one operator's client can do with issues.

    Parameters
    ----------
    board
        The issues.
    look
        Lets a repository's credential in, or raises.
    carry
        Carries one request.
    """

    def __init__(self, board: Board, look: Callable[[RepositoryRef], object], carry: Carry) -> None:
        self._board = board
        self._look = look
        self._carry_any = carry
        self.doings: dict[type, Callable[[RepositoryRef, Any], Awaitable[Any]]] = {
            GetIssue: self._get,
            GetIssueComment: self._get_comment,
            ListIssueComments: self._list,
            WriteIssueComment: self._write,
        }

    async def _carry(self, verb: Verb, name: str, work: Callable[[], T]) -> T:
        """Carry a request; what the host refuses has the errors of issues, as of the real operations."""
        try:
            return await self._carry_any(verb, name, work)
        except ForgeNotFound as error:
            raise IssueNotFound(error.message, status=error.status) from None
        except CredentialsRefused as error:
            if "not accessible by" not in error.message:
                raise
            raise IssuesForbidden(error.message, status=error.status) from None

    async def _get(self, repo: RepositoryRef, operation: GetIssue) -> IssueFacts:
        def work() -> IssueFacts:
            self._look(repo)
            issue = self._board.find(operation.number)
            return IssueFacts(
                state=issue.state,
                url=issue.url,
                title=issue.title,
                author=issue.author,
                body=issue.body,
                is_locked=issue.is_locked,
                is_pull_request=issue.is_pull_request,
            )

        return await self._carry("get", f"issue {operation.number}", work)

    async def _get_comment(self, repo: RepositoryRef, operation: GetIssueComment) -> CommentFacts | None:
        def work() -> CommentFacts | None:
            self._look(repo)
            self._board.find(operation.number)
            found = self._board.comments.get(operation.comment)
            return None if found is None or found.issue != operation.number else self._facts(found)

        return await self._carry("get", f"comment {operation.comment}", work)

    async def _list(self, repo: RepositoryRef, operation: ListIssueComments) -> CommentPage:
        def work() -> CommentPage:
            self._look(repo)
            self._board.find_here(operation.number)
            found = [
                comment
                for _, comment in sorted(self._board.comments.items())
                if comment.issue == operation.number and comment.updated >= operation.since
            ]
            page = found[_PAGE_SIZE * (operation.page - 1) : _PAGE_SIZE * operation.page]
            marked = tuple(self._facts(comment) for comment in page if operation.marker in comment.body)
            return CommentPage(marked, is_full=len(page) >= _PAGE_SIZE)

        return await self._carry("list", f"comments {operation.number}", work)

    async def _write(self, repo: RepositoryRef, operation: WriteIssueComment) -> CommentFacts:
        def work() -> CommentFacts:
            self._look(repo)
            return self._facts(self._board.write(operation))

        verb: Verb = "create" if operation.comment is None else "patch"
        return await self._carry(verb, f"comment of {operation.number}", work)

    def _facts(self, comment: Comment) -> CommentFacts:
        url = f"{self._board.url}/issues/{comment.issue}#issuecomment-{comment.id}"
        return CommentFacts(comment.id, comment.author, url, comment.body)
