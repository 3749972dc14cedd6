"""The Inboxes of callers: read from the cache, and written so that no other replica's write is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from weakref import WeakValueDictionary

from codecourier.apiserver.callers import Caller
from codecourier.apiserver.notices import NOTICES, NoticeIndex
from codecourier.apiserver.refusal import Refusal, refusal_of
from codecourier.apiserver.served import Served
from codecourier.core.shared.inbox import InboxFullError, Known, count_unread, inbox_name
from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY
from codecourier.core.shared.notices import Notices
from codecourier.kinds.sources import INBOX_SOURCE, NOTIFICATION_SOURCE
from codecourier.kube.api import Json, KubeApi
from codecourier.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from codecourier.resources.inbox import MAX_EXCEPTIONS, USER_MAX_LENGTH, InboxSpec

__all__ = ["Inboxes"]

_INBOXES = INBOX_SOURCE.resource
_MOST_TRIES = 40
_FULL = (
    f"Your inbox holds {MAX_EXCEPTIONS} single notifications, its most. Mark all as read, or dismiss older ones first:"
    " notifications in a row take no room."
)


class Inboxes:
    """The Inboxes of callers.

    Parameters
    ----------
    api
        The cluster's API server.
    served
        The caches.
    now
        The wall clock.
    """

    def __init__(self, api: KubeApi, served: Served, now: Callable[[], datetime]) -> None:
        self._api = api
        self._served = served
        self._now = now
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def notices(self, namespace: str) -> Notices:
        """Return the Notifications of a project in their order."""
        index: NoticeIndex = self._served.store.follower(NOTIFICATION_SOURCE.resource, NOTICES)
        return index.of(namespace)

    def find(self, caller: Caller) -> InboxSpec:
        """Return what a caller has read and dismissed; nothing without an Inbox."""
        inbox = self._served.find(INBOX_SOURCE, caller.namespace, inbox_name(caller.identity.user))
        return _new_spec(caller) if inbox is None else inbox.spec

    def count_unread(self, caller: Caller) -> int:
        """Return how many Notifications a caller has not read."""
        return count_unread(self.find(caller), self.notices(caller.namespace))

    async def change(self, caller: Caller, build: Callable[[InboxSpec, Known, datetime], InboxSpec]) -> InboxSpec:
        """Change a caller's Inbox; nothing is written if nothing changes.

        Parameters
        ----------
        caller
            Whose Inbox.
        build
            Returns what it is to be, from what it is; called again if another replica was faster.

        Raises
        ------
        Refusal
            409 if the Inbox is full, the project is being deleted or other replicas were faster each time; what the
            cluster refuses.
        """
        key = (caller.namespace, caller.identity.user)
        lock = self._locks.setdefault(key, asyncio.Lock())
        # One after another: requests of one caller at one replica need not run into conflicts.
        async with lock:
            try:
                return await self._change(caller, build)
            except InboxFullError:
                raise Refusal(HTTPStatus.CONFLICT, _FULL) from None
            except KubeError as error:
                raise refusal_of(error) from error

    async def _change(self, caller: Caller, build: Callable[[InboxSpec, Known, datetime], InboxSpec]) -> InboxSpec:
        name = inbox_name(caller.identity.user)
        found = self._served.store.raw(_INBOXES, caller.namespace, name)
        for _ in range(_MOST_TRIES):
            before = _new_spec(caller) if found is None else INBOX_SOURCE.parse(found).spec
            spec = build(before, self._known(caller.namespace), self._now())
            if spec == before:
                return before
            try:
                await self._write(caller, found, spec)
            except (AlreadyExists, Conflict, NotFound):
                found = await self._read(caller.namespace, name)
            else:
                return spec
        message = "Other requests change your inbox all the time. Try again."
        raise Refusal(HTTPStatus.CONFLICT, message, retry_after=1)

    async def _write(self, caller: Caller, found: Json | None, spec: InboxSpec) -> None:
        stamp = {ANNOTATION_REQUESTED_BY: caller.identity.user}
        if found is None:
            metadata = {"name": inbox_name(caller.identity.user), "namespace": caller.namespace, "annotations": stamp}
            obj = {"apiVersion": _INBOXES.api_version, "kind": _INBOXES.kind, "metadata": metadata}
            written = await self._api.create(_INBOXES, {**obj, "spec": spec.to_json()})
        else:
            annotations = {**(found["metadata"].get("annotations") or {}), **stamp}
            obj = {**found, "metadata": {**found["metadata"], "annotations": annotations}}
            written = await self._api.replace(_INBOXES, {**obj, "spec": spec.to_json()})
        self._served.store.cache(_INBOXES).note_write(written)

    async def _read(self, namespace: str, name: str) -> Json | None:
        try:
            return await self._api.get(_INBOXES, namespace, name)
        except NotFound:
            return None

    def _known(self, namespace: str) -> Known:
        cache = self._served.store.cache(NOTIFICATION_SOURCE.resource)

        def has_left(name: str) -> bool:
            return cache.get(namespace, name) is None and cache.left_version(namespace, name) is not None

        return Known(self.notices(namespace), has_left)


def _new_spec(caller: Caller) -> InboxSpec:
    return InboxSpec(user=caller.identity.user[:USER_MAX_LENGTH])
