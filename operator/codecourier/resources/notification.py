"""Notification: something that people should know."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    CustomResource,
    HasRole,
    Immutable,
    KindInfo,
    KindName,
    KindRole,
    Message,
    Model,
    ObjectName,
    PrinterColumn,
    Time,
    Uid,
)

__all__ = ["Notification", "NotificationEntity", "NotificationSpec", "NotificationType"]


class NotificationType(StrEnum):
    """What a Notification reports."""

    RUN_COMPLETED = "RunCompleted"
    RUN_FAILED = "RunFailed"
    PR_CREATED = "PrCreated"
    PR_MERGED = "PrMerged"
    PR_FAILED = "PrFailed"
    WORKFLOW_COMPLETED = "WorkflowCompleted"
    SPRINT_COMPLETED = "SprintCompleted"
    SPRINT_FAILED = "SprintFailed"
    FOLLOW_UP_STOPPED = "FollowUpStopped"
    CREDENTIALS_FAILED = "CredentialsFailed"
    CHAIN_CANCELLED = "ChainCancelled"
    TASK_PAUSED = "TaskPaused"
    LANDING_DIFFERS = "LandingDiffers"
    MEMBER_JOINED = "MemberJoined"


class NotificationEntity(Model):
    """The object that a Notification is about. It may be gone when a user reads the Notification."""

    kind: Annotated[KindName, HasRole(KindRole.IS_REPORTED)]
    """Kind of the object."""

    name: ObjectName
    """Name of the object."""

    uid: Uid
    """UID of the object."""


class NotificationSpec(Model):
    """What happened; immutable."""

    type: NotificationType
    """What kind of event this is."""

    title: Annotated[str, Field(min_length=1, max_length=256)]
    """The event in a few words, 1 to 256 characters."""

    message: Message
    """The event in a sentence, with the next step if there is one."""

    event_time: Time
    """When it happened, to the microsecond; Notifications are ordered by it."""

    entity: NotificationEntity
    """The object that the Notification is about."""

    run: ObjectName | None = None
    """Name of the Run that the Notification is about; absent without one."""

    pr_url: Annotated[str, Field(max_length=1024)] | None = None
    """Address of the pull request that the Notification is about; absent without one."""


class Notification(CustomResource):
    """Something that people should know: immutable, named after its event, so that each event makes exactly one."""

    info: ClassVar[KindInfo] = KindInfo(
        kind="Notification",
        plural="notifications",
        short_names=("ccn",),
        columns=(
            PrinterColumn("Type", ".spec.type"),
            PrinterColumn("Title", ".spec.title"),
            PrinterColumn("PR", ".spec.prUrl", priority=1),
            PrinterColumn("Message", ".spec.message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        selectable_fields=(".spec.type",),
    )

    kind: str = "Notification"
    spec: Annotated[NotificationSpec, Immutable()]
