"""Server-sent events of what changes in a project."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import orjson

from codecourier.apiserver.changes import Change, Changes, Place, Subscription
from codecourier.apiserver.streams import End
from codecourier.kube.api import Json

__all__ = ["EVENT_STREAM", "read_events", "show_end"]

EVENT_STREAM = "text/event-stream"

_BEAT_SECONDS = 15.0
"""How often a quiet stream shows that it lives."""

_BATCH = 100
"""Most changes in one part of the answer."""

_LIST_AGAIN = "Changes before this one are not known here any more, or never were. List what you need again."
_TOO_SLOW = "You read more slowly than things change, and some changes are lost. Connect again, and list again."


async def read_events(
    changes: Changes, namespace: str, resources: frozenset[str], after: str | None
) -> AsyncGenerator[bytes]:
    """Yield the parts of an answer that tells what changes.

    Parameters
    ----------
    changes
        What changes in all projects.
    namespace
        The project.
    resources
        Plurals of the kinds that are followed.
    after
        Id of the last event that the reader has seen; None: it begins.
    """
    is_awake = asyncio.Event()
    follower = Subscription(namespace, resources, is_awake.set)
    begin = changes.place
    seen = None if after is None else Place.read(after) or Place("", 0)
    is_whole = changes.follow(follower, seen)
    try:
        opened = {"resources": sorted(resources)}
        yield b"retry: 2000\n" + _frame("open", opened, seen if seen is not None and is_whole else begin)
        if not is_whole:
            yield _frame("reset", {"message": _LIST_AGAIN}, begin)
        while not follower.is_too_slow:
            if part := _take(changes, follower):
                yield part
            elif not await _wait(is_awake):
                yield b": still here\n\n"
        yield show_end(End("too_slow", _TOO_SLOW))
    finally:
        changes.leave(follower)


def show_end(end: End) -> bytes:
    """Return the last event of a stream."""
    return _frame("end", {"code": end.code, "message": end.message})


def _take(changes: Changes, follower: Subscription) -> bytes:
    frames: list[bytes] = []
    while len(frames) < _BATCH and (found := follower.take()) is not None:
        number, change = found
        frames.append(_frame("change", _shown(change), changes.place_of(number)))
    return b"".join(frames)


async def _wait(is_awake: asyncio.Event) -> bool:
    """Wait until something waits for the reader; return whether that was soon enough."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_BEAT_SECONDS):
            await is_awake.wait()
    is_set = is_awake.is_set()
    is_awake.clear()
    return is_set


def _shown(change: Change) -> Json:
    return {
        "kind": change.kind,
        "id": change.id,
        "change": change.change,
        "resourceVersion": change.resource_version,
    }


def _frame(name: str, data: Json, place: Place | None = None) -> bytes:
    first = "" if place is None else f"id: {place}\n"
    return f"{first}event: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
