"""Run: one execution of a Workflow with a prompt on a repository."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.follow_up import MOST_FOLLOW_UPS, FollowUp, FollowUpTask
from codecourier.resources.merge import Merge, MergeResult
from codecourier.resources.meta import (
    BranchName,
    CommitSha,
    CustomResource,
    HasRole,
    Immutable,
    IssueUrl,
    KindInfo,
    KindName,
    KindRole,
    ListMap,
    ListSet,
    LocalReference,
    Message,
    Model,
    ObjectName,
    PrinterColumn,
    Prompt,
    ReasonWord,
    RepositoryUrl,
    Rule,
    Status,
    Time,
    Uid,
)
from codecourier.resources.pull_request import PullRequest, PullRequestPhase
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.workflow import WorkflowSpec

__all__ = [
    "Change",
    "IssueLink",
    "Origin",
    "PullRequest",
    "PullRequestPhase",
    "Run",
    "RunPhase",
    "RunSpec",
    "RunStatus",
    "Sprint",
    "Try",
]

CONTEXT_MAX_BYTES = 32_768
"""Longest text, in UTF-8 bytes, that an agent gets before the prompt."""


class Origin(Model):
    """The object that made a Run.

    It is no ownerReference: foreground deletion, the default of Argo CD, would delete an active sprint at once.
    """

    kind: Annotated[KindName, HasRole(KindRole.MAKES_RUNS)]
    """Kind of the object."""

    name: ObjectName
    """Name of the object."""

    uid: Uid
    """UID of the object: one recreated under the same name does not adopt this Run."""

    index: Annotated[int, Field(ge=0, le=99)] | None = None
    """Which Run this is: of a SprintChain the index of the sprint and of an IssueSession the Run, from 0; of a Run the
    number of the follow-up, from 1; absent in others."""

    slot: Time | None = None
    """Which Run of a RecurringTask this is: the slot, or when a user asked for it; absent in others."""


class IssueLink(Model):
    """The issue that a Run is for."""

    url: IssueUrl
    """Address of the issue."""

    closes: bool = False
    """Whether merging the pull request closes the issue; if not, the pull request only links it."""


class Sprint(Model):
    """Place of a Run in a SprintChain."""

    number: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of the sprint, from the chain's range."""

    index: Annotated[int, Field(ge=0, le=99)]
    """Zero-based position of the sprint in the range."""

    count: Annotated[int, Field(ge=1, le=100)]
    """Number of sprints in the range."""


class RunSpec(Model):
    """What the Run does; everything but the wishes `attempt` and `cancelled` is immutable.

    Wishes have no transition rules, so that an earlier manifest always applies: the operator compares them with the
    status.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.followUp) || has(self.origin)", "followUp is for the Runs of another Run: set origin as well"),
        Rule("!has(self.merge) || has(self.origin)", "merge is for the Runs of another object: set origin as well"),
    )

    workflow_ref: Annotated[LocalReference, Immutable()]
    """Workflow of this namespace to run. Each attempt keeps its settings as they are when the attempt starts."""

    prompt: Annotated[Prompt, Immutable()]
    """The task for the agent."""

    title: Annotated[str, Field(min_length=1, max_length=200), Immutable()] | None = None
    """The Run in a few words, up to 200 characters; for people, no agent reads it."""

    repository_url: Annotated[RepositoryUrl, Immutable()] | None = None
    """Repository to work on, one of the Project's; absent: the Project's default."""

    base_branch: Annotated[BranchName, Immutable()] | None = None
    """Branch to start from and to open the pull request against; absent: the repository's default branch."""

    base_commit: Annotated[CommitSha, Immutable()] | None = None
    """Commit to start from; absent: the head of the base branch when the Run starts."""

    pull_request_base: Annotated[BranchName, Immutable()] | None = None
    """Branch to open the pull request against if it is not the base branch, as in a stack; absent: baseBranch."""

    context: (
        Annotated[
            str,
            Field(max_length=CONTEXT_MAX_BYTES),
            Rule(f"size(bytes(self)) <= {CONTEXT_MAX_BYTES}", f"must be at most {CONTEXT_MAX_BYTES} bytes of UTF-8"),
            Immutable(),
        ]
        | None
    ) = None
    """Text for the agent before the prompt, up to 32,768 bytes: in a chain, about the sprints before this one; for an
    issue, the issue as a quotation."""

    sprint: Annotated[Sprint, Immutable()] | None = None
    """Place in a SprintChain; absent outside chains. The operator passes it to the agent."""

    issue: Annotated[IssueLink, Immutable()] | None = None
    """The issue that the Run is for, which its pull request links; absent: it is for none."""

    origin: Annotated[Origin, Immutable()] | None = None
    """The object that made the Run; absent for one that a person made."""

    merge: Annotated[Merge, Immutable()] | None = None
    """Pull requests that the Run merges onto its base commit. Such a Run opens no pull request and pushes to no branch.
    Absent: the agent works on its own."""

    follow_up: Annotated[FollowUpTask, Immutable()] | None = None
    """That the Run continues the pull request of the Run that made it, on the branch of that one. Absent: it has a
    branch of its own."""

    scheduled_for: Annotated[Time, Immutable()] | None = None
    """The slot of the RecurringTask that made the Run; absent in others, and where a user asked for it."""

    recurrence_pattern: Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z]+$"), Immutable()] | None = None
    """Frequency of that RecurringTask when the slot was due; absent where `scheduledFor` is."""

    attempt: Annotated[int, Field(ge=1, le=1000)] = 1
    """Raise it by one to rerun a finished Run from the start, 1 to 1,000. A value that is not greater than
    `status.attempt` asks for nothing, and so does any value in a Run that another object made: raise a SprintChain's
    own, or let a RecurringTask run now."""

    cancelled: bool = False
    """Set it to true to stop the Run. The attempts asked for by then stay cancelled, also if it becomes false again; a
    greater `attempt` then starts the Run again."""


