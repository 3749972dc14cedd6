"""Look a pull request up as one that may be merged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from codecourier.github.answers import unreadable
from codecourier.github.api import Operation
from codecourier.github.errors import ForgeError
from codecourier.github.gateway import Request
from codecourier.github.operations.pull_request import PullRequestFacts, read_pull_request
from codecourier.github.operations.stacked_pulls import ALONE, StackPlace, find_place, is_own
from codecourier.github.refusals import Refusal
from codecourier.github.session import Session

__all__ = ["PULL_REQUEST_REFUSALS", "GetPullRequest", "MergeablePull", "PullRequestNotFound"]


class PullRequestNotFound(ForgeError):
    """The repository has no pull request of this number."""


PULL_REQUEST_REFUSALS = (Refusal(frozenset({404}), PullRequestNotFound, "there is no such pull request"),)
"""What refusals of requests about a pull request mean."""


@dataclass(frozen=True)
class MergeablePull:
    """What the forge says of a pull request and of its merge."""

    pull: PullRequestFacts
    is_fork: bool
    """Whether its branch is in another repository, or in one that is gone."""

    merge_state: str
    """GitHub's word: clean, unstable, blocked, behind, dirty, draft, has_hooks, or unknown while it is computed."""

    merge_commit: str | None
    """Commit on the base branch that has it; None: it is not merged."""

    merge_time: datetime | None
    """When it was merged; None: it is not merged."""

    is_own: bool = False
    """Whether the operator opened it, from a branch of the repository itself."""

    place: StackPlace = ALONE
    """Where it is among pull requests that are built on each other, where that was asked."""


@dataclass(frozen=True)
class GetPullRequest(Operation[MergeablePull]):
    """Look a pull request up: https://docs.github.com/rest/pulls/pulls#get-a-pull-request."""

    number: int
    mark: str
    """What the bodies of the operator's pull requests have."""

    with_place: bool = False
    """Whether to find out where it is among pull requests that are built on each other: up to two requests more."""

    def run(self, session: Session) -> MergeablePull:
        """See `Operation.run`.

        Raises
        ------
        PullRequestNotFound
            If there is none of this number.
        """
        place = session.send(
            Request("GET", f"{session.address.path}/pulls/{self.number}", refusals=PULL_REQUEST_REFUSALS)
        )
        if place.at("number").number() != self.number:
            raise unreadable(place.what, "it is another pull request")
        # A merge works on this branch, and its status names it.
        place.at("base", "ref").branch()
        is_merged = place.at("merged_at").data is not None
        source = place.at("head", "repo", "id").data
        return MergeablePull(
            pull=read_pull_request(place, session.address, has_marker=False),
            is_fork=source is None or source != place.at("base", "repo", "id").data,
            merge_state=str(place.at("mergeable_state").data or "unknown")[:64],
            # Of an open pull request the field names a merge that GitHub only tried.
            merge_commit=place.at("merge_commit_sha").commit() if is_merged else None,
            merge_time=place.at("merged_at").time() if is_merged else None,
            is_own=is_own(place, self.mark),
            place=find_place(session, place, self.mark) if self.with_place else ALONE,
        )
