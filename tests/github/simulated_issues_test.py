"""The simulation's forge answers about issues as the real client does in front of the local forge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from codecourier.github.api import Operation
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.errors import ForgeError
from codecourier.github.operations.get_issue import GetIssue, IssueFacts
from codecourier.github.operations.get_issue_comment import GetIssueComment
from codecourier.github.operations.issue import CommentFacts
from codecourier.github.operations.list_issue_comments import CommentPage, ListIssueComments
from codecourier.github.operations.write_issue_comment import WriteIssueComment
from codecourier.github.secret import Secret
from codecourier.issue import IssueState
from tests.github.conftest import Place
from tests.simulation.forge import CANARY, URL, ForgeClient, ForgeServer
from tests.simulation.network import Network

pytestmark = pytest.mark.forge

MARK = "<!-- codecourier session=0a1b -->"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Side(ABC):
    """A forge with an issue, what people do with it, and what the operator asks."""

    number: int

    @abstractmethod
    async def do(self, operation: Operation[Any]) -> Any:
        """Carry out an operation."""

    @abstractmethod
    def comment(self, body: str, *, on_another: bool = False) -> int:
        """Write a comment, as people do."""

    @abstractmethod
    def deed(self, name: str) -> None:
        """Do something with the issue, as people do."""


class Real(Side):
    def __init__(self, forge: GitHubForge, place: Place) -> None:
        self._forge, self._place, self._control = forge, place, place.control
        self._account = place.name.partition("/")[0]
        token = place.control.create_token("alice", [place.name], {"issues": "write"})
        self._repo = place.by_token(token)
        self._control.create_repository(f"{self._account}/other", {"a": "a"}, private=False)
        self.number = self._control.create_issue(place.name, title="Title", body="Text")

    async def do(self, operation: Operation[Any]) -> Any:
        return await self._forge.do(self._repo, operation)

    def comment(self, body: str, *, on_another: bool = False) -> int:
        number = self._control.create_issue(self._place.name) if on_another else self.number
        return self._control.comment_issue(self._place.name, number, body)

    def deed(self, name: str) -> None:
        where = (self._place.name, self.number)
        deeds: dict[str, Callable[[], object]] = {
            "close": lambda: self._control.change_issue(*where, state="closed"),
            "reopen": lambda: self._control.change_issue(*where, state="open"),
            "lock": lambda: self._control.change_issue(*where, locked=True),
            "unlock": lambda: self._control.change_issue(*where, locked=False),
            "delete": lambda: self._control.delete_issue(*where),
            "transfer": lambda: self._control.transfer_issue(*where, f"{self._account}/other"),
            "disable": lambda: self._control.set_issues(self._place.name, enabled=False),
            "forbid": self._forbid,
        }
        deeds[name]()

    def _forbid(self) -> None:
        self._repo = self._place.by_token(self._place.personal(contents="write"))


class Simulated(Side):
    def __init__(self) -> None:
        token = f"{CANARY}personal"
        self._server = ForgeServer(lambda: datetime.now(UTC), token)
        self._board = self._server.board
        self._client = ForgeClient(self._server, "operator", Network(Random(1), 0.0))
        self._repo = RepositoryRef(URL, PersonalToken(Secret(token)))
        self.number = self._board.create("Title", "Text").number

    async def do(self, operation: Operation[Any]) -> Any:
        return await self._client.do(self._repo, operation)

    def comment(self, body: str, *, on_another: bool = False) -> int:
        number = self._board.create().number if on_another else self.number
        return self._board.comment(number, body).id

    def deed(self, name: str) -> None:
        deeds: dict[str, Callable[[], object]] = {
            "close": lambda: self._board.close(self.number),
            "reopen": lambda: self._board.reopen(self.number),
            "lock": lambda: self._board.lock(self.number),
            "unlock": lambda: self._board.lock(self.number, is_locked=False),
            "delete": lambda: self._board.delete(self.number),
            "transfer": lambda: self._board.transfer(self.number, f"{URL}-other/issues/1"),
            "disable": lambda: setattr(self._board, "has_issues", False),
            "forbid": lambda: setattr(self._board, "may_read", False),
        }
        deeds[name]()


def view(found: object) -> object:
    """Return what must be equal of an outcome: no addresses and numbers."""
    match found:
        case IssueFacts():
            is_there = found.state in {IssueState.OPEN, IssueState.CLOSED}
            texts = (found.title, found.author, found.body, found.is_locked, found.is_pull_request)
            return found.state, found.url is not None, texts if is_there else None
        case CommentFacts():
            return found.body, found.url.partition("#")[2] == f"issuecomment-{found.id}"
        case CommentPage():
            return [comment.body for comment in found.marked], found.is_full
    return found


async def ask(side: Side, operation: Operation[Any]) -> object:
    try:
        return view(await side.do(operation))
    except ForgeError as error:
        return type(error).__name__


async def ask_all(side: Side, comments: tuple[int, ...]) -> list[object]:
    """Ask for the issue and for comments in all ways, and write."""
    asked: list[Operation[Any]] = [GetIssue(side.number), ListIssueComments(side.number, MARK, LONG_AGO)]
    asked += [GetIssueComment(side.number, comment) for comment in (*comments, 987_654)]
    asked += [WriteIssueComment(side.number, f"{MARK} {comment is None}", comment) for comment in (None, comments[0])]
    asked += [WriteIssueComment(side.number, MARK, comment) for comment in (comments[1], 987_654)]
    asked += [ListIssueComments(side.number, MARK, LONG_AGO), GetIssue(987_654)]
    return [await ask(side, operation) for operation in asked]


@pytest.mark.parametrize(
    "deeds",
    [
        [],
        ["close"],
        ["close", "reopen"],
        ["lock"],
        ["lock", "unlock"],
        ["delete"],
        ["transfer"],
        ["disable"],
        ["forbid"],
    ],
)
async def test_both_answer_alike(forge: GitHubForge, place: Place, deeds: list[str]) -> None:
    outcomes: list[list[object]] = []
    for side in (Real(forge, place), Simulated()):
        comments = (side.comment(f"{MARK} mine"), side.comment("theirs", on_another=True), side.comment("theirs"))
        for deed in deeds:
            side.deed(deed)
        outcomes.append(await ask_all(side, comments))
    assert outcomes[0] == outcomes[1]
