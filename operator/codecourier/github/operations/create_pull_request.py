"""Open a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.operations.pull_request import PullRequestFacts, read_pull_request
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["CreatePullRequest", "PullRequestExists", "PullRequestRefused"]


class PullRequestExists(ForgeError):
    """There is an open pull request for the two branches. It is ours only if it has our marker."""


class PullRequestRefused(ForgeRefused):
    """The forge will not have this pull request: a branch is gone, there is nothing to merge, or a rule forbids it."""


_REFUSALS = (
    Refusal(frozenset({422}), PullRequestExists, "there is one for the two branches", words="already exists"),
    Refusal(frozenset({422}), PullRequestRefused, "the forge refused the pull request"),
)


@dataclass(frozen=True)
class CreatePullRequest(Operation[PullRequestFacts]):
    """Open a pull request, both of whose branches are in the repository."""

    is_write: ClassVar[bool] = True

    title: str
    body: str
    """Carries the marker, by which it is found again when the answer is lost."""

    head: str
    """Short name of the branch with the changes."""

    base: str
    """Short name of the branch to merge into."""

    is_draft: bool = False

    def run(self, session: Session) -> PullRequestFacts:
        """See `Operation.run`."""
        body = {
            "title": self.title,
            "body": self.body,
            "head": self.head,
            "base": self.base,
            "draft": self.is_draft,
        }
        field = session.send(Request("POST", f"{session.address.path}/pulls", body=body, refusals=_REFUSALS))
        return read_pull_request(field, session.address, has_marker=True)
