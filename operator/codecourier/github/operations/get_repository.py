"""Look a repository up."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.address import split_address
from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.session import Session

__all__ = ["GetRepository", "RepositoryFacts"]


@dataclass(frozen=True)
class RepositoryFacts:
    """What the forge says of a repository."""

    id: int
    """Number of the repository; it survives renames."""

    default_branch: str
    """Short name."""

    clone_url: str
    """Where git clones it from, over https and without credentials; at the host that was asked."""


@dataclass(frozen=True)
class GetRepository(Operation[RepositoryFacts]):
    """Look the repository up. No refusal means anything special."""

    def run(self, session: Session) -> RepositoryFacts:
        """See `Operation.run`."""
        field = session.send(Request("GET", session.address.path))
        facts = _read(field)
        clone = split_address(facts.clone_url)
        # A token for the one host must not be taken to another.
        if clone is None or clone[0] != session.address.host:
            raise ForgeRefused(
                f"{field.what}: the forge names a clone address on another host, {facts.clone_url}; "
                "give the repository's address at that host, or have the forge's own name corrected"
            )
        return facts


def _read(field: Field) -> RepositoryFacts:
    return RepositoryFacts(
        id=field.at("id").number(),
        default_branch=field.at("default_branch").branch(),
        clone_url=field.at("clone_url").text(),
    )
