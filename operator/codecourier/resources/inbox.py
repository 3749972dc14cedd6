"""Inbox: which Notifications of a project one user has read or dismissed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    CustomResource,
    Immutable,
    KindInfo,
    ListMap,
    Model,
    ObjectName,
    PrinterColumn,
    Time,
)

__all__ = ["MAX_EXCEPTIONS", "Inbox", "InboxEntry", "InboxPlace", "InboxSet", "InboxSpec", "Watermark"]

MAX_EXCEPTIONS = 1000
"""Most exceptions of a set."""

USER_MAX_LENGTH = 1024


class InboxPlace(Model):
    """A place in the order of Notifications: by the time of the event, then by name."""

    event_time: Time
    """`spec.eventTime` of the Notification that stands here, to the microsecond."""

    name: ObjectName
    """Its name, which orders Notifications of the same time. It may be gone."""


class Watermark(InboxPlace):
    """Up to where a set has all Notifications."""

    after: InboxPlace | None = None
    """Notifications up to this place are not covered, where the user began with newer ones; absent: all before are."""

    creation_time: Time
    """Notifications that were created later are not covered, however old their event is: the user had not seen
    them."""

    time: Time
    """When the watermark was set here."""


class InboxEntry(Model):
    """A Notification that a set names."""

    name: ObjectName
    """Name of the Notification."""

    creation_time: Time
    """When it was created; another Notification of this name is not meant."""

    time: Time | None = None
    """When the user read or dismissed it; absent for one that the watermark covers and that is not in the set."""


class InboxSet(Model):
    """A set of Notifications: those up to a watermark, with exceptions."""

    watermark: Watermark | None = None
    """Up to where all Notifications are in the set; absent: only those that `exceptions` names are."""

    exceptions: Annotated[tuple[InboxEntry, ...], Field(max_length=MAX_EXCEPTIONS), ListMap(("name",))] = ()
    """Notifications that the watermark covers and that are not in the set, and others that are; at most 1,000."""


class InboxSpec(Model):
    """Whose Inbox this is, and what the user has read and dismissed."""

    user: Annotated[Annotated[str, Field(min_length=1, max_length=USER_MAX_LENGTH)], Immutable()]
    """The user, as Kubernetes' authorization knows one; the name of the Inbox follows from it."""

    read: InboxSet = Field(default_factory=InboxSet)
    """What the user has read. What is dismissed is read, too."""

    dismissed: InboxSet = Field(default_factory=InboxSet)
    """What the user has dismissed, so that lists show it no more."""


class Inbox(CustomResource):
    """Which Notifications of a project one user has read or dismissed. Only the API server writes it.

    Without an Inbox everything is unread.
    """

    info: ClassVar[KindInfo] = KindInfo(
        kind="Inbox",
        plural="inboxes",
        short_names=("ccib",),
        columns=(
            PrinterColumn("User", ".spec.user"),
            PrinterColumn("Read up to", ".spec.read.watermark.eventTime", type="date"),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
    )

    kind: str = "Inbox"
    spec: InboxSpec
