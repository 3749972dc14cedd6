"""The order of the Notifications of each project, kept up to date with their cache."""

from __future__ import annotations

from datetime import UTC, datetime

from codecourier.core.shared.notices import Notice, Notices
from codecourier.kube.api import Json
from codecourier.resources.notification import NotificationType

__all__ = ["NOTICES", "NoticeIndex"]

NOTICES = "notices"
"""Name under which the cache of the Notifications has its `NoticeIndex`."""

_TYPES = frozenset(NotificationType)


class NoticeIndex:
    """The Notifications of each namespace in their order; see `Follower`."""

    def __init__(self) -> None:
        self._projects: dict[str, Notices] = {}

    def of(self, namespace: str) -> Notices:
        """Return the Notifications of a namespace."""
        return self._projects.get(namespace) or Notices()

    def changed(self, old: Json | None, new: Json | None) -> None:
        """Take a change of a Notification."""
        metadata = (new or old or {})["metadata"]
        notices = self._projects.setdefault(metadata["namespace"], Notices())
        if new is None:
            notices.drop(metadata["name"])
        else:
            notices.put(_notice_of(new))
        if not notices:
            del self._projects[metadata["namespace"]]


def _notice_of(obj: Json) -> Notice:
    spec, metadata = obj["spec"], obj["metadata"]
    return Notice(
        event_time=_read_time(spec["eventTime"]),
        name=metadata["name"],
        creation_time=_read_time(metadata["creationTimestamp"]),
        type=spec["type"],
        is_readable=spec["type"] in _TYPES,
    )


def _read_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
