"""What a plan may ask about a merge, beside what `facts` has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from codecourier.checks import Approval, Gate, MergeMethods
from codecourier.core.shared.facts import Ask, Problem, RepositoryAccess
from codecourier.pull_request import PullRequestState

__all__ = [
    "ApprovalAsk",
    "ApprovalFact",
    "CommitAsk",
    "CommitFact",
    "DependantsAsk",
    "DependantsFact",
    "GateAsk",
    "MergeMethodsAsk",
    "MergePullAsk",
    "MergePullFact",
    "QueueAsk",
    "QueueFact",
    "WorkflowRightAsk",
    "WorkflowRightFact",
]


@dataclass(frozen=True, slots=True)
class MergePullFact:
    """A pull request as one that may be merged."""

    number: int
    url: str
    """Its page."""

    title: str
    state: PullRequestState
    is_draft: bool
    is_fork: bool
    """Whether its branch is in another repository, or in one that is gone."""

    head_branch: str
    head_commit: str
    """Of a merged or closed one: the last head while it was open."""

    base_branch: str
    merge_state: str
    """The host's word for whether it can be merged: clean, unstable, blocked, behind, dirty, draft, unknown."""

    merge_commit: str | None = None
    """Commit on the base branch that has it; None: it is not merged."""

    merge_time: datetime | None = None
    """When it was merged, by the host's clock; None: it is not merged."""

    is_own: bool = False
    """Whether the operator opened it, from a branch of the repository itself."""

    below: tuple[int, ...] = ()
    """Numbers of unmerged pull requests that it is built on: the host would merge them with it, or merge it into the
    branch of one of them."""

    new_base: str | None = None
    """Branch that it has to be given as its base, since the pull request of its present base is merged; None: none."""


@dataclass(frozen=True, slots=True)
class MergePullAsk(Ask[MergePullFact]):
    """Ask for a pull request as it is now."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    number: int
    with_place: bool = False
    """Whether to find out what it is built on, too."""


@dataclass(frozen=True, slots=True)
class ApprovalFact:
    """Whether a user who may write to the repository has approved a commit."""

    approval: Approval


@dataclass(frozen=True, slots=True)
class ApprovalAsk(Ask[ApprovalFact]):
    """Ask whether a user who may write to the repository has approved a commit of a pull request, as of now."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    number: int
    commit: str


@dataclass(frozen=True, slots=True)
class GateAsk(Ask[Gate]):
    """Ask which checks a branch requires, and for all checks at a commit, as they are now."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    branch: str
    commit: str


@dataclass(frozen=True, slots=True)
class QueueFact:
    """Where a pull request is in the merge queue of its base branch."""

    is_open: bool
    is_queued: bool
    position: int | None = None
    """From 1; None: the host does not say, or it is in no queue."""

    exit_id: str | None = None
    """The host's name of its last exit from a queue; None: there was none."""

    exit_reason: str = ""
    """Why that was, in the host's words; empty: it does not say."""


@dataclass(frozen=True, slots=True)
class QueueAsk(Ask[QueueFact]):
    """Ask for the place of a pull request in the merge queue as it is now."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    number: int


@dataclass(frozen=True, slots=True)
class DependantsFact:
    """The open pull requests of the operator that are to be merged into a branch."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DependantsAsk(Ask[DependantsFact]):
    """Ask for the open pull requests of the operator that are to be merged into a branch."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    branch: str
    """Short name."""


@dataclass(frozen=True, slots=True)
class CommitFact:
    """A commit, which never changes."""

    tree: str
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CommitAsk(Ask[CommitFact]):
    """Ask for a commit."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    commit: str


@dataclass(frozen=True, slots=True)
class MergeMethodsAsk(Ask[MergeMethods]):
    """Ask how pull requests for a branch may be merged."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""

    branch: str


@dataclass(frozen=True, slots=True)
class WorkflowRightFact:
    """Whether a credential may change workflow files."""

    may_change: bool | None
    """None: the host does not say."""


@dataclass(frozen=True, slots=True)
class WorkflowRightAsk(Ask[WorkflowRightFact]):
    """Ask whether a credential may change workflow files."""

    repository: RepositoryAccess | Problem
    """A problem prevents every request, and is the answer."""
