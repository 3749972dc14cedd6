"""Notifications in the REST API, as one caller sees them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema

from codecourier.apiserver.answers import PLACE, Instant, View, bad_cursor, read_cursor, write_cursor
from codecourier.apiserver.answers import Place as PageEnd
from codecourier.apiserver.bodies import Body
from codecourier.apiserver.ids import NOTIFICATION_ID, PREFIXES, RUN_ID, NotificationName
from codecourier.apiserver.words import WORDS, word_of
from codecourier.core.shared.inbox import Membership, count_unread
from codecourier.core.shared.naming import split_words
from codecourier.core.shared.notices import Notice, Notices, Place
from codecourier.resources.inbox import InboxSpec
from codecourier.resources.meta import Time
from codecourier.resources.notification import Notification, NotificationType

__all__ = [
    "NotificationChoice",
    "NotificationCount",
    "NotificationDismissed",
    "NotificationQuery",
    "NotificationRead",
    "NotificationView",
    "choose_notices",
    "view_notification",
]

_DEFAULT_LIMIT = 50
_STATES = ("all", "unread", "read")
_FILTERS = (*_STATES, *WORDS[NotificationType])
_TIME = TypeAdapter[Time](Time)


def _check_filter(word: str) -> str:
    if word not in _FILTERS:
        raise ValueError(f"must be one of {', '.join(_FILTERS)}")
    return word


class NotificationQuery(BaseModel):
    """Which notifications are asked for."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    filter: Annotated[
        str, AfterValidator(_check_filter), WithJsonSchema({"type": "string", "enum": list(_FILTERS)})
    ] = "all"
    """`all`, `unread`, `read` or a type, such as `run_failed`; dismissed ones are never listed."""

    limit: Annotated[int, Field(ge=1, le=1000)] = _DEFAULT_LIMIT
    """Most notifications of the answer, 1 to 1000."""

    cursor: Annotated[str, Field(max_length=1024)] | None = None
    """`nextCursor` of the page before."""


class NotificationChoice(Body):
    """The notification that is meant."""

    notification_id: NotificationName
    """Its id."""


class NotificationView(View):
    """A notification, as the caller sees it."""

    id: str
    type: str
    title: str
    message: str
    is_read: bool
    read_at: Instant | None
    """When the caller read it. For one that was read among many it may be later, but never earlier."""

    created_at: Instant
    """When the event happened; notifications are ordered by it."""

    entity_type: str
    """Kind of the object that it is about, such as `sprint_chain`."""

    entity_id: str
    """Id of the object that it is about, which may be gone."""

    run_id: str | None
    pr_url: str | None


class NotificationCount(View):
    """A number of notifications."""

    count: int


class NotificationRead(View):
    """What is shown of a notification that was marked as read."""

    id: str
    is_read: bool = True


class NotificationDismissed(View):
    """What is shown of a notification that was dismissed."""

    id: str
    is_dismissed: bool = True


def choose_notices(notices: Notices, inbox: InboxSpec, query: NotificationQuery) -> tuple[list[Notice], str | None]:
    """Return the notifications of a page, newest event first, and where the next one begins; None: there is no more.

    Raises
    ------
    Refusal
        400 if the cursor is none.
    """
    read, dismissed = Membership(inbox.read), Membership(inbox.dismissed)
    wanted_type = None if query.filter in _STATES else WORDS[NotificationType][query.filter]
    found: list[Notice] = []
    most = count_unread(inbox, notices) if query.filter == "unread" else len(notices)
    for notice in notices.newest_first(None if query.cursor is None else _place_of(query.cursor)):
        if len(found) == most:
            break
        if not notice.is_readable or wanted_type not in (None, notice.type) or dismissed.has(notice):
            continue
        if query.filter in {"unread", "read"} and read.has(notice) != (query.filter == "read"):
            continue
        if len(found) == query.limit:
            time, name = found[-1].place
            return found, write_cursor(PageEnd(time.isoformat(), name))
        found.append(notice)
    return found, None


def _place_of(cursor: str) -> Place:
    time, name = read_cursor(cursor, PLACE)
    try:
        return _TIME.validate_python(time), name
    except (ValidationError, OverflowError):
        raise bad_cursor() from None


def view_notification(notification: Notification, notice: Notice, read: Membership) -> NotificationView:
    """Return what a list shows of a notification to a caller who has read these."""
    spec = notification.spec
    return NotificationView(
        id=NOTIFICATION_ID + notification.name,
        type=word_of(spec.type),
        title=spec.title,
        message=spec.message,
        is_read=read.has(notice),
        read_at=read.time_of(notice),
        created_at=spec.event_time,
        entity_type=split_words(spec.entity.kind, "_"),
        entity_id=PREFIXES.get(spec.entity.kind, "") + spec.entity.name,
        run_id=None if spec.run is None else RUN_ID + spec.run,
        pr_url=spec.pr_url,
    )
