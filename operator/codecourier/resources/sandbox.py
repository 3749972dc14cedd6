"""Sandbox: one try of a Run in one pod."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.learning import LEARNING_MAX_BYTES
from codecourier.resources.merge import MergeResult
from codecourier.resources.meta import (
    CommitSha,
    CustomResource,
    Immutable,
    KindInfo,
    ListMap,
    Message,
    Model,
    ObjectName,
    PrinterColumn,
    ReasonWord,
    Status,
    Time,
    Uid,
)
from codecourier.resources.usage_record import UsageItem

__all__ = [
    "PublishState",
    "Sandbox",
    "SandboxPhase",
    "SandboxResult",
    "SandboxRun",
    "SandboxSpec",
    "SandboxStatus",
    "Step",
]


class SandboxRun(Model):
    """The Run that a Sandbox belongs to."""

    name: ObjectName
    """Name of the Run."""

    uid: Uid
    """UID of the Run."""


class SandboxSpec(Model):
    """Which try this is; the Run and its recorded Workflow say what it does."""

    run_ref: SandboxRun
    """The Run that the Sandbox belongs to."""

    attempt: Annotated[int, Field(ge=1, le=1000)]
    """The Run's attempt, 1 to 1,000."""

    try_number: Annotated[int, Field(ge=1, le=100)]
    """Number of the try within the attempt, 1 to 100."""


class SandboxPhase(StrEnum):
    """Where a Sandbox is; the last four are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"

    @property
    def is_finished(self) -> bool:
        """Whether the Sandbox is over."""
        return self not in {SandboxPhase.PENDING, SandboxPhase.RUNNING}


class Step(Model):
    """One container of the pod that has ended."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z]+$")]
    """Name of the container: checkout, agent, verify, collect or publish."""

    exit_code: Annotated[int, Field(ge=-1, le=255)]
    """Exit code of the container. The agent's own is in `message`: its container always exits with 0."""

    reason: ReasonWord | None = None
    """Why the step failed, or Kubernetes' own reason; absent when it succeeded."""

    message: Message | None = None
    """The step's message about its outcome; absent without one."""

    start_time: Time | None = None
    """When the container started."""

    finish_time: Time | None = None
    """When the container ended."""


class PublishState(StrEnum):
    """Outcome of publishing the work."""

    PUSHED = "Pushed"
    NO_CHANGE = "NoChange"
    FAILED = "Failed"


ProposedLesson = Annotated[str, Field(min_length=1, max_length=LEARNING_MAX_BYTES)]


class SandboxResult(Model):
    """Outcome of the work."""

    state: PublishState
    """Pushed, NoChange or Failed."""

    commit: CommitSha | None = None
    """The pushed commit; absent when nothing was pushed."""

    title: Annotated[str, Field(max_length=256)] | None = None
    """The agent's title for its work, up to 256 characters."""

    summary: Annotated[str, Field(max_length=8192)] | None = None
    """The agent's summary, up to 8,192 characters."""

    files: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of files added, changed or deleted."""

    insertions: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of lines added."""

    deletions: Annotated[int, Field(ge=0, le=2**53)] = 0
    """Number of lines deleted."""

    usage: Annotated[tuple[UsageItem, ...], Field(max_length=8)] = ()
    """Usage that the agent reported, up to eight items."""

    learnings: Annotated[tuple[ProposedLesson, ...], Field(max_length=5)] = ()
    """Lessons that the agent proposes, up to five of up to 1,024 bytes, with secrets hidden."""


class SandboxStatus(Status):
    """Progress and outcome of the Sandbox."""

    phase: SandboxPhase = SandboxPhase.PENDING
    """Pending, Running, Completed, Failed, Cancelled or Expired."""

    pod_name: ObjectName | None = None
    """Name of the pod; absent before it exists."""

    pod_uid: Uid | None = None
    """UID of the pod; absent before the operator has seen it."""

    start_time: Time | None = None
    """When the pod's first container started; absent before."""

    finish_time: Time | None = None
    """When the Sandbox ended; absent before."""

    steps: Annotated[tuple[Step, ...], Field(max_length=8), ListMap(("name",))] = ()
    """The pod's containers that have ended, in their order."""

    result: SandboxResult | None = None
    """Outcome of the work; absent before the last step has ended, or when it never ran."""

    merge: MergeResult | None = None
    """What was merged; absent before the last step has ended, and where nothing was to be."""

    retry_time: Time | None = None
    """When the agent's provider or the repository's host said to retry; absent when neither did."""

    reason: ReasonWord | None = None
    """Why it ended as it did; absent before it ended."""

    message: Message = ""
    """What is happening or has happened, as a sentence."""


class Sandbox(CustomResource):
    """One try of a Run in one pod. The operator creates it; users only read it."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="Sandbox",
        plural="sandboxes",
        short_names=("ccsb",),
        columns=(
            PrinterColumn("Phase", ".status.phase"),
            PrinterColumn("Run", ".spec.runRef.name"),
            PrinterColumn("Try", ".spec.tryNumber", type="integer"),
            PrinterColumn("Reason", ".status.reason"),
            PrinterColumn("Message", ".status.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".status.phase", ".spec.runRef.name"),
        name_max_length=140,
        is_trashable=True,
    )

    kind: str = "Sandbox"
    spec: Annotated[SandboxSpec, Immutable()]
    status: SandboxStatus = Field(default_factory=SandboxStatus)
