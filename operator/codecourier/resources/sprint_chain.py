"""SprintChain: Runs in sequence over numbered sprints."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    BranchName,
    CommitSha,
    CustomResource,
    Immutable,
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
    RepositoryUrl,
    Rule,
    Status,
    Time,
    Uid,
)
from codecourier.resources.run import PullRequestPhase

__all__ = [
    "MAX_SPRINTS",
    "ChainAttempt",
    "SprintChain",
    "SprintChainPhase",
    "SprintChainSpec",
    "SprintChainStatus",
    "SprintPhase",
    "SprintRange",
    "SprintStatus",
]

MAX_SPRINTS = 100
"""Most sprints in a chain."""


class SprintRange(Model):
    """The numbers of the first and the last sprint, both included."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.first <= self.last", "first must not be greater than last"),
        Rule(f"self.last - self.first < {MAX_SPRINTS}", f"a chain has at most {MAX_SPRINTS} sprints"),
    )

    first: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of the first sprint, 0 to 1,000,000."""

    last: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of the last sprint, 0 to 1,000,000, at most 99 above the first."""


class SprintChainSpec(Model):
    """What the chain does; all but the wishes `suspend`, `attempt`, `resumeFromSprint` and `cancelled` is immutable.

    Wishes have no transition rules, so that an earlier manifest always applies: the operator compares them with the
    status.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.resumeFromSprint) || self.resumeFromSprint <= self.sprintRange.last - self.sprintRange.first",
            "resumeFromSprint is a zero-based index and must lie within sprintRange",
            field_path=".resumeFromSprint",
        ),
    )

    workflow_ref: Annotated[LocalReference, Immutable()]
    """Workflow of this namespace that each sprint runs."""

    sprint_range: Annotated[SprintRange, Immutable()]
    """Numbers of the first and the last sprint."""

    prompt: Annotated[Prompt, Immutable()]
    """The task of all sprints together. Each sprint also gets its number and a summary of those before it."""

    repository_url: Annotated[RepositoryUrl, Immutable()] | None = None
    """Repository to work on, one of the Project's; absent: the Project's default."""

    base_branch: Annotated[BranchName, Immutable()] | None = None
    """Branch that the first sprint starts from; absent: the repository's default branch."""

    suspend: bool = False
    """Whether the chain is paused: the active sprint goes on, no further one starts."""

    attempt: Annotated[int, Field(ge=1, le=1000)] = 1
    """Raise it by one to resume a finished chain, 1 to 1,000. A value that is not greater than `status.attempt` asks
    for nothing."""

    resume_from_sprint: Annotated[int, Field(ge=0, le=99)] | None = None
    """Zero-based index of the sprint that an attempt starts with; read only when one begins. Absent: the first
    unfinished one; if all are finished, nothing is left to do. In a new chain the sprints before it are Omitted; in a
    resumed one their work is used as it is. Users decide about the pull requests of sprints that run again."""

    cancelled: bool = False
    """Set it to true to cancel the chain: the active sprint is stopped, no further one starts. The attempts asked for
    by then stay cancelled, also if it becomes false again; a greater `attempt` then resumes the chain."""


class SprintChainPhase(StrEnum):
    """Where a chain is; the last three are final for an attempt."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether the attempt is over."""
        return self not in {SprintChainPhase.PENDING, SprintChainPhase.RUNNING}


class SprintPhase(StrEnum):
    """Where a sprint is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    OMITTED = "Omitted"


class SprintStatus(Model):
    """The ledger's entry of one sprint."""

    index: Annotated[int, Field(ge=0, le=99)]
    """Zero-based position in the range."""

    number: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of the sprint."""

    phase: SprintPhase = SprintPhase.PENDING
    """Pending, Running, Completed, Failed, Cancelled or Omitted (before the index that a new chain started with)."""

    attempt: Annotated[int, Field(ge=0, le=1000)] = 0
    """The chain's attempt in which the sprint last ran; 0 before it ran."""

    run: ObjectName | None = None
    """Name of its Run; absent before the operator has decided to create it."""

    base_commit: CommitSha | None = None
    """The commit that the sprint starts from."""

    pull_request_base: BranchName | None = None
    """The branch that its pull request is opened against, if it is not the base branch."""

    head_commit: CommitSha | None = None
    """The commit that the next sprint starts from; absent before the sprint is finished."""

    branch: BranchName | None = None
    """The branch that the sprint pushed; absent when it changed nothing."""

    pull_request: PullRequestPhase | None = None
    """State of its pull request."""

    pull_request_number: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Number of its pull request; absent when it has none."""

    pull_request_url: Annotated[str, Field(max_length=1024)] | None = None
    """Address of its pull request; absent when it has none."""

    summary: Annotated[str, Field(max_length=1024)] | None = None
    """The beginning of the agent's summary, up to 1,024 characters, for the agents of the next sprints."""

    start_time: Time | None = None
    """When the sprint began; absent before."""

    finish_time: Time | None = None
    """When the sprint ended; absent before."""

    message: Message | None = None
    """Its outcome, as a sentence; absent before it ended."""


