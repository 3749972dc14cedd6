"""Close a pull request without a merge, at one head only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.api import Operation
from codecourier.github.errors import ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.operations.get_pull_request import PullRequestNotFound
from codecourier.github.operations.pull_request import read_pull_request
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session
from codecourier.pull_request import PullRequestState

__all__ = ["ClosePullRequest"]

_CLOSE = Need((("pull_requests", "write"),))
_UNSEEN = (Refusal(frozenset({404}), PullRequestNotFound, "there is no such pull request"),)
_REFUSALS = (Refusal(frozenset({422}), ForgeRefused, "the pull request was not closed"),)


@dataclass(frozen=True)
class ClosePullRequest(Operation[None]):
    """Close a pull request: https://docs.github.com/rest/pulls/pulls#update-a-pull-request.

    It is looked at first, because the host cannot be told the head. One at another head, or that is not open, is left
    as it is, without an error. What became of it is seen at the pull request.
    """

    is_write: ClassVar[bool] = True

    number: int
    head: str
    """The only head at which it is closed."""

    def run(self, session: Session) -> None:
        """See `Operation.run`.

        Raises
        ------
        PullRequestNotFound
            If there is none of this number.
        """
        path = f"{session.address.path}/pulls/{self.number}"
        found = read_pull_request(
            session.send(Request("GET", path, refusals=_UNSEEN)), session.address, has_marker=False
        )
        if found.state is not PullRequestState.OPEN or found.head_sha != self.head:
            return
        session.send(Request("PATCH", path, body={"state": "closed"}, need=_CLOSE, refusals=_REFUSALS))
