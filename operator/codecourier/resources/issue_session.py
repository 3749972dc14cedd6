"""IssueSession: work on one issue of a repository."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.issue import IssueState
from codecourier.resources.meta import (
    BranchName,
    CommitSha,
    CustomResource,
    Immutable,
    IssueUrl,
    KindInfo,
    ListMap,
    ListSet,
    LocalReference,
    Message,
    Model,
    ObjectName,
    PrinterColumn,
    Prompt,
    ReasonWord,
    Status,
    Time,
    Uid,
)
from codecourier.resources.run import PullRequestPhase, RunPhase

__all__ = [
    "INSTRUCTION_MAX_LENGTH",
    "MOST_RUNS",
    "IssueSession",
    "IssueSessionPhase",
    "IssueSessionSpec",
    "IssueSessionStatus",
    "SessionComment",
    "SessionIssue",
    "SessionRun",
]

MOST_RUNS = 20
"""Most Runs that a session can be allowed to make."""

MOST_COMMENTS = 10
"""Most comments of an issue that agents read."""

INSTRUCTION_MAX_LENGTH = 4096
"""Longest instruction of a follow-up in characters."""

CommentId = Annotated[int, Field(ge=1, le=2**53)]
"""Number of a comment at its host: that at the end of its address, as in `#issuecomment-1234`."""


class IssueSessionSpec(Model):
    """Which issue is worked on, and how. All but the issue can be changed; a change counts from the next Run on."""

    issue_url: Annotated[IssueUrl, Immutable()]
    """Address of the issue, such as `https://github.com/example/shop/issues/12`. Its repository must be one of the
    Project's."""

    workflow_ref: LocalReference
    """Workflow of this namespace that each Run uses, as it is when the Run starts."""

    prompt: Prompt | None = None
    """The task for the agent of the first Run; absent: to fix what the issue describes. Agents get the issue before it,
    as a quotation."""

    comment_ids: Annotated[tuple[CommentId, ...], Field(max_length=MOST_COMMENTS), ListSet()] = ()
    """Comments of the issue that agents read too, up to 10: the numbers at the end of their addresses. Others are
    left out, as any user of the host may have written them."""

    base_branch: BranchName | None = None
    """Branch that the Runs start from; absent: the repository's default branch."""

    max_runs: Annotated[int, Field(ge=1, le=MOST_RUNS)] = 5
    """How many Runs the session may make, 1 to 20, follow-ups included."""


class IssueSessionPhase(StrEnum):
    """Where a session is; the last three say how its last Run ended, or why there was none."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to do until a user asks for a follow-up."""
        return self not in {IssueSessionPhase.PENDING, IssueSessionPhase.RUNNING}


class SessionIssue(Model):
    """The issue as its host showed it last."""

    state: IssueState
    """Open; Closed; Transferred: it belongs to another repository now; Deleted."""

    title: Annotated[str, Field(max_length=256)] = ""
    """Its title, up to 256 characters, without what cannot be seen."""

    is_locked: bool = False
    """Whether only members of the repository can comment on it."""

    url: Annotated[str, Field(max_length=1024)] | None = None
    """Its page, where that is not at `spec.issueUrl` any more; absent otherwise, and where it is not known."""


