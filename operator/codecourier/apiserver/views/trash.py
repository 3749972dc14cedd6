"""The trash in the REST API: which types it has, what is shown of what is in it, what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from codecourier.apiserver.answers import Instant, Place, View
from codecourier.apiserver.bodies import Body, Text
from codecourier.apiserver.ids import ISSUE_SESSION_ID, LEARNING_ID, RUN_ID, SANDBOX_ID, WORKFLOW_ID
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.views.run import run_title
from codecourier.apiserver.words import word_of
from codecourier.cache.source import Source
from codecourier.core.run.status import starts_again
from codecourier.core.shared.naming import ANNOTATION_TRASHED_BY, ANNOTATION_TRASHED_TIME, LABEL_TRASHED
from codecourier.core.shared.trash import find_expiry_time, find_trasher, find_trashing_time, is_trashed
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    LEARNING_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube.api import Json
from codecourier.resources.issue_session import IssueSession, IssueSessionPhase
from codecourier.resources.learning import Learning
from codecourier.resources.meta import CustomResource
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox

__all__ = [
    "TRASH",
    "PutAway",
    "TrashDeleted",
    "TrashItem",
    "TrashRestored",
    "TrashSubject",
    "TrashType",
    "TrashWord",
    "check_in_trash",
    "check_is_at_rest",
    "item_place",
    "put_away",
    "restore",
    "view_item",
    "view_put_away",
    "view_restored",
]

TrashWord = Literal["run", "sandbox", "workflow", "learning", "issueSession"]
"""Type of what is in the trash, in the contract's words."""


@dataclass(frozen=True)
class TrashType:
    """A kind whose objects can be put into the trash."""

    word: TrashWord
    source: Source[Any]
    prefix: str
    """Of its ids."""

    path: str
    """Of its collection."""

    @property
    def plural(self) -> str:
        """The plural of the kind, for rights."""
        return self.source.resource.plural


TRASH: Mapping[TrashWord, TrashType] = {
    kind.word: kind
    for kind in (
        TrashType("run", RUN_SOURCE, RUN_ID, "/runs"),
        TrashType("sandbox", SANDBOX_SOURCE, SANDBOX_ID, "/sandboxes"),
        TrashType("workflow", WORKFLOW_SOURCE, WORKFLOW_ID, "/workflows"),
        TrashType("learning", LEARNING_SOURCE, LEARNING_ID, "/learnings"),
        TrashType("issueSession", ISSUE_SESSION_SOURCE, ISSUE_SESSION_ID, "/issue-sessions"),
    )
}
"""The types of the trash, by their word."""

_MOST_NAME = 100


class TrashSubject(Body):
    """What to take out of the trash."""

    entity_type: TrashWord
    """Its type."""

    entity_id: Text
    """Its id, with or without the prefix."""


class TrashItem(View):
    """An object in the trash."""

    entity_type: str
    entity_id: str
    name: str
    """What people know it by: a run's title, a learning's lesson, a session's issue, the name of what has none."""

    deleted_at: Instant | None
    """When it was put into the trash; null where a user of the cluster set the label alone."""

    deleted_by: str | None
    """The user who did so; null where that is not known."""

    expires_at: Instant | None
    """From when on the project's retention deletes it for good; null: it stays."""


class TrashRestored(View):
    """What is shown of an object that was taken out of the trash."""

    entity_type: str
    entity_id: str
    status: str
    """What it is now, as before it went into the trash: nothing runs again."""


class TrashDeleted(View):
    """What is shown of an object that was deleted for good."""

    entity_type: str
    entity_id: str
    is_deleted: bool = True


class PutAway(View):
    """What is shown of an object that was put into the trash."""

    id: str
    is_deleted: bool = True
    deleted_at: Instant | None
    """When it was put into the trash."""


def view_item(kind: TrashType, obj: CustomResource, project: Project | None) -> TrashItem:
    """Return what the list of the trash shows of an object."""
    return TrashItem(
        entity_type=kind.word,
        entity_id=kind.prefix + obj.name,
        name=_name_of(obj),
        deleted_at=find_trashing_time(obj),
        deleted_by=find_trasher(obj),
        expires_at=find_expiry_time(obj, project),
    )


def item_place(item: TrashItem) -> Place:
    """Return the place of an object in the list of the trash: the last that was put there is the first."""
    time = item.deleted_at
    return Place("" if time is None else time.isoformat(), f"{item.entity_type} {item.entity_id}")


def view_put_away(kind: TrashType, obj: CustomResource) -> PutAway:
    """Return what the answer to a deletion shows of an object that is in the trash now."""
    return PutAway(id=kind.prefix + obj.name, deleted_at=find_trashing_time(obj))


def view_restored(kind: TrashType, obj: CustomResource) -> TrashRestored:
    """Return what the answer to a restore shows of an object."""
    return TrashRestored(entity_type=kind.word, entity_id=kind.prefix + obj.name, status=_status_of(obj))


def put_away(obj: CustomResource, user: str, now: datetime) -> Json:
    """Return the merge patch that puts an object into the trash; empty: it is there already."""
    if is_trashed(obj):
        return {}
    annotations = {ANNOTATION_TRASHED_TIME: now.isoformat(timespec="milliseconds"), ANNOTATION_TRASHED_BY: user}
    return {"metadata": {"labels": {LABEL_TRASHED: "true"}, "annotations": annotations}}


def restore(_obj: CustomResource) -> Json:
    """Return the merge patch that takes an object out of the trash."""
    annotations = {ANNOTATION_TRASHED_TIME: None, ANNOTATION_TRASHED_BY: None}
    return {"metadata": {"labels": {LABEL_TRASHED: None}, "annotations": annotations}}


def check_in_trash(obj: CustomResource) -> None:
    """Make sure that an object is in the trash.

    Raises
    ------
    Refusal
        409 if it is not.
    """
    if not is_trashed(obj):
        message = f"The {obj.info.kind} is not in the trash. DELETE puts it there."
        raise Refusal(HTTPStatus.CONFLICT, message)


def check_is_at_rest(obj: CustomResource) -> None:
    """Make sure that nothing of an object is under way: the trash stops nothing.

    Raises
    ------
    Refusal
        409 if something is.
    """
    if (text := None if is_trashed(obj) else _find_work(obj)) is not None:
        raise Refusal(HTTPStatus.CONFLICT, text)


def _find_work(obj: CustomResource) -> str | None:
    match obj:
        case Run():
            if starts_again(obj) or not obj.status.phase.is_finished:
                return "The Run is not finished. Cancel it, and put it into the trash once it is cancelled."
        case Sandbox():
            if not obj.status.phase.is_finished:
                return (
                    f"The Sandbox is not finished. Cancel its Run {obj.spec.run_ref.name} first, or wait for its end."
                )
        case IssueSession():
            if obj.status.phase is IssueSessionPhase.RUNNING:
                active = obj.status.runs[-1].run if obj.status.runs else "of the session"
                return f"Run {active} works on the issue. Cancel it first, or wait for its end."
    return None


def _name_of(obj: CustomResource) -> str:
    match obj:
        case Run():
            return run_title(obj)
        case Learning():
            return " ".join(obj.spec.text.split())[:_MOST_NAME]
        case IssueSession():
            title = obj.status.issue.title if obj.status.issue is not None else ""
            return title or obj.spec.issue_url
    return obj.name


def _status_of(obj: CustomResource) -> str:
    match obj:
        case Run() | Sandbox() | IssueSession():
            return word_of(obj.status.phase)
        case Learning():
            return "accepted" if obj.spec.accepted else "proposed"
    return "active"
