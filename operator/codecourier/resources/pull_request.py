"""The pull request of a Run, as its status holds it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from codecourier.pull_request import PullRequestState
from codecourier.resources.meta import BranchName, CommitSha, Message, Model, Time

__all__ = ["TITLE_LENGTH", "Check", "Checks", "ChecksStatus", "PullRequest", "PullRequestPhase"]


TITLE_LENGTH = 256
"""Longest title of a pull request that a status holds, in characters."""


class PullRequestPhase(StrEnum):
    """State of the pull request of a Run."""

    CREATING = "Creating"
    CREATED = "Created"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    MERGED = "Merged"
    BLOCKED_ON_CI = "BlockedOnCI"

    @property
    def exists(self) -> bool:
        """Whether the host has the pull request, open or not."""
        return self in {PullRequestPhase.CREATED, PullRequestPhase.MERGED, PullRequestPhase.BLOCKED_ON_CI}


class ChecksStatus(StrEnum):
    """What the checks of a pull request say together."""

    NONE = "None"
    PENDING = "Pending"
    PASSED = "Passed"
    FAILED = "Failed"


CheckWord = Annotated[str, Field(max_length=32, pattern=r"^[A-Z][A-Za-z]*$")]
"""A PascalCase word of a repository's host, up to 32 characters."""


class Check(Model):
    """One check of the commit at the head of a pull request."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """Its name, 1 to 128 characters."""

    status: CheckWord
    """How far it is, in the words of its host: Queued, InProgress, Completed or another one."""

    conclusion: CheckWord | None = None
    """How it ended, in the words of its host, such as Success or Failure; absent before it has ended."""

    is_required: bool = False
    """Whether the pull request cannot be merged without it."""


class Checks(Model):
    """The checks of a pull request."""

    status: ChecksStatus = ChecksStatus.NONE
    """None: there are none. Pending, Passed or Failed: the required ones, or all where none is required."""

    check_time: Time
    """When the operator last saw a change of them."""

    items: Annotated[tuple[Check, ...], Field(max_length=50)] = ()
    """The checks, up to 50: failed ones first, then pending ones."""


class PullRequest(Model):
    """The pull request of a Run."""

    phase: PullRequestPhase
    """Creating until it exists; Created; Failed when the host refused it; Skipped when the Run changed nothing; Merged;
    BlockedOnCI while a required check, or any where none is required, has failed."""

    state: PullRequestState | None = None
    """Whether it was open when the operator last saw it; absent before it exists. The operator looks at an open one
    from time to time, and at a closed one for another day."""

    number: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Its number in the repository; absent before it exists."""

    url: Annotated[str, Field(max_length=1024)] | None = None
    """Its web address; absent before it exists."""

    is_draft: bool = False
    """Whether it is a draft, as which one for failed work is opened."""

    title: Annotated[str, Field(max_length=TITLE_LENGTH)] | None = None
    """Its title, cut to 256 characters; absent before it exists."""

    base_branch: BranchName | None = None
    """The branch that it is to be merged into; absent before it exists."""

    head_commit: CommitSha | None = None
    """The commit at its head; absent before it exists."""

    checks: Checks | None = None
    """The checks of that commit; absent before the operator has seen any."""

    merge_time: Time | None = None
    """When it was merged; absent otherwise."""

    merge_commit: CommitSha | None = None
    """The commit of the base branch that has its changes; absent where it is not merged, or the host does not say."""

    close_time: Time | None = None
    """When it was merged or closed; absent while it is open."""

    observed_time: Time | None = None
    """When the operator last saw a change of it; absent before the first."""

    message: Message | None = None
    """Why the host refused it or why it still waits; absent otherwise."""

    waiting_since: Time | None = None
    """Since when the host neither opens nor refuses it; absent where it never waited."""
