"""Answers that go on: each ends with its reader, the caller's right, its time and the server."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from codecourier.apiserver.doors import project_in_path
from codecourier.apiserver.refusal import Refusal, code_of

__all__ = ["CHECK_SECONDS", "End", "Stream", "StreamTerms", "Streams", "seconds_of"]

CHECK_SECONDS = 30.0
"""How often the caller's right is checked again: a key that was revoked works on for so long."""

_PASSED_ON_SECONDS = 55.0
"""How long an answer through kube-apiserver may last where that cuts it off after 60 seconds."""

_OVER = (
    "kube-apiserver cuts an answer at this path off after a minute, so it ends here. Ask again, or at a path that "
    "may last: …/events?watch=true for events, …/api/v1/log/<id> for logs."
)
_STOPPING = "The server is stopping. Ask again."


@dataclass(frozen=True)
class End:
    """Why an answer ends before all was sent."""

    code: str
    """A word for programs."""

    message: str
    """What happened and what to do next."""


class Streams:
    """The open answers of one sort, of which each user may have a few.

    Parameters
    ----------
    noun
        What they are called in refusals, in the plural.
    most_of_user
        Most of one user at one time.
    most
        Most of all users.
    """

    def __init__(self, noun: str, most_of_user: int, most: int) -> None:
        self._noun = noun
        self._most_of_user = most_of_user
        self._most = most
        self._open: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    def begin(self, user: str) -> Callable[[], None]:
        """Count one more of a user; return what ends it.

        Raises
        ------
        Refusal
            429 if the user has too many, 503 if the server has.
        """
        if self._open[user] >= self._most_of_user:
            message = (
                f"User {user} has {self._most_of_user} {self._noun} open, which is the most. End one of them first."
            )
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, message, retry_after=5)
        if self._open.total() >= self._most:
            message = f"{self._most} {self._noun} are open, which is the most that this server serves. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=5)
        self._open[user] += 1

        def end() -> None:
            self._open[user] -= 1
            self._open += Counter()  # drops the users who have none left

        return end

    def stop(self) -> None:
        """End all of them, and each that begins later."""
        self._stopping.set()

    async def wait_until_stopped(self) -> None:
        """Wait until all of them are to end."""
        await self._stopping.wait()


def seconds_of(request: HTTPConnection) -> float:
    """Return how long the answer may last at a path that kube-apiserver does not know as one of a watch or a log."""
    return inf if project_in_path(request) is None else _PASSED_ON_SECONDS


@dataclass(frozen=True)
class StreamTerms:
    """How long an answer may go on."""

    check: Callable[[], Awaitable[None]]
    """Raises a refusal once the caller may not go on."""

    end: Callable[[], None]
    """Called at the end, whatever it was."""

    seconds: float = inf
    """How long it may last."""


class Stream(Response):
    """An answer that goes on.

    Parameters
    ----------
    streams
        The answers of its sort.
    terms
        How long it may go on.
    parts
        Its parts; closed at the end.
    show_end
        Returns the last part of an answer that ends before all was sent.
    headers
        Its headers, with the type of its content.
    """

    def __init__(
        self,
        streams: Streams,
        terms: StreamTerms,
        parts: AsyncGenerator[bytes],
        show_end: Callable[[End], bytes],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers})
        del self.headers["content-length"]
        self._streams = streams
        self._terms = terms
        self._parts = parts
        self._show_end = show_end

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send the parts as long as the client reads them and may."""
        tasks: list[asyncio.Task[Any]] = []
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            works = (self._send(send), self._find_end(), _wait_until_left(receive))
            tasks = [asyncio.create_task(work) for work in works]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            sending, ending, leaving = tasks
            if sending.done():
                sending.result()
            elif ending.done() and not leaving.done():
                await _stop(sending)
                await _send_part(send, self._show_end(ending.result()), is_last=True)
        finally:
            for task in tasks:
                await _stop(task)
            await self._parts.aclose()
            self._terms.end()

    async def _send(self, send: Send) -> None:
        # A client that does not read holds one part; its connection ends after a while.
        async for part in self._parts:
            await _send_part(send, part)
        await _send_part(send, b"", is_last=True)

    async def _find_end(self) -> End:
        """Wait until the answer may not go on; return why."""
        now, seconds = asyncio.get_running_loop().time, self._terms.seconds
        begin = now()
        while True:
            left = seconds - (now() - begin)
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, CHECK_SECONDS)):
                    await self._streams.wait_until_stopped()
                return End("stopping", _STOPPING)
            if left <= CHECK_SECONDS:
                return End("over", _OVER)
            try:
                await self._terms.check()
            except HTTPException as error:
                return End(code_of(error.status_code), error.detail)


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_part(send: Send, part: bytes, *, is_last: bool = False) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": not is_last})


async def _stop(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
