"""The merging of pull requests by a Run: what is merged, and what became of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from codecourier.merging import (
    MERGE_PATH_MAX_LENGTH,
    MERGE_PATHS_MAX_COUNT,
    MERGE_SOURCES_MAX_COUNT,
    PULL_REQUEST_MAX_NUMBER,
    MergeState,
)
from codecourier.resources.meta import CommitSha, Model, ReasonWord

__all__ = ["Merge", "MergeResult", "MergeSource", "MergedSource", "PullRequestNumber"]

PullRequestNumber = Annotated[int, Field(ge=1, le=PULL_REQUEST_MAX_NUMBER)]
"""Number of a pull request in its repository."""


class MergeSource(Model):
    """A pull request of the Run's repository that is to be merged."""

    number: PullRequestNumber
    """Number of the pull request."""

    head_commit: CommitSha
    """The commit that is merged, also if the head of the pull request has moved since."""


class Merge(Model):
    """Pull requests that a Run merges onto its base commit, in this order.

    The Run goes on until one conflicts; its progress is in a private ref of the repository.
    """

    sources: Annotated[tuple[MergeSource, ...], Field(min_length=1, max_length=MERGE_SOURCES_MAX_COUNT)]
    """The pull requests, 1 to 50."""

    resolves: bool = False
    """Whether a conflict goes to the agent; if not, it is reported."""

    may_change_workflows: bool | None = None
    """Whether the repository's credential may change files below `.github/workflows`; if not, a pull request that does
    is left out. Absent: not known, and the host decides when the merges are pushed."""


class MergedSource(Model):
    """What became of one pull request."""

    number: PullRequestNumber
    """Number of the pull request."""

    state: MergeState
    """Clean: merged by git alone; Resolved: the agent resolved every conflict; Conflict: not merged; Empty: it would
    change no file, so it was left out; Contained: what was merged before holds it already; Missing: the repository does
    not have its head commit any more; Forbidden: it changes workflow files, which the repository's credential may
    not."""

    commit: CommitSha | None = None
    """The merge commit; absent where there is none, or where the log of the Sandbox is lost."""

    paths: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=MERGE_PATH_MAX_LENGTH)], ...],
        Field(max_length=MERGE_PATHS_MAX_COUNT),
    ] = ()
    """The first conflicted paths, up to 20, each cut to 200 characters."""

    path_count: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of all conflicted paths; 0 where the log of the Sandbox is lost."""

    reason: ReasonWord | None = None
    """Why it was not merged; absent where it was."""


class MergeResult(Model):
    """What a Run has merged."""

    sources: Annotated[tuple[MergedSource, ...], Field(max_length=MERGE_SOURCES_MAX_COUNT)] = ()
    """The pull requests that were handled, in the order of `spec.merge.sources` and without a gap; those after
    them were not looked at."""

    tip: CommitSha | None = None
    """The commit to continue from: the pushed one, or the base commit where nothing was merged; absent where the Run
    failed, as nothing of its merges counts then."""

    tree: CommitSha | None = None
    """Tree of that commit, which the verify steps have passed."""
