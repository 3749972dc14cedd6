"""How events become Notifications."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.shared.naming import LABEL_RUN_UID, notification_name, split_words
from codecourier.resources.meta import CustomResource, ObjectMeta
from codecourier.resources.notification import (
    Notification,
    NotificationEntity,
    NotificationSpec,
    NotificationType,
)
from codecourier.resources.run import Run

__all__ = ["build_notification"]


def build_notification(
    about: CustomResource,
    type_: NotificationType,
    discriminator: str,
    *,
    title: str,
    message: str,
    event_time: datetime,
    run: str | None = None,
    pr_url: str | None = None,
) -> Notification:
    """Return the Notification of an event; the same event gives the same name.

    Raises
    ------
    ValueError
        If the kind of the object that it is about is not reported.
    """
    if not about.info.is_reported:
        raise ValueError(f"no Notification can be about a {about.info.kind}: its kind is not reported")
    event = split_words(type_.value, "-")
    return Notification(
        metadata=ObjectMeta(
            name=notification_name(event, about.name, about.uid, discriminator),
            namespace=about.namespace,
            labels={LABEL_RUN_UID: about.uid} if isinstance(about, Run) else {},
        ),
        spec=NotificationSpec(
            type=type_,
            title=title[:256],
            message=message,
            event_time=event_time,
            entity=NotificationEntity(kind=about.kind, name=about.name, uid=about.uid),
            run=run,
            pr_url=pr_url,
        ),
    )
