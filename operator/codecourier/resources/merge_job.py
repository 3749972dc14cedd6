"""MergeJob: many pull requests into one, or one pull request behind its CI gate."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.checks import MergeStrategy
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge import PullRequestNumber
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
    PullRequestUrl,
    ReasonWord,
    RepositoryUrl,
    Rule,
    Status,
    Time,
)
from codecourier.resources.run import RunPhase

__all__ = [
    "MOST_SOURCES",
    "MOST_STEPS",
    "JobResult",
    "JobSource",
    "MergeCheck",
    "MergeJob",
    "MergeJobPhase",
    "MergeJobSpec",
    "MergeJobStatus",
    "MergeLanding",
    "MergeLane",
    "MergeMode",
    "MergeStep",
    "MergeStrategy",
    "SourceClosing",
    "SourceResult",
]

MOST_SOURCES = 50
"""Most pull requests of one MergeJob."""

MOST_STEPS = 100
"""Most Runs that one MergeJob can make: each source may be tried more than once."""


class MergeMode(StrEnum):
    """What a MergeJob does."""

    COMBINE = "Combine"
    """Merges the heads of its pull requests, in their order, into one new pull request."""

    SINGLE = "Single"
    """Merges one pull request once its checks have passed."""


class MergeJobSpec(Model):
    """What is merged, and how; everything but the wish `cancelled` is immutable."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.mode != 'Single' || self.pullRequests.size() == 1", "a Single merge has exactly one pull request"),
        Rule(
            # The last one counts: an owner may be called `pull`.
            "self.pullRequests.all(url, url.substring(0, url.lastIndexOf('/pull/')).lowerAscii() =="
            " self.pullRequests[0].substring(0, self.pullRequests[0].lastIndexOf('/pull/')).lowerAscii())",
            "all pull requests must be of one repository",
        ),
        Rule(
            "self.pullRequests.all(url, self.pullRequests.exists_one(other,"
            " other.substring(other.lastIndexOf('/')) == url.substring(url.lastIndexOf('/'))))",
            "each pull request may be listed once",
        ),
        Rule(
            "self.mode == 'Single' || (!has(self.mergeStrategy) && !self.skipCiCheck)",
            "mergeStrategy and skipCiCheck are for mode Single",
        ),
        Rule(
            "self.mode == 'Combine' || (!has(self.branchName) && !has(self.title) && !has(self.prompt)"
            " && !has(self.maxAttempts) && !self.closeSources)",
            "branchName, title, prompt, maxAttempts and closeSources are for mode Combine",
        ),
    )

    mode: Annotated[MergeMode, Immutable()]
    """Combine: the pull requests become a new one. Single: the pull request is merged."""

    pull_requests: Annotated[
        tuple[PullRequestUrl, ...], Field(min_length=1, max_length=MOST_SOURCES), ListSet(), Immutable()
    ]
    """Addresses of the pull requests, 1 to 50, such as `https://github.com/example/shop/pull/7`; all of one repository
    of the Project. Combine merges them in this order."""

    base_branch: Annotated[BranchName, Immutable()] | None = None
    """Branch to merge into; absent: the one that all pull requests are for. A pull request for another branch is left
    out by Combine and refused by Single."""

    workflow_ref: Annotated[LocalReference, Immutable()] | None = None
    """Workflow whose verify steps try the result, and whose agent resolves conflicts; absent: the Project's
    `mergeWorkflowRef`, or in a Single merge of a Run's pull request the Workflow of that Run."""

    branch_name: Annotated[BranchName, Immutable()] | None = None
    """Combine: branch of the new pull request; absent: one named after the MergeJob."""

    title: Annotated[str, Field(min_length=1, max_length=200), Immutable()] | None = None
    """Combine: title of the new pull request, up to 200 characters; absent: one that counts the pull requests."""

    prompt: Annotated[Prompt, Immutable()] | None = None
    """Combine: what the agent is told beside the conflict that it has to resolve; absent: nothing."""

    max_attempts: Annotated[int, Field(ge=1, le=10), Immutable()] | None = None
    """Combine: how often the agent may try to resolve the conflicts of one pull request, 1 to 10, before that pull
    request is left out; absent: 2."""

    close_sources: Annotated[bool, Immutable()] = False
    """Combine: whether the merged pull requests are closed once the new one is merged, each only at the head that was
    merged."""

    merge_strategy: Annotated[MergeStrategy, Immutable()] | None = None
    """Single: how the host merges: Merge, Squash or Rebase; absent: Squash."""

    skip_ci_check: Annotated[bool, Immutable()] = False
    """Single: whether the merge does not wait for CI checks. Only users with the verb `bypass-ci` for MergeJobs can set
    it. The protection of the branch still holds."""

    cancelled: bool = False
    """Set it to true to stop the merge; what was merged already stays merged."""


