"""Look a commit up."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.api import Operation
from codecourier.github.gateway import Request
from codecourier.github.needs import Need
from codecourier.github.session import Session

__all__ = ["CommitFacts", "GetCommit"]

_READ = Need((("contents", "read"),))


@dataclass(frozen=True)
class CommitFacts:
    """A commit, which never changes."""

    tree: str
    parents: tuple[str, ...]


@dataclass(frozen=True)
class GetCommit(Operation[CommitFacts]):
    """Look a commit up: https://docs.github.com/rest/git/commits#get-a-commit-object."""

    commit: str

    def run(self, session: Session) -> CommitFacts:
        """See `Operation.run`."""
        place = session.send(Request("GET", f"{session.address.path}/git/commits/{self.commit}", need=_READ))
        parents = tuple(parent.at("sha").commit() for parent in place.at("parents").items())
        return CommitFacts(place.at("tree", "sha").commit(), parents)
