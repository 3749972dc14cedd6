"""What the forge says of a pull request, in the answers of several operations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from codecourier.github.address import RepositoryAddress
from codecourier.github.answers import Field
from codecourier.github.operations.issue import read_page
from codecourier.pull_request import PullRequestState

__all__ = ["PullRequestFacts", "read_pull_request"]


@dataclass(frozen=True)
class PullRequestFacts:
    """What the forge says of a pull request."""

    number: int
    url: str
    """Its page, for people."""

    state: PullRequestState
    is_draft: bool
    head_branch: str
    """Short name."""

    head_sha: str
    """The last commit that the forge saw on the head branch while the pull request was open."""

    base_branch: str
    """Short name."""

    has_marker: bool
    """Whether it is ours: its body carries the marker that was asked for, or this operation opened it."""

    title: str
    created_at: datetime


def read_pull_request(field: Field, address: RepositoryAddress, *, has_marker: bool) -> PullRequestFacts:
    """Read a pull request.

    Parameters
    ----------
    field
        Where it is in the answer.
    address
        The repository, at whose host its page must be.
    has_marker
        Whether it is ours.
    """
    state = PullRequestState.OPEN
    if field.at("merged_at").data is not None:
        state = PullRequestState.MERGED
    elif field.at("state").text() != "open":
        state = PullRequestState.CLOSED
    return PullRequestFacts(
        number=field.at("number").number(),
        url=read_page(field.at("html_url"), address),
        state=state,
        is_draft=field.at("draft").data is True,
        head_branch=field.at("head", "ref").text(),
        head_sha=field.at("head", "sha").commit(),
        base_branch=field.at("base", "ref").text(),
        has_marker=has_marker,
        title=field.at("title").text(),
        created_at=field.at("created_at").time(),
    )
