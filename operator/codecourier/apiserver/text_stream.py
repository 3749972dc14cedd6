"""Answers without a known end: they stop with the client, with its rights, and when it reads too slowly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codecourier.apiserver.refusal import Refusal

__all__ = ["CHECK_SECONDS", "MOST_STREAMS", "MOST_STREAMS_OF_USER", "SLOW_SECONDS", "StreamLimit", "TextStream"]

CHECK_SECONDS = 30.0
"""How often it is looked whether the caller still has the right."""

SLOW_SECONDS = 30.0
"""How long a client may take to read what it was sent, before the connection ends."""

MOST_STREAMS = 64
"""Most streams at one time: each holds a connection to the cluster's API server, of 128."""

MOST_STREAMS_OF_USER = 8


class StreamLimit:
    """Counts the streams that are open, of all users and of each."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    def begin(self, user: str) -> Callable[[], None]:
        """Count one more stream of a user; return what ends it.

        Raises
        ------
        Refusal
            429 if there are too many.
        """
        if self._open[user] >= MOST_STREAMS_OF_USER:
            message = f"User {user} has {MOST_STREAMS_OF_USER} streams open, which is the most. End one of them first."
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=5)
        if self._open.total() >= MOST_STREAMS:
            message = f"{MOST_STREAMS} streams are open, which is the most that this server serves. Try again."
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=5)
        self._open[user] += 1

        def end() -> None:
            self._open[user] -= 1
            self._open += Counter()  # drops the users who have none left

        return end


class TextStream(Response):
    """A text that comes in parts.

    Parameters
    ----------
    parts
        The parts, as UTF-8; closed at the end.
    check
        Raises a `Refusal` once the caller lacks the right.
    end
        Called at the end, whatever it was.
    headers
        Further headers.
    """

    media_type = "text/plain"

    def __init__(
        self,
        parts: AsyncGenerator[bytes],
        check: Callable[[], Awaitable[object]],
        end: Callable[[], None],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers={**headers, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
        del self.headers["content-length"]
        self._parts = parts
        self._check = check
        self._end = end

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts as long as the client reads them and may."""
        sending = asyncio.create_task(self._send(send))
        checking = asyncio.create_task(self._check_often())
        leaving = asyncio.create_task(_left(receive))
        tasks = (sending, checking, leaving)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                await _stop(sending)
            if checking.done() and not leaving.done() and (refusal := checking.result()) is not None:
                await _send_part(send, f"\n# The stream ends here: {refusal.detail}\n".encode())
                await _send_part(send, b"", is_last=True)
            if sending.done() and not sending.cancelled():
                sending.result()
        finally:
            for task in tasks:
                await _stop(task)
            await self._parts.aclose()
            self._end()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # A client that reads nothing must not hold what is sent to it: its connection ends without the rest.
        with suppress(TimeoutError):
            async for part in self._parts:
                await _send_part(send, part)
            await _send_part(send, b"", is_last=True)

    async def _check_often(self) -> Refusal:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            try:
                await self._check()
            except Refusal as refusal:
                # That a key has asked too often says nothing about its rights.
                if refusal.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                    return refusal


async def _left(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_part(send: Send, part: bytes, *, is_last: bool = False) -> None:
    async with asyncio.timeout(SLOW_SECONDS):
        await send({"type": "http.response.body", "body": part, "more_body": not is_last})


async def _stop(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.wait([task])