class RunPhase(StrEnum):
    """Where a Run is; the last three are final for an attempt."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether the attempt is over."""
        return self in {RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED}


class Change(Model):
    """What a Run changed."""

    files: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of files added, changed or deleted."""

    insertions: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of lines added."""

    deletions: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of lines deleted."""


class Try(Model):
    """One sandbox within an attempt."""

    number: Annotated[int, Field(ge=1, le=100)]
    """Number of the try within the attempt, from 1."""

    sandbox: ObjectName
    """Name of its Sandbox."""

    claim_time: Time | None = None
    """When the try began, before its Sandbox was made."""

    phase: SandboxPhase = SandboxPhase.PENDING
    """The phase of its Sandbox."""

    reason: ReasonWord | None = None
    """Why it ended as it did; absent before it ended."""

    message: Message | None = None
    """Why it ended as it did, as a sentence; absent before it ended."""

    start_time: Time | None = None
    """When its pod started to run; absent before."""

    finish_time: Time | None = None
    """When it ended; absent before."""

    is_recorded: bool = False
    """Whether its UsageRecord was made."""


class RunStatus(Status):
    """Progress and outcome of the Run."""

    phase: RunPhase = RunPhase.PENDING
    """Pending, Queued (the condition Succeeded says what it waits for), Running, Completed, Failed or Cancelled."""

    attempt: Annotated[int, Field(ge=0, le=1000)] = 0
    """The attempt that this status describes; 0 before the first one."""

    cancelled_attempt: Annotated[int, Field(ge=0, le=1000)] = 0
    """The greatest attempt asked for while `spec.cancelled` was true: it and those before it start nothing any more."""

    workflow_revision: ObjectName | None = None
    """ControllerRevision of this namespace that holds the Workflow as it was when this attempt started; absent before.
    All tries of the attempt use it; the next attempt takes the Workflow as it is then."""

    learnings: Annotated[tuple[ObjectName, ...], Field(max_length=20), ListSet()] = ()
    """Names of the Learnings that the agents of this attempt are given, newest first, as accepted when it started. A
    try after that leaves out one that is not accepted any more."""

    workflow: WorkflowSpec | None = None
    """Deprecated: the Workflow itself, as earlier versions recorded it. An attempt that has it goes on with it."""

    repository_url: RepositoryUrl | None = None
    """The repository that the Run works on."""

    base_branch: BranchName | None = None
    """The branch that the Run started from."""

    base_commit: CommitSha | None = None
    """The commit that this attempt started from."""

    branch: BranchName | None = None
    """The branch that this attempt pushes to. Beside it only its follow-ups do."""

    tries: Annotated[tuple[Try, ...], Field(max_length=100), ListMap(("number",))] = ()
    """The sandboxes of this attempt, oldest first."""

    retry_time: Time | None = None
    """The next try does not start before this time; absent when it need not wait."""

    start_time: Time | None = None
    """When this attempt first ran; absent before."""

    finish_time: Time | None = None
    """When this attempt ended; absent before."""

    head_commit: CommitSha | None = None
    """The pushed commit, or the base commit if the Run changed nothing; absent before."""

    title: Annotated[str, Field(max_length=256)] | None = None
    """The agent's title for its work, up to 256 characters."""

    summary: Annotated[str, Field(max_length=8192)] | None = None
    """The agent's summary of its work, up to 8,192 characters."""

    change: Change | None = None
    """What the Run changed; absent before it has pushed its work."""

    pull_request: PullRequest | None = None
    """The pull request of this attempt; absent until the operator handles it."""

    follow_ups: Annotated[tuple[FollowUp, ...], Field(max_length=MOST_FOLLOW_UPS), ListMap(("number",))] = ()
    """The further Runs that continue the pull request of this attempt, oldest first."""

    merge: MergeResult | None = None
    """What the attempt has merged; absent before its Sandbox has ended, and where it was to merge nothing."""

    unnotified: Annotated[tuple[ObjectName, ...], Field(max_length=16), ListSet()] = ()
    """Names of Notifications that this status requires and that do not exist yet."""

    message: Message = ""
    """What is happening or has happened, as a sentence."""


class Run(CustomResource):
    """One execution of a Workflow with a prompt on a repository.

    It ends with a pull request, without changes, or with a message that says why it failed.
    """

    info: ClassVar[KindInfo] = KindInfo(
        kind="Run",
        plural="runs",
        short_names=("ccr",),
        columns=(
            PrinterColumn("Phase", ".status.phase"),
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn("PR", ".status.pullRequest.phase"),
            PrinterColumn("Reason", ".status.conditions[?(@.type=='Succeeded')].reason"),
            PrinterColumn("Workflow", ".spec.workflowRef.name"),
            PrinterColumn("URL", ".status.pullRequest.url", priority=1),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".status.phase", ".spec.workflowRef.name"),
        name_max_length=120,
        makes_runs=True,
        is_reported=True,
        is_trashable=True,
    )

    kind: str = "Run"
    spec: RunSpec
    status: RunStatus = Field(default_factory=RunStatus)
