"""Look a repository up."""

from __future__ import annotations

from dataclasses import dataclass, field

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

    etag: str = field(default="", compare=False)
    """Names this answer, for a request that asks only for news; empty if the forge gives no name."""


@dataclass(frozen=True)
class GetRepository(Operation[RepositoryFacts]):
    """Look the repository up. No refusal means anything special."""

    known: RepositoryFacts | None = None
    """An earlier answer: that it still holds costs nothing of GitHub's rate limit."""

    def run(self, session: Session) -> RepositoryFacts:
        """See `Operation.run`."""
        etag = self.known.etag if self.known is not None else ""
        place = session.send(Request("GET", session.address.path, etag=etag))
        if place.is_unchanged and self.known is not None:
            return self.known
        facts = _read(place)
        clone = split_address(facts.clone_url)
        # A token for the one host must not be taken to another.
        if clone is None or clone[0] != session.address.host:
            raise ForgeRefused(
                f"{place.what}: the forge names a clone address on another host, {facts.clone_url}; "
                "give the repository's address at that host, or have the forge's own name corrected"
            )
        return facts


def _read(place: Field) -> RepositoryFacts:
    return RepositoryFacts(
        id=place.at("id").number(),
        default_branch=place.at("default_branch").branch(),
        clone_url=place.at("clone_url").text(),
        etag=place.etag,
    )
