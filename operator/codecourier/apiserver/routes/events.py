"""The stream of what changes in a project."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from math import inf
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from codecourier.apiserver.answers import View
from codecourier.apiserver.changes import Changes, change_of
from codecourier.apiserver.event_stream import EVENT_STREAM, read_events, show_end
from codecourier.apiserver.refusal import Detail, Refusal, bad_request
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import OF_THE_TYPE, Door, Operations, caller_of
from codecourier.apiserver.streams import Stream, Streams, StreamTerms, seconds_of
from codecourier.kinds.sources import INBOX_SOURCE
from codecourier.kube.api import Json, Resource
from codecourier.resources.meta import GROUP

__all__ = ["add_events"]

_PRIVATE = frozenset({INBOX_SOURCE.resource})
"""Kinds whose objects are of one user alone."""

_MOST_OF_USER = 10
_MOST = 500

_NO_WATCH = "Add watch=true: only with it kube-apiserver lets the answer go on for longer than a minute."

LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=128)]


class ChangeView(View):
    """Data of an event `change`."""

    kind: str
    """Kind of the object, such as `sprint_chain`."""

    id: str
    change: str
    """`created`, `updated` or `deleted`; what comes into the trash is deleted, what is restored is created."""

    resource_version: str
    """Version of the object in the cluster; higher ones of a kind are newer."""


class _Events:
    def __init__(self, door: Door, streams: Streams) -> None:
        self._door = door
        self._streams = streams
        self._changes = Changes(secrets.token_hex(8))
        resources = [kind.source.resource for kind in door.served.store.kinds]
        self._rights: Mapping[str, Right] = {
            resource.plural: Right("list", resource.plural)
            for resource in resources
            if resource.group == GROUP and resource not in _PRIVATE
        }
        door.served.store.subscribe(self._note)

    async def follow_events(self, request: Request, last_event_id: LastEventId = None) -> Response:
        """Follow what changes in the project, of the kinds that the caller may list, as server-sent events."""
        return await self._follow(request, last_event_id, seconds_of(request))

    async def watch_events(
        self, request: Request, watch: str | None = None, last_event_id: LastEventId = None
    ) -> Response:
        """Follow what changes in the project by a path that kube-apiserver lets go on for longer than a minute."""
        if (watch or "").lower() not in {"1", "true"}:
            raise bad_request(Detail(field="watch", message=_NO_WATCH))
        return await self._follow(request, last_event_id, inf)

    async def _follow(self, request: Request, after: str | None, seconds: float) -> Response:
        caller, allowed = caller_of(request), await self._find_allowed(request)

        async def check() -> None:
            await self._door.check_again(request, [self._rights[plural] for plural in sorted(allowed)])

        parts = read_events(self._changes, caller.namespace, allowed, after)
        terms = StreamTerms(check, self._streams.begin(caller.identity.user), seconds)
        return Stream(self._streams, terms, parts, show_end, {"Content-Type": EVENT_STREAM})

    async def _find_allowed(self, request: Request) -> frozenset[str]:
        """Return the plurals of the kinds that the caller may list."""
        allowed, refused = set(), None
        for plural, right in self._rights.items():
            try:
                await self._door.check(request, right, "")
            except Refusal as refusal:
                if refusal.status_code != HTTPStatus.FORBIDDEN:
                    raise
                refused = refusal
            else:
                allowed.add(plural)
        if not allowed and refused is not None:
            raise refused
        return frozenset(allowed)

    def _note(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        if resource.plural not in self._rights or resource.kind in self._door.served.unsynced:
            # What the first list shows has not changed.
            return
        if (change := change_of(resource, old, new)) is not None:
            self._changes.add(change)


def add_events(router: APIRouter, watched: APIRouter, door: Door) -> Streams:
    """Add the stream of events to a router, and to that of what kube-apiserver knows as watches; return the streams."""
    streams = Streams("streams of events", _MOST_OF_USER, _MOST)
    events = _Events(door, streams)
    for its_router, handle in ((router, events.follow_events), (watched, events.watch_events)):
        operations = Operations(its_router, OF_THE_TYPE, "", "events")
        operations.add("GET", "/events", "list", handle, ChangeView, media=EVENT_STREAM)
    return streams
