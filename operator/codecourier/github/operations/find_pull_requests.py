"""Find the pull requests of a branch."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.gateway import Request
from codecourier.github.operations.pull_request import PullRequestFacts, read_pull_request
from codecourier.github.session import Session

__all__ = ["FindPullRequests"]


@dataclass(frozen=True)
class FindPullRequests(Operation[list[PullRequestFacts]]):
    """Find the pull requests from a branch of the repository, in every state, newest first, at most 100.

    No refusal means anything special.
    """

    head_branch: str
    """Short name."""

    marker: str
    """What `PullRequestFacts.has_marker` is about."""

    def __post_init__(self) -> None:
        if not self.marker:
            raise ValueError("an empty marker is in the body of every pull request")

    def run(self, session: Session) -> list[PullRequestFacts]:
        """See `Operation.run`."""
        query = {
            "head": f"{session.address.owner}:{self.head_branch}",
            "state": "all",
            "sort": "created",
            "direction": "desc",
            "per_page": 100,
        }
        field = session.send(Request("GET", f"{session.address.path}/pulls", query=query))
        return [
            read_pull_request(item, session.address, has_marker=self.marker in str(item.at("body").data or ""))
            for item in field.items()
            if _is_from(item, self.head_branch)
        ]


def _is_from(pull: Field, branch: str) -> bool:
    """Return whether a pull request comes from a branch of the repository itself.

    The request asks for no others, but a fork of the same owner has branches of the same names, and a forge that does
    not understand a filter ignores it and answers with everything.
    """
    source = pull.at("head", "repo", "id").data
    return pull.at("head", "ref").data == branch and source is not None and source == pull.at("base", "repo", "id").data