class MergeJobPhase(StrEnum):
    """Where a MergeJob is; the last three are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether it is decided."""
        return self not in {MergeJobPhase.PENDING, MergeJobPhase.RUNNING}


class SourceResult(StrEnum):
    """What became of a pull request in a MergeJob."""

    PENDING = "Pending"
    CLEAN = "Clean"
    RESOLVED = "Resolved"
    EXCLUDED = "Excluded"


class SourceClosing(StrEnum):
    """What became of a merged pull request after the new one was merged."""

    CLOSED = "Closed"
    LEFT_OPEN = "LeftOpen"


class JobSource(Model):
    """A pull request that a MergeJob merges, as it was recorded first."""

    number: PullRequestNumber
    """Its number in the repository."""

    url: PullRequestUrl
    """Its address, as the spec has it."""

    title: Annotated[str, Field(max_length=256)] = ""
    """Its title, up to 256 characters, without what cannot be seen."""

    head_commit: CommitSha | None = None
    """The head that is merged; absent where it was left out before that was known. A later push changes nothing."""

    head_branch: BranchName | None = None
    """Its branch; absent where it was left out before that was known."""

    run: ObjectName | None = None
    """Run of this namespace that made it; absent for others."""

    result: SourceResult = SourceResult.PENDING
    """Pending; Clean: merged without a conflict; Resolved: the agent resolved its conflicts; Excluded."""

    attempts: Annotated[int, Field(ge=0, le=10)] = 0
    """How often the agent tried to resolve its conflicts."""

    reason: ReasonWord | None = None
    """Why it was left out, as a word for programs; absent otherwise."""

    message: Message | None = None
    """Why it was left out, or how its conflicts were resolved, as a sentence; absent otherwise."""

    commit: CommitSha | None = None
    """The merge commit that has it; absent before."""

    closing: SourceClosing | None = None
    """Closed, by the operator or before; LeftOpen: its head has moved, or the host did not close it, as the message
    says. Absent before, and where closing was not asked for."""


class MergeStep(Model):
    """A Run of the MergeJob, in the ledger before it is made."""

    index: Annotated[int, Field(ge=0, le=MOST_STEPS - 1)]
    """Which step it is, from 0."""

    run: ObjectName
    """Name of the Run."""

    base_commit: CommitSha
    """Commit that it continues from: the recorded base, or the last commit of an earlier step."""

    numbers: Annotated[tuple[PullRequestNumber, ...], Field(max_length=MOST_SOURCES), ListSet()]
    """Numbers of the pull requests that it is given, in order."""

    phase: RunPhase = RunPhase.RUNNING
    """Running until the Run is finished; then Completed, Failed or Cancelled."""

    claim_time: Time
    """When it was decided to make it."""

    head_commit: CommitSha | None = None
    """Commit that it ended with; absent before, and where it merged nothing."""

    finish_time: Time | None = None
    """When it was finished; absent before."""

    reason: ReasonWord | None = None
    """Why it ended as it did, as a word for programs; absent before."""

    message: Message | None = None
    """Why it ended as it did, as a sentence; absent before."""


class JobResult(Model):
    """The new pull request of a Combine."""

    branch: BranchName
    """Its branch."""

    number: PullRequestNumber | None = None
    """Its number in the repository; absent before it exists."""

    url: Annotated[str, Field(max_length=1024)] | None = None
    """Its web address; absent before it exists."""

    state: PullRequestState | None = None
    """Open, Closed or Merged, as it was seen last; absent before."""

    merge_time: Time | None = None
    """When it was merged; absent before."""

    merge_commit: CommitSha | None = None
    """The commit on the base branch that has it; absent before."""

    close_time: Time | None = None
    """When it was closed or merged; absent while it is open."""

    observed_time: Time | None = None
    """When its host showed the last change; absent before."""

    waiting_since: Time | None = None
    """Since when the host does not make it; absent while it does."""

    message: Message | None = None
    """Why it does not exist yet; absent otherwise."""


class MergeLanding(Model):
    """How the host merged the pull request of a Single merge."""

    claim_time: Time
    """When it was decided to ask for it."""

    head_commit: CommitSha
    """The head that may be merged; no other one is."""

    base_commit: CommitSha
    """Head of the base branch when it was decided."""

    has_queue: bool = False
    """Whether the base branch had a merge queue, which merges by its own method."""

    queue_strategy: MergeStrategy | None = None
    """How that queue merges; absent where there is none, or the host does not say."""

    was_queued: bool = False
    """Whether a user had put the pull request into the queue before: then the operator never takes it out."""

    exit_before: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The host's name of its last exit from the queue before; absent if there was none."""

    queue_time: Time | None = None
    """Since when it is known to be in the queue; absent before."""

    left_time: Time | None = None
    """Since when it is not seen there any more and is not merged; absent while it is."""

    leave_time: Time | None = None
    """Since when the operator takes it out of the queue, because the MergeJob was stopped; absent otherwise."""

    skipped_checks: bool = False
    """Whether the checks were not looked at, as `spec.skipCiCheck` asks."""

    commit: CommitSha | None = None
    """The commit on the base branch that has it; absent before."""

    tree: CommitSha | None = None
    """The tree of that commit; absent before."""

    merge_time: Time | None = None
    """When the host merged it; absent before."""


