"""What a plan follows outside of the cluster: it asks once, and is planned again whenever the answer has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from codecourier.core.shared.facts import Ask, RepositoryAccess
from codecourier.pull_request import PullRequestState

__all__ = ["CheckFact", "Follow", "PullRequestLifeAsk", "PullRequestLifeFact"]


@dataclass(frozen=True, slots=True)
class CheckFact:
    """A check of the commit at the head of a pull request, in the words of its host."""

    name: str
    status: str
    """Such as `QUEUED` or `COMPLETED`."""

    conclusion: str | None
    """Such as `SUCCESS`; None before it is completed."""

    is_required: bool = False
    """Whether the pull request cannot be merged without it."""


@dataclass(frozen=True, slots=True)
class PullRequestLifeFact:
    """What a pull request was when its host was asked. Two are equal if the pull request has not changed in between."""

    state: PullRequestState
    is_draft: bool
    title: str
    base_branch: str
    head_commit: str
    seen_time: datetime = field(compare=False)
    """When the look began: whatever changed before is in the fact."""

    merge_time: datetime | None = None
    """When it was merged; None: it is not."""

    merge_commit: str | None = None
    """The commit of the base branch that has it; None: it is not merged, or the host does not say."""

    close_time: datetime | None = None
    """When it was merged or closed; None: it is open."""

    checks: tuple[CheckFact, ...] | None = None
    """Those that the host named, in no particular order; None: the credential may not read them."""

    rollup: str | None = None
    """The host's own word for all checks together, such as `FAILURE`; None: it has none."""

    has_more_checks: bool = False
    """Whether there are more checks than are named."""


@dataclass(frozen=True, slots=True)
class PullRequestLifeAsk(Ask[PullRequestLifeFact]):
    """Ask what became of a pull request."""

    repository: RepositoryAccess
    number: int
    head_branch: str
    """A pull request of this number with another head branch is none of ours."""


@dataclass(frozen=True, slots=True)
class Follow:
    """What is followed."""

    ask: PullRequestLifeAsk
    since: datetime
    """When something of it changed last, as far as is known: what changed lately is looked at more often."""
