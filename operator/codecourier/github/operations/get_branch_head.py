"""Look up where a branch is."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.github.address import quote_branch
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError, ForgeNotFound
from codecourier.github.gateway import Request
from codecourier.github.operations.get_repository import GetRepository
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["GetBranchHead"]


class _RepositoryEmpty(ForgeError):
    """The repository has no commit yet, and so no branch."""


_REFUSALS = (Refusal(frozenset({409}), _RepositoryEmpty, "the repository has no commit"),)


@dataclass(frozen=True)
class GetBranchHead(Operation[str | None]):
    """Return the commit at the tip of a branch; None if the repository has no such branch."""

    branch: str
    """Short name."""

    def run(self, session: Session) -> str | None:
        """See `Operation.run`."""
        path = f"{session.address.path}/git/ref/heads/{quote_branch(self.branch)}"
        try:
            return session.send(Request("GET", path, refusals=_REFUSALS)).at("object", "sha").commit()
        except _RepositoryEmpty:
            return None
        except ForgeNotFound:
            # The answer is the same for a repository that is gone; that one must not look like a missing branch.
            GetRepository().run(session)
            return None
