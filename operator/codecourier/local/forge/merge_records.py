"""The forge's stored records about merges: rulesets, merges in the background, reviews."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from codecourier.local.forge.records import Record, Time

__all__ = [
    "Collaborator",
    "MergeMethod",
    "MergeOrder",
    "MergeRequest",
    "QueueEntry",
    "QueueExit",
    "RequiredCheck",
    "Review",
    "ReviewComment",
    "RuleSet",
    "Stack",
]

MergeMethod = Literal["merge", "squash", "rebase"]


class RequiredCheck(BaseModel):
    """A check that must succeed before a merge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context: str
    """Context of a status or name of a check run."""

    integration_id: int | None = None
    """The App that must have made the check run; None for anybody."""


class RuleSet(Record):
    """The rules of a ruleset for a branch; all rulesets of a branch and its protection hold together."""

    kind: ClassVar[str] = "rule_set"
    branch: str
    required_checks: tuple[RequiredCheck, ...] = ()
    strict: bool = False
    """Whether a head must contain the base's tip before a merge."""

    linear_history: bool = False
    required_approvals: int = Field(default=0, ge=0, le=10)
    merge_methods: tuple[MergeMethod, ...] = ("merge", "squash", "rebase")
    """The methods that pull requests may be merged with."""

    merge_queue: MergeMethod | None = None
    """The method of the branch's merge queue; None for no queue."""


class MergeOrder(BaseModel):
    """How a pull request is to be merged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: MergeMethod = "merge"
    expected_sha: str | None = None
    """The head that must not have changed; None takes any head."""

    title: str | None = None
    """First line of the commit's message; None for GitHub's own."""

    message: str | None = None
    """Rest of the commit's message; None for GitHub's own."""

    login: str
    """Who merges."""

    may_change_workflows: bool
    """Whether the merge may bring changes of workflow files."""


class MergeRequest(Record):
    """A merge in the background."""

    kind: ClassVar[str] = "merge_request"
    uuid: str
    number: int
    """The pull request."""

    order: MergeOrder
    action: Literal["default", "direct_merge", "merge_queue"]
    polls_left: int
    """How often its result is still answered as pending before it runs."""

    status: Literal["pending", "merged", "enqueued", "failed"] = "pending"
    message: str
    """What the answer says."""

    sha: str | None = None
    """The commit that was made; None unless merged."""

    updated_at: Time


class QueueEntry(Record):
    """A pull request in the merge queue of its base branch; entries are merged in the order of their ids."""

    kind: ClassVar[str] = "queue_entry"
    number: int
    """The pull request."""

    branch: str
    """The branch whose queue it is."""

    order: MergeOrder
    state: Literal["QUEUED", "AWAITING_CHECKS", "MERGEABLE"] = "QUEUED"
    base_sha: str = ""
    """What it was merged onto: the branch's tip or the commit of the entry ahead; empty while queued."""

    sha: str = ""
    """The commit that is checked and then becomes the branch's tip; empty while queued."""

    enqueued_at: Time


class Stack(Record):
    """Pull requests that are built on each other."""

    kind: ClassVar[str] = "stack"
    number: int
    """Its number within the repository."""

    base_ref: str
    """Branch that the lowest one is merged into."""

    pulls: tuple[int, ...]
    """Numbers of the pull requests, bottom first."""

    created_at: Time


class QueueExit(Record):
    """That a pull request left a merge queue without being merged by it."""

    kind: ClassVar[str] = "queue_exit"
    number: int
    """The pull request."""

    reason: str
    """Why, in the words of GitHub's pages."""

    left_at: Time


class Review(Record):
    """A review of a pull request; the newest of a user that is more than a comment counts."""

    kind: ClassVar[str] = "review"
    number: int
    """The pull request."""

    login: str
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]
    body: str
    sha: str
    """The head that was reviewed."""

    submitted_at: Time


class ReviewComment(Record):
    """A comment on a line of a pull request's diff."""

    kind: ClassVar[str] = "review_comment"
    number: int
    """The pull request."""

    review_id: int
    login: str
    path: str
    line: int
    body: str
    sha: str
    """The head that was reviewed."""

    created_at: Time


class Collaborator(Record):
    """What a user may do in a repository."""

    kind: ClassVar[str] = "collaborator"
    login: str
    permission: Literal["admin", "write", "read", "none"]