class MergeLane(Model):
    """The part that a Single merge takes in its lane: the merges into one branch, of all projects."""

    is_holder: bool = False
    """Whether it holds the lane, so that the others wait; false: it waits in line."""

    since: Time
    """When it took the lane, or its position in line."""

    until: Time
    """Until when that counts for others."""


class MergeCheck(Model):
    """A check that a Single merge waits for or that stops it."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """Its name at the host, up to 256 characters."""

    state: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Pending, Missing, or its conclusion in the host's words."""


class MergeJobStatus(Status):
    """Progress and outcome of the merge."""

    phase: MergeJobPhase = MergeJobPhase.PENDING
    """Pending: nothing was begun. Running, then Completed, Failed or Cancelled for good."""

    waiting_for: Message = ""
    """What it waits for, as a sentence: checks, another merge into the same branch, a Run; empty if nothing."""

    repository_url: RepositoryUrl | None = None
    """Repository of the pull requests, as the Project names it; absent before it is known."""

    workflow: ObjectName | None = None
    """Workflow that the Runs use; absent before it is known."""

    base_branch: BranchName | None = None
    """Branch that is merged into; absent before it is known."""

    base_commit: CommitSha | None = None
    """Head of the base branch that the merge was made on; absent before it is known."""

    may_change_workflows: bool | None = None
    """Whether the repository's credential may change files below `.github/workflows`, as it was when the merge began;
    absent where no request shows it, as of a personal token."""

    head_commit: CommitSha | None = None
    """The last verified commit of the merge; absent before the first one."""

    head_tree: CommitSha | None = None
    """The tree of that commit; absent where that is."""

    sources: Annotated[tuple[JobSource, ...], Field(max_length=MOST_SOURCES), ListMap(("number",))] = ()
    """The pull requests in their order, and what became of each."""

    steps: Annotated[tuple[MergeStep, ...], Field(max_length=MOST_STEPS), ListMap(("index",))] = ()
    """The Runs of the merge, oldest first."""

    suspected: Annotated[tuple[PullRequestNumber, ...], Field(max_length=MOST_SOURCES), ListSet()] = ()
    """Numbers of pull requests with which a step failed: they are tried in halves until the one is found."""

    checks: Annotated[tuple[MergeCheck, ...], Field(max_length=50), ListMap(("name",))] = ()
    """Single: checks that have not passed, up to 50."""

    gate_since: Time | None = None
    """Single: since when the checks of this head are waited for; absent before."""

    waiting_since: Time | None = None
    """Single: since when the host does not say what has to be known; absent while it does."""

    lane: MergeLane | None = None
    """Single: its part in the lane of its branch, in which merges of all projects land one after the other; absent
    before its checks have passed, and while it waits for something else."""

    landing: MergeLanding | None = None
    """Single: the merge at the host; absent before it is asked for."""

    result: JobResult | None = None
    """Combine: the new pull request; absent before it is begun."""

    stopping: Annotated[tuple[ObjectName, ...], Field(max_length=MOST_STEPS), ListSet()] = ()
    """Names of Runs that must stop."""

    start_time: Time | None = None
    """When the first step was claimed; absent before."""

    finish_time: Time | None = None
    """When the phase became final; absent before."""

    unnotified: Annotated[tuple[ObjectName, ...], Field(max_length=16), ListSet()] = ()
    """Names of Notifications that this status requires and that do not exist yet."""

    message: Message = ""
    """What is happening or has happened, as a sentence."""


class MergeJob(CustomResource):
    """Many pull requests into one, or one pull request merged once its checks have passed."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="MergeJob",
        plural="mergejobs",
        short_names=("ccmj",),
        columns=(
            PrinterColumn("Mode", ".spec.mode"),
            PrinterColumn("Phase", ".status.phase"),
            PrinterColumn("Base", ".status.baseBranch"),
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status", priority=1),
            PrinterColumn("Reason", ".status.conditions[?(@.type=='Succeeded')].reason"),
            PrinterColumn("PR", ".status.result.url"),
            PrinterColumn("Waiting for", ".status.waitingFor", priority=1),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".status.phase", ".spec.mode"),
        name_max_length=40,
        makes_runs=True,
        is_reported=True,
    )

    kind: str = "MergeJob"
    spec: MergeJobSpec
    status: MergeJobStatus = Field(default_factory=MergeJobStatus)
