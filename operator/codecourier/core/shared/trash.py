"""The trash: objects that users have put away, which stay until they are restored or deleted for good."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from codecourier.core.shared.naming import ANNOTATION_TRASHED_BY, ANNOTATION_TRASHED_TIME, LABEL_TRASHED
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project

__all__ = ["find_expiry_time", "find_trasher", "find_trashing_time", "is_trashed", "read_trashing_time"]


def is_trashed(obj: CustomResource) -> bool:
    """Tell whether a user put an object into the trash, so that nothing new uses it."""
    return obj.info.is_trashable and obj.metadata.labels.get(LABEL_TRASHED) == "true"


def find_trashing_time(obj: CustomResource) -> datetime | None:
    """Return when an object in the trash was put there; None: a user set the label alone, or damaged the time."""
    return read_trashing_time(obj.metadata.annotations)


def read_trashing_time(annotations: Mapping[str, str]) -> datetime | None:
    """Return the same from the annotations of an object in the trash."""
    text = annotations.get(ANNOTATION_TRASHED_TIME, "")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found


def find_trasher(obj: CustomResource) -> str | None:
    """Return the user who put an object into the trash over REST; None: that is not known."""
    return obj.metadata.annotations.get(ANNOTATION_TRASHED_BY) or None


def find_expiry_time(obj: CustomResource, project: Project | None) -> datetime | None:
    """Return from when on an object in the trash is deleted for good; None: it stays, as it is not known since when.

    Parameters
    ----------
    obj
        The object.
    project
        The Project of its namespace, whose retention counts; None: there is none.
    """
    since = find_trashing_time(obj)
    if since is None or project is None:
        return None
    return since + timedelta(days=project.spec.retention.trash.max_age_days)