class ChainAttempt(Model):
    """An earlier attempt of the chain."""

    attempt: Annotated[int, Field(ge=1, le=1000)]
    """Number of the attempt."""

    phase: SprintChainPhase
    """How it ended."""

    from_sprint: Annotated[int, Field(ge=0, le=99)]
    """Zero-based index of the sprint that it started with."""

    start_time: Time | None = None
    """When it began."""

    finish_time: Time | None = None
    """When it ended."""

    reason: ReasonWord
    """Why it ended as it did."""

    message: Message
    """Why it ended as it did, as a sentence."""

    superseded_pull_requests: Annotated[
        tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=100), ListSet()
    ] = ()
    """Pull requests of sprints that the next attempt ran again; users decide about them."""


class SprintChainStatus(Status):
    """Progress and outcome of the chain."""

    phase: SprintChainPhase = SprintChainPhase.PENDING
    """Pending, Running, Completed, Failed or Cancelled."""

    attempt: Annotated[int, Field(ge=0, le=1000)] = 0
    """The attempt that this status describes; 0 before the first one."""

    cancelled_attempt: Annotated[int, Field(ge=0, le=1000)] = 0
    """The greatest attempt asked for while `spec.cancelled` was true: in it and those before it no sprint starts any
    more, and the Run of the active one has to stop."""

    from_sprint: Annotated[int, Field(ge=0, le=99)] = 0
    """Zero-based index of the sprint that this attempt started with."""

    current_sprint_index: Annotated[int, Field(ge=0, le=99)] = 0
    """Zero-based index of the active sprint; the last one when completed, the failed one when failed."""

    completed_sprints: Annotated[int, Field(ge=0, le=100)] = 0
    """How many sprints are Completed."""

    repository_url: RepositoryUrl | None = None
    """The repository that the chain works on."""

    base_branch: BranchName | None = None
    """The branch that the chain started from."""

    base_commit: CommitSha | None = None
    """The head of the base branch that was recorded when the chain first started."""

    sprints: Annotated[tuple[SprintStatus, ...], Field(max_length=100), ListMap(("index",))] = ()
    """The ledger of the sprints, by index."""

    attempts: Annotated[tuple[ChainAttempt, ...], Field(max_length=50), ListMap(("attempt",))] = ()
    """The last 50 earlier attempts, oldest first."""

    waiting_time: Time | None = None
    """Since when the Run of a chain that is being deleted waits for anything but its pod; absent while it does not."""

    stopping: Annotated[tuple[Uid, ...], Field(max_length=8), ListSet()] = ()
    """UIDs of Runs that must stop now, because a user deleted the chain with the annotation
    `codecourier.dev/stop-now`."""

    start_time: Time | None = None
    """When this attempt began; absent before."""

    finish_time: Time | None = None
    """When this attempt ended; absent before."""

    unnotified: Annotated[tuple[ObjectName, ...], Field(max_length=16), ListSet()] = ()
    """Names of Notifications that this status requires and that do not exist yet."""

    message: Message = ""
    """What is happening or has happened, as a sentence."""


class SprintChain(CustomResource):
    """Runs in sequence over numbered sprints, each on top of the commit of the last."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="SprintChain",
        plural="sprintchains",
        short_names=("ccsc",),
        columns=(
            PrinterColumn("Phase", ".status.phase"),
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn("Index", ".status.currentSprintIndex", type="integer"),
            PrinterColumn("Completed", ".status.completedSprints", type="integer"),
            PrinterColumn("Suspended", ".spec.suspend", type="boolean"),
            PrinterColumn("Reason", ".status.conditions[?(@.type=='Succeeded')].reason"),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".status.phase", ".spec.workflowRef.name"),
        name_max_length=40,
        makes_runs=True,
        is_reported=True,
    )

    kind: str = "SprintChain"
    spec: SprintChainSpec
    status: SprintChainStatus = Field(default_factory=SprintChainStatus)
