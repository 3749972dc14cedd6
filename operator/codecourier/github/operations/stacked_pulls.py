"""Pull requests that are built on each other: what has to be merged before one, and what is based on it.

Two kinds are known: stacks of the host (https://docs.github.com/rest/pulls/stacks, a preview), whose pull requests it
merges together with all below, and pull requests that the operator opened for the branches of each other, which carry
its marker. Branches that people use so are their own affair: they may merge one into the other as they like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from codecourier.github.answers import Field
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeRefused
from codecourier.github.gateway import Request
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["ALONE", "FindDependants", "RetargetPullRequest", "StackPlace", "find_place", "is_own"]

_NO_STACKS = (Refusal(frozenset({404}), ForgeRefused, "the host does not show the stack of the pull request"),)
_TAKEN = (Refusal(frozenset({422}), ForgeRefused, "the host does not give the pull request this base"),)
_MOST_PULLS = 100


@dataclass(frozen=True)
class StackPlace:
    """Where an open pull request is among those that are built on each other."""

    below: tuple[int, ...] = ()
    """Numbers of pull requests that are not merged and have to be before it."""

    new_base: str | None = None
    """Branch that it has to be given as its base, since the pull request of its present base is merged; None: none."""


ALONE = StackPlace()


@dataclass(frozen=True)
class FindDependants(Operation[tuple[int, ...]]):
    """Find the open pull requests of the operator that are to be merged into a branch."""

    branch: str
    """Short name."""

    mark: str
    """What the bodies of the operator's pull requests have."""

    def run(self, session: Session) -> tuple[int, ...]:
        """See `Operation.run`."""
        query = {"state": "open", "base": self.branch, "per_page": _MOST_PULLS}
        found = session.send(Request("GET", f"{session.address.path}/pulls", query=query)).items()
        numbers = (
            pull.at("number").number()
            for pull in found
            if pull.at("base", "ref").data == self.branch and is_own(pull, self.mark)
        )
        return tuple(sorted(numbers))


@dataclass(frozen=True)
class RetargetPullRequest(Operation[None]):
    """Give a pull request another base branch: https://docs.github.com/rest/pulls/pulls#update-a-pull-request."""

    is_write: ClassVar[bool] = True

    number: int
    base: str
    """Short name."""

    def run(self, session: Session) -> None:
        """See `Operation.run`."""
        path = f"{session.address.path}/pulls/{self.number}"
        session.send(Request("PATCH", path, body={"base": self.base}, refusals=_TAKEN))


def find_place(session: Session, pull: Field, mark: str) -> StackPlace:
    """Return the place of a pull request, from what the host says of it and of those around it.

    Parameters
    ----------
    session
        The way to the host.
    pull
        What the host says of it.
    mark
        What the bodies of the operator's pull requests have.

    Raises
    ------
    ForgeRefused
        If the host does not show the stack that it is of.
    """
    if pull.at("state").data != "open":
        return ALONE
    position = pull.at("stack", "position").data
    if isinstance(position, int) and position > 1:
        return StackPlace(below=tuple(_find_below(session, pull)))
    if pull.at("base", "ref").data == pull.at("base", "repo", "default_branch").data or not is_own(pull, mark):
        return ALONE
    return _find_base(session, pull, mark)


def _find_below(session: Session, pull: Field) -> Iterator[int]:
    path = f"{session.address.path}/stacks/{pull.at('stack', 'number').number()}"
    stack = session.send(Request("GET", path, refusals=_NO_STACKS))
    for member in stack.at("pull_requests").items():
        if member.at("number").number() == pull.at("number").number():
            return
        if member.at("merged_at").data is None and member.at("state").data == "open":
            yield member.at("number").number()


def _find_base(session: Session, pull: Field, mark: str) -> StackPlace:
    """Return what became of the pull request whose branch is the base of this one."""
    base = pull.at("base", "ref").text()
    head = f"{session.address.owner}:{base}"
    query = {"head": head, "state": "all", "sort": "created", "direction": "desc", "per_page": _MOST_PULLS}
    listed = session.send(Request("GET", f"{session.address.path}/pulls", query=query)).items()
    found = [other for other in listed if other.at("head", "ref").data == base and is_own(other, mark)]
    merged = next((other for other in found if other.at("merged_at").data is not None), None)
    if any(other.at("state").data == "open" for other in found) or (found and merged is None):
        return StackPlace(below=(found[0].at("number").number(),))
    return ALONE if merged is None else StackPlace(new_base=merged.at("base", "ref").text())


def is_own(pull: Field, mark: str) -> bool:
    """Return whether the operator opened a pull request, from a branch of the repository itself."""
    source = pull.at("head", "repo", "id").data
    is_own = source is not None and source == pull.at("base", "repo", "id").data
    return is_own and mark in str(pull.at("body").data or "")
