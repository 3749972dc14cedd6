"""The operations on notifications: the older paths of the contract and their REST twins, which answer alike."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from codecourier.apiserver.answers import Data, Page, answer, page_of
from codecourier.apiserver.ids import NOTIFICATION_ID, read_id
from codecourier.apiserver.inboxes import Inboxes
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.route import Door, Operations, caller_of
from codecourier.apiserver.views.notification import (
    NotificationChoice,
    NotificationCount,
    NotificationDismissed,
    NotificationQuery,
    NotificationRead,
    NotificationView,
    choose_notices,
    view_notification,
)
from codecourier.core.shared.inbox import Known, Membership, dismiss, mark_all_read, mark_read
from codecourier.core.shared.notices import Notice
from codecourier.kinds.sources import NOTIFICATION_SOURCE
from codecourier.resources.inbox import InboxSpec

__all__ = ["add_notifications"]

_PATH = "/notifications"
_ONE = f"{_PATH}/{{id}}"

NotificationFilter = Annotated[NotificationQuery, Query()]


class _Notifications:
    def __init__(self, door: Door, inboxes: Inboxes) -> None:
        self._served = door.served
        self._inboxes = inboxes

    async def list_notifications(self, request: Request, query: NotificationFilter) -> Response:
        """List the notifications of the project, newest first, without those that the caller dismissed."""
        caller = caller_of(request)
        inbox = self._inboxes.find(caller)
        page, cursor = choose_notices(self._inboxes.notices(caller.namespace), inbox, query)
        read = Membership(inbox.read)
        found = ((self._served.find(NOTIFICATION_SOURCE, caller.namespace, notice.name), notice) for notice in page)
        return page_of((view_notification(one, notice, read) for one, notice in found if one is not None), cursor)

    async def list_notifications_by_word(self, request: Request, query: NotificationFilter) -> Response:
        """List the notifications of the project, by the contract's older path."""
        return await self.list_notifications(request, query)

    async def count_unread_notifications(self, request: Request) -> Response:
        """Count the notifications that the caller has not read."""
        return answer(NotificationCount(count=self._inboxes.count_unread(caller_of(request))))

    async def mark_notification_read(self, request: Request, id: str) -> Response:  # noqa: A002
        """Mark a notification as read by the caller."""
        return await self._mark_read(request, read_id(id, NOTIFICATION_ID))

    async def mark_chosen_notification_read(self, request: Request, body: NotificationChoice) -> Response:
        """Mark a notification as read by the caller, by the contract's older path."""
        return await self._mark_read(request, body.notification_id)

    async def mark_all_notifications_read(self, request: Request) -> Response:
        """Mark all notifications of the project as read by the caller."""
        counted = 0

        def mark(inbox: InboxSpec, known: Known, now: datetime) -> InboxSpec:
            nonlocal counted
            marked, counted = mark_all_read(inbox, known, now)
            return marked

        await self._inboxes.change(caller_of(request), mark)
        return answer(NotificationCount(count=counted))

    async def mark_all_notifications_read_by_word(self, request: Request) -> Response:
        """Mark all notifications of the project as read by the caller, by the contract's older path."""
        return await self.mark_all_notifications_read(request)

    async def dismiss_notification(self, request: Request, id: str) -> Response:  # noqa: A002
        """Dismiss a notification: the caller's lists show it no more."""
        return await self._dismiss(request, read_id(id, NOTIFICATION_ID))

    async def dismiss_chosen_notification(self, request: Request, body: NotificationChoice) -> Response:
        """Dismiss a notification, by the contract's older path."""
        return await self._dismiss(request, body.notification_id)

    async def _mark_read(self, request: Request, name: str) -> Response:
        notice = self._find(request, name)
        await self._inboxes.change(caller_of(request), lambda inbox, known, now: mark_read(inbox, notice, known, now))
        return answer(NotificationRead(id=NOTIFICATION_ID + name))

    async def _dismiss(self, request: Request, name: str) -> Response:
        notice = self._find(request, name)
        await self._inboxes.change(caller_of(request), lambda inbox, known, now: dismiss(inbox, notice, known, now))
        return answer(NotificationDismissed(id=NOTIFICATION_ID + name))

    def _find(self, request: Request, name: str) -> Notice:
        notice = self._inboxes.notices(caller_of(request).namespace).find(name)
        if notice is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such Notification in this project.")
        return notice


def add_notifications(router: APIRouter, door: Door, inboxes: Inboxes) -> None:
    """Add the operations on notifications to a router."""
    found = _Notifications(door, inboxes)
    operations = Operations(router, NOTIFICATION_SOURCE.resource.plural, NOTIFICATION_ID)
    page, read, dismissed = Page[NotificationView], Data[NotificationRead], Data[NotificationDismissed]
    count, conflict, absent = Data[NotificationCount], {HTTPStatus.CONFLICT}, {HTTPStatus.NOT_FOUND}
    operations.add("GET", f"{_PATH}/list", "list", found.list_notifications_by_word, page)
    operations.add("GET", f"{_PATH}/unread-count", "list", found.count_unread_notifications, count)
    operations.add(
        "POST", f"{_PATH}/mark-read", "get", found.mark_chosen_notification_read, read, errors=absent | conflict
    )
    operations.add("POST", f"{_PATH}/mark-all-read", "get", found.mark_all_notifications_read_by_word, count)
    operations.add(
        "POST", f"{_PATH}/dismiss", "get", found.dismiss_chosen_notification, dismissed, errors=absent | conflict
    )
    operations.add("GET", _PATH, "list", found.list_notifications, page)
    operations.add("PUT", f"{_PATH}/read-all", "get", found.mark_all_notifications_read, count)
    operations.add("PUT", f"{_ONE}/read", "get", found.mark_notification_read, read, errors=conflict)
    operations.add("DELETE", _ONE, "get", found.dismiss_notification, dismissed, errors=conflict)
