"""The stream of what changes in a project."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from codecourier.apiserver.answers import View
from codecourier.apiserver.changes import Changes, change_of
from codecourier.apiserver.doors import project_in_path
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.rights import Right
from codecourier.apiserver.route import OF_THE_TYPE, Door, Operations, caller_of
from codecourier.apiserver.streams import EVENT_STREAM, EventStream, StreamRequest, Streams
from codecourier.kinds.sources import INBOX_SOURCE
from codecourier.kube.api import Json, Resource
from codecourier.resources.meta import GROUP

__all__ = ["add_events"]

_PRIVATE = frozenset({INBOX_SOURCE.resource})
"""Kinds whose objects are of one user alone."""

_PASSED_ON_SECONDS = 55.0
"""How long an answer through kube-apiserver may last: that cuts requests off after 60 seconds."""

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
        resources = [kind.source.resource for kind in door.served.store.kinds]
        self._rights: Mapping[str, Right] = {
            resource.plural: Right("list", resource.plural)
            for resource in resources
            if resource.group == GROUP and resource not in _PRIVATE
        }
        door.served.store.subscribe(self._note)

    async def follow_events(self, request: Request, last_event_id: LastEventId = None) -> Response:
        """Follow what changes in the project, of the kinds that the caller may list, as server-sent events."""
        caller = caller_of(request)
        self._streams.check_room(caller)
        allowed = await self._find_allowed(request)
        seconds = float("inf") if project_in_path(request) is None else _PASSED_ON_SECONDS

        async def check() -> None:
            await self._door.check_again(request, [self._rights[plural] for plural in sorted(allowed)])

        wanted = StreamRequest(caller, allowed, last_event_id, check, seconds)
        return EventStream(self._streams, wanted)

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
            self._streams.changes.add(change)


def add_events(router: APIRouter, door: Door) -> Streams:
    """Add the stream of events to a router; return the streams, to be stopped with the server."""
    streams = Streams(Changes(secrets.token_hex(8)))
    events = _Events(door, streams)
    operations = Operations(router, OF_THE_TYPE, "", "events")
    operations.add("GET", "/events", "list", events.follow_events, ChangeView, media=EVENT_STREAM)
    return streams
