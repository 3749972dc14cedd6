"""Talk to the API server: requests, watches, and for tests the line that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from codecourier.local.processnode.kubeconfig import ClusterAccess
from codecourier.local.processnode.objects import Json
from codecourier.local.processnode.signalling import Signal

__all__ = ["NETWORK_ERRORS", "STRATEGIC_PATCH", "Api", "ApiError"]

STRATEGIC_PATCH = "application/strategic-merge-patch+json"
"""The patch that merges a pod's conditions by their type."""

NETWORK_ERRORS = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""What a request may raise besides `ApiError`: no answer."""

_REQUEST_SECONDS = 10
_WATCH_SECONDS = 240
_CONNECTIONS = 64


class ApiError(Exception):
    """The API server refused.

    Parameters
    ----------
    status
        The HTTP status.
    message
        In the server's words.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """A client of one API server.

    Parameters
    ----------
    access
        Where it is and who we are.
    """

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None
        self._online = asyncio.Event()
        self._online.set()
        self._cut = Signal()
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def is_online(self) -> bool:
        """Whether the line has not been cut by `disconnect`."""
        return self._online.is_set()

    async def wait_online(self) -> None:
        """Wait while the line is cut."""
        await self._online.wait()

    async def wait_cut(self, timeout_seconds: float) -> None:
        """Wait until the line is cut, at most this long."""
        await self._cut.wait(timeout_seconds)

    async def disconnect(self) -> None:
        """Cut every connection, what is under way with it; further requests wait until `reconnect`."""
        if not self.is_online:
            return
        self._online.clear()
        for line in self._under_way:
            line.reschedule(asyncio.get_running_loop().time())
        self._cut.notify()
        await self.close()

    def reconnect(self) -> None:
        """Let requests through again."""
        self._online.set()

    async def close(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        parameters: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Send one request and return the answer's object.

        Raises
        ------
        ApiError
            When the server refuses.
        aiohttp.ClientError, TimeoutError, OSError
            When there is no answer; whether the request was carried out is not known.
        """
        async with (
            self._line() as session,
            session.request(
                method,
                self._access.server + path,
                params=parameters,
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": content_type},
                timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS),
            ) as answer,
        ):
            return _checked(answer.status, await answer.read())

    async def watch(self, path: str, parameters: Mapping[str, str], on_event: Callable[[Json], None]) -> None:
        """Watch until the server ends it; each event is handed to `on_event`.

        Raises
        ------
        ApiError
            When the server refuses.
        aiohttp.ClientError, TimeoutError, OSError
            When the line breaks.
        """
        asked = {**parameters, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(_WATCH_SECONDS)}
        # The server ends the watch by itself; a line that is dead in silence is given up a little later.
        timeout = aiohttp.ClientTimeout(total=_WATCH_SECONDS + 30, sock_connect=_REQUEST_SECONDS)
        async with (
            self._line() as session,
            session.get(self._access.server + path, params=asked, timeout=timeout) as answer,
        ):
            if answer.status >= 400:  # noqa: PLR2004 - the HTTP standard
                _checked(answer.status, await answer.read())
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    on_event(orjson.loads(line))

    @asynccontextmanager
    async def _line(self) -> AsyncIterator[aiohttp.ClientSession]:
        await self._online.wait()
        # Closing a session leaves its readers waiting for the other side; this ends them at once.
        async with asyncio.timeout(None) as line:
            self._under_way.add(line)
            try:
                yield self._open_session()
            finally:
                self._under_way.discard(line)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._access.context, limit=_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector, headers=self._access.headers, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def _checked(status: int, text: bytes) -> Json:
    try:
        content: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        content = {"message": text.decode(errors="replace")[:200]}
    if status >= 400:  # noqa: PLR2004 - the HTTP standard
        raise ApiError(status, str(content.get("message", "")))
    found: Json = content
    return found