class SessionRun(Model):
    """A Run of the session, in the ledger before it is made."""

    index: Annotated[int, Field(ge=0, le=MOST_RUNS - 1)]
    """Which Run it is, from 0."""

    run: ObjectName
    """Name of the Run."""

    phase: RunPhase = RunPhase.RUNNING
    """Running until the Run is finished; then Completed, Failed or Cancelled."""

    claim_time: Time
    """When it was decided to make it."""

    instruction: Annotated[str, Field(max_length=INSTRUCTION_MAX_LENGTH)] | None = None
    """What a user asked for in a follow-up; absent in the first Run, and once the Run is finished."""

    base_commit: CommitSha | None = None
    """Commit that the Run starts from, if it builds on an earlier one; absent: the head of the base branch."""

    pull_request_base: BranchName | None = None
    """Branch of the earlier Run that it builds on, whose pull request is open; absent: it builds on none."""

    uid: Uid | None = None
    """UID of the Run; absent before it is finished."""

    attempt: Annotated[int, Field(ge=1, le=1000)] | None = None
    """The Run's attempt; absent before it is finished."""

    branch: BranchName | None = None
    """Branch that it pushed; absent before it is finished, and if it changed nothing."""

    head_commit: CommitSha | None = None
    """Commit that it pushed; absent where `branch` is."""

    pull_request: PullRequestPhase | None = None
    """What became of its pull request; absent before it is finished, and without one."""

    pull_request_url: Annotated[str, Field(max_length=1024)] | None = None
    """Web address of its pull request; absent without one."""

    finish_time: Time | None = None
    """When it was finished; absent before."""

    reason: ReasonWord | None = None
    """Why it ended as it did, as a word for programs; absent before."""

    message: Message | None = None
    """Why it ended as it did, as a sentence; absent before."""


class SessionComment(Model):
    """The comment on the issue that says what the session does."""

    claim_time: Time
    """When it was decided to write it."""

    id: CommentId | None = None
    """Its number at the host; absent before it is seen there."""

    url: Annotated[str, Field(max_length=1024)] | None = None
    """Its web address; absent before it is seen there."""

    digest: Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]*$")] = ""
    """Of the text that was seen there."""

    seen_time: Time | None = None
    """When that text was seen there first; absent before."""

    is_deleted: bool = False
    """Whether a user deleted it: then the session writes no other."""

    waiting_since: Time | None = None
    """Since when the host does not take what it should say; absent while it does."""


class IssueSessionStatus(Status):
    """What became of the session."""

    phase: IssueSessionPhase = IssueSessionPhase.PENDING
    """Pending: nothing was begun. Running: a Run works on the issue. Completed, Failed or Cancelled as its last Run, or
    Cancelled and Failed because of the issue; a follow-up makes it Running again."""

    issue: SessionIssue | None = None
    """The issue; absent before its host has shown it."""

    runs: Annotated[tuple[SessionRun, ...], Field(max_length=MOST_RUNS), ListMap(("index",))] = ()
    """The Runs of the session, oldest first."""

    run_count: Annotated[int, Field(ge=0, le=MOST_RUNS)] = 0
    """How many Runs the session has made."""

    pull_request_url: Annotated[str, Field(max_length=1024)] | None = None
    """Web address of the latest pull request; absent without one."""

    stopping: Annotated[tuple[ObjectName, ...], Field(max_length=MOST_RUNS), ListSet()] = ()
    """Names of Runs that must stop because of what became of the issue."""

    handled_follow_up: Annotated[str, Field(max_length=16, pattern=r"^[0-9a-f]*$")] = ""
    """Digest of the value of the annotation `codecourier.dev/follow-up` that was acted on."""

    follow_up_message: Message = ""
    """Why the last follow-up that a user asked for made no Run; empty if it made one."""

    comment: SessionComment | None = None
    """The comment on the issue; absent before it is written."""

    finish_time: Time | None = None
    """When the phase became final; absent before."""

    message: Message = ""
    """What happens now, has happened or is wrong, as a sentence."""


class IssueSession(CustomResource):
    """Work on one issue: the Runs made for it and what came of them, with one comment on the issue that says so."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="IssueSession",
        plural="issuesessions",
        short_names=("ccis",),
        columns=(
            PrinterColumn("Issue", ".spec.issueUrl"),
            PrinterColumn("State", ".status.issue.state"),
            PrinterColumn("Phase", ".status.phase"),
            PrinterColumn("Runs", ".status.runCount", type="integer"),
            PrinterColumn("PR", ".status.pullRequestUrl"),
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status", priority=1),
            PrinterColumn("Title", ".status.issue.title", priority=1),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".status.phase", ".status.issue.state", ".spec.workflowRef.name"),
        name_max_length=40,
        makes_runs=True,
        is_trashable=True,
    )

    kind: str = "IssueSession"
    spec: IssueSessionSpec
    status: IssueSessionStatus = Field(default_factory=IssueSessionStatus)
