"""How pull requests are merged and what a merge waits for, shared by the core and the forge's client.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Approval", "Check", "CheckState", "Gate", "MergeMethods", "MergeStrategy", "RequiredCheck"]


class CheckState(StrEnum):
    """What a check means for a merge."""

    PENDING = "Pending"
    PASSED = "Passed"
    """Its conclusion is success, neutral or skipped."""

    FAILED = "Failed"


class Approval(StrEnum):
    """Whether a user who may write to a repository has approved a commit of a pull request."""

    GIVEN = "Given"
    MISSING = "Missing"
    """No user's latest review approves it."""

    OUTDATED = "Outdated"
    """What was approved is another commit."""

    NOT_BY_WRITER = "NotByWriter"
    """Those who approve it may not write to the repository."""

    UNREAD = "Unread"
    """It has more reviews, or more users approve it, than are read."""


class MergeStrategy(StrEnum):
    """How a host merges a pull request."""

    MERGE = "Merge"
    SQUASH = "Squash"
    REBASE = "Rebase"


@dataclass(frozen=True, slots=True)
class MergeMethods:
    """How pull requests for a branch may be merged."""

    allowed: frozenset[MergeStrategy]
    has_queue: bool
    """Whether the branch has a merge queue, which merges by its own method."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check run or a commit status, the latest of its name."""

    name: str
    """Cut to 256 characters."""

    app: int | None
    """Number of the App that reports it; None: of a commit status."""

    state: CheckState
    word: str
    """Its conclusion or, before it has one, its state, in the host's words."""

    change_time: datetime | None
    """When it last changed, by the host's clock; None: the host does not say."""


@dataclass(frozen=True, slots=True)
class RequiredCheck:
    """A check that a rule of the repository requires."""

    name: str
    app: int | None
    """Number of the only App that may report it; None: any."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The required checks of a branch, and the checks at a commit."""

    required: tuple[RequiredCheck, ...]
    """Empty also where the host has none, or does not show them."""

    has_queue: bool
    """Whether the branch has a merge queue."""

    checks: tuple[Check, ...]
    unfinished_suites: int
    """Check suites that have runs and are not completed."""

    is_whole: bool
    """Whether these are all checks: a commit can have more than are read."""

    queue_strategy: MergeStrategy | None = None
    """How the merge queue merges; None: there is none, or the host does not say."""
