"""Server-sent events: one answer that goes on, for as long as its reader reads and may."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codecourier.apiserver.callers import Caller
from codecourier.apiserver.changes import Change, Changes, Place, Subscription
from codecourier.apiserver.refusal import Refusal, code_of
from codecourier.kube.api import Json

__all__ = ["EVENT_STREAM", "EventStream", "StreamRequest", "Streams"]

EVENT_STREAM = "text/event-stream"

_BEAT_SECONDS = 15.0
"""How often a quiet stream shows that it lives."""

_CHECK_SECONDS = 30.0
"""How often it is asked whether the caller may still read: so long a key works on that was revoked."""

_MOST_OF_CALLER = 10
_MOST = 500

_BATCH = 100
"""Most changes in one part of the answer."""

_LIST_AGAIN = "Changes before this one are not known here any more, or never were. List what you need again."
_TOO_SLOW = "You read more slowly than things change, and some changes are lost. Connect again, and list again."
_OVER = "This answer has lasted as long as it may. Connect again with Last-Event-ID."
_STOPPING = "The server is stopping. Connect again with Last-Event-ID."


class Streams:
    """The streams that a server has, each caller's bounded.

    Parameters
    ----------
    changes
        What is streamed.
    """

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.is_stopping = False
        self._held: Counter[Caller] = Counter()
        self._wakes: set[Callable[[], None]] = set()

    def check_room(self, caller: Caller) -> None:
        """Make sure that a caller may have one more.

        Raises
        ------
        Refusal
            429 if the caller has too many, 503 if the server has.
        """
        if self._held[caller] >= _MOST_OF_CALLER:
            message = f"You have {_MOST_OF_CALLER} streams of events open at this server. Close one, or share them."
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=5)
        if self._held.total() >= _MOST:
            message = "The server has as many streams of events as it can hold. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=5)

    def enter(self, caller: Caller, wake: Callable[[], None]) -> None:
        """Count a stream."""
        self._held[caller] += 1
        self._wakes.add(wake)

    def leave(self, caller: Caller, wake: Callable[[], None]) -> None:
        """Count a stream no more."""
        self._wakes.discard(wake)
        self._held[caller] -= 1
        if not self._held[caller]:
            del self._held[caller]

    def stop(self) -> None:
        """End all streams."""
        self.is_stopping = True
        for wake in self._wakes:
            wake()


@dataclass(frozen=True)
class StreamRequest:
    """What a caller wants to follow."""

    caller: Caller
    resources: frozenset[str]
    """Plurals of the kinds that the caller may list."""

    after: str | None
    """Id of the last event that the caller has seen; None: it begins."""

    check: Callable[[], Awaitable[None]]
    """Raises a refusal once the caller may not go on."""

    seconds: float = float("inf")
    """How long the answer may last."""


class EventStream(Response):
    """The answer.

    Parameters
    ----------
    streams
        The streams of the server.
    request
        What is followed.
    """

    def __init__(self, streams: Streams, request: StreamRequest) -> None:
        # The framework would add a charset to a type that has only one.
        super().__init__(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._streams = streams
        self._request = request

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the reader leaves, or the stream ends."""
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_wait_until_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        await send(start)
        async with aclosing(_Session(self._streams, self._request).parts()) as parts:
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@dataclass
class _Session:
    """One stream while it goes on."""

    streams: Streams
    request: StreamRequest
    is_awake: asyncio.Event = field(default_factory=asyncio.Event)

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the parts of the answer."""
        changes, caller = self.streams.changes, self.request.caller
        follower = Subscription(caller.namespace, self.request.resources, self.is_awake.set)
        begin = changes.place
        after = None if self.request.after is None else Place.read(self.request.after) or Place("", 0)
        is_whole = changes.follow(follower, after)
        self.streams.enter(caller, self.is_awake.set)
        try:
            yield b"retry: 2000\n" + _frame(_opened(self.request), after if after is not None and is_whole else begin)
            if not is_whole:
                yield _frame(("reset", {"message": _LIST_AGAIN}), begin)
            async for part in self._follow(follower):
                yield part
        finally:
            changes.leave(follower)
            self.streams.leave(caller, self.is_awake.set)

    async def _follow(self, follower: Subscription) -> AsyncGenerator[bytes]:
        now = asyncio.get_running_loop().time
        begin = now()
        beat_time, check_time = begin + _BEAT_SECONDS, begin + _CHECK_SECONDS
        while True:
            if now() >= check_time:
                check_time = now() + _CHECK_SECONDS
                if end := await self._find_refusal():
                    yield _frame(end)
                    return
            if part := self._take(follower):
                beat_time = now() + _BEAT_SECONDS
                yield part
                continue
            if end := self._find_end(follower, now() - begin):
                yield _frame(end)
                return
            if now() >= beat_time:
                beat_time = now() + _BEAT_SECONDS
                yield b": still here\n\n"
            await self._wait(min(beat_time, check_time, begin + self.request.seconds) - now())

    async def _find_refusal(self) -> tuple[str, Json] | None:
        try:
            await self.request.check()
        except HTTPException as error:
            return _end(code_of(error.status_code), error.detail)
        return None

    def _find_end(self, follower: Subscription, seconds: float) -> tuple[str, Json] | None:
        if follower.is_too_slow:
            return _end("too_slow", _TOO_SLOW)
        if self.streams.is_stopping:
            return _end("stopping", _STOPPING)
        return _end("over", _OVER) if seconds >= self.request.seconds else None

    def _take(self, follower: Subscription) -> bytes:
        frames: list[bytes] = []
        while len(frames) < _BATCH and (found := follower.take()) is not None:
            number, change = found
            frames.append(_frame(("change", _shown(change)), self.streams.changes.place_of(number)))
        return b"".join(frames)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self.is_awake.wait()
        self.is_awake.clear()


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _opened(request: StreamRequest) -> tuple[str, Json]:
    return "open", {"resources": sorted(request.resources)}


def _end(code: str, message: str) -> tuple[str, Json]:
    return "end", {"code": code, "message": message}


def _shown(change: Change) -> Json:
    return {
        "kind": change.kind,
        "id": change.id,
        "change": change.change,
        "resourceVersion": change.resource_version,
    }


def _frame(event: tuple[str, Json], place: Place | None = None) -> bytes:
    name, data = event
    first = "" if place is None else f"id: {place}\n"
    return f"{first}event: {name}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"
