"""How events become Notifications."""

from __future__ import annotations

import re
from datetime import datetime

from codecourier.core.shared.naming import LABEL_RUN_UID, notification_name
from codecourier.resources.meta import CustomResource, ObjectMeta
from codecourier.resources.notification import (
    EntityKind,
    Notification,
    NotificationEntity,
    NotificationSpec,
    NotificationType,
)

__all__ = ["build_notification"]

_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


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
    """Return the Notification of an event; the same event gives the same name."""
    event = _WORD_START.sub("-", type_.value).lower()
    return Notification(
        metadata=ObjectMeta(
            name=notification_name(event, about.name, about.uid, discriminator),
            namespace=about.namespace,
            labels={LABEL_RUN_UID: about.uid} if about.kind == EntityKind.RUN else {},
        ),
        spec=NotificationSpec(
            type=type_,
            title=title[:256],
            message=message,
            event_time=event_time,
            entity=NotificationEntity(kind=EntityKind(about.kind), name=about.name, uid=about.uid),
            run=run,
            pr_url=pr_url,
        ),
    )
