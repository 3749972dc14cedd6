"""Connections of clients: how many, how slow, how large the heads of requests, and what certificates say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from codecourier.apiserver.doors import PEER

__all__ = ["Connections", "HttpProtocol", "Limits", "Place"]

_HEADER_COST_BYTES = 32
"""What a header takes beside its name and value."""


@dataclass(frozen=True)
class Limits:
    """What a client may take of the server before it is known, and of its answers afterwards."""

    most_connections: int = 1000
    """Connections at one time. One more closes the one that was idle for the longest."""

    head_seconds: float = 15.0
    """How long TLS may take to begin, and the head of a request to arrive."""

    head_bytes: int = 64 * 1024
    """Longest head: first line and headers."""

    rest_seconds: float = 15.0
    """How long the rest of a body may take that came after the answer."""

    idle_seconds: float = 60.0
    """How long a connection may wait for another request."""

    stall_seconds: float = 30.0
    """How long a client may read nothing of an answer."""


class Place:
    """The place of one connection among all.

    Parameters
    ----------
    connections
        All of them.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self.abort: Callable[[], object] = lambda: None
        """Ends the connection at once."""

    def become_idle(self) -> None:
        """Let the connection be closed for another one: it answers nothing."""
        self._connections.idle.pop(self, None)
        self._connections.idle[self] = None

    def become_busy(self) -> None:
        """Keep the connection: it answers a request."""
        self._connections.idle.pop(self, None)

    def leave(self) -> None:
        """Give the place back: the connection has ended."""
        self._connections.idle.pop(self, None)
        self._connections.open.discard(self)


class Connections:
    """The open connections, those that still begin TLS among them.

    Parameters
    ----------
    limits
        The limits.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open: set[Place] = set()
        self.idle: dict[Place, None] = {}
        """Those that answer nothing, the longest idle first."""

        self.vouched: set[HttpProtocol] = set()
        """Those of clients with a certificate."""

    def enter(self) -> Place | None:
        """Give a new connection a place; None: all are busy."""
        if len(self.open) >= self.limits.most_connections and not self.close_oldest():
            return None
        place = Place(self)
        self.open.add(place)
        self.idle[place] = None
        return place

    def close_oldest(self) -> bool:
        """Close the connection that was idle for the longest; return whether there was one."""
        oldest = next(iter(self.idle), None)
        if oldest is None:
            return False
        oldest.leave()
        oldest.abort()
        return True

    def close_vouched(self) -> None:
        """Close the connections of clients with a certificate once their requests are answered.

        The authorities have changed, and a certificate is looked at only when a connection begins.
        """
        for connection in list(self.vouched):
            connection.shutdown()


class HttpProtocol(HttpToolsProtocol):
    """HTTP on one connection within limits; each request knows the name in the client's certificate.

    Parameters
    ----------
    config
        uvicorn's configuration.
    state
        uvicorn's state.
    connections
        All connections.
    place
        The place of this one.
    """

    def __init__(self, config: Config, state: ServerState, connections: Connections, place: Place) -> None:
        super().__init__(config, state, {})
        self._all = connections
        self._limits = connections.limits
        self._place = place
        self._peer: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._raw_bytes = 0
        self._parsed_bytes = 0
        self._messages = 0
        self._is_in_head = True
        self._is_waiting = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._place.abort = transport.abort
        tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self._peer = None if tls is None else _common_name(tls)
        if self._peer is not None:
            self._all.vouched.add(self)
        self._end_after(self._limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._all.vouched.discard(self)
        self._place.leave()
        for timer in (self._timer, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._begin_head()
        begun = self._messages
        super().data_received(data)
        # Of the first piece of a head it is not known how much of it is head.
        if self._is_in_head and self._messages == begun and not self.transport.is_closing():
            self._raw_bytes += len(data)
            if self._is_head_too_large():
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """See `HttpToolsProtocol`."""
        super().on_message_begin()
        self._begin_head()
        self._messages += 1
        self._is_in_head, self._raw_bytes, self._parsed_bytes = True, 0, 0
        if self._peer is not None:
            self.scope["extensions"] = {PEER: {"name": self._peer}}

    def on_url(self, url: bytes) -> None:
        """See `HttpToolsProtocol`."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """See `HttpToolsProtocol`."""
        super().on_header(name, value)
        self._count(len(name) + len(value) + _HEADER_COST_BYTES)

    def on_headers_complete(self) -> None:
        """See `HttpToolsProtocol`; without the last coding `chunked` a body would have no end."""
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            raise ValueError("the only known transfer coding is chunked")
        self._is_in_head = False
        self._end_after(None)
        self._place.become_busy()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        super().on_message_complete()
        if self.cycle.response_complete and not self.pipeline:
            # The rest of a body that was not waited for is there.
            self.cycle.more_body = False
            self._wait()

    def on_response_complete(self) -> None:
        """See `HttpToolsProtocol`."""
        has_next, is_read = bool(self.pipeline), not self.cycle.more_body
        super().on_response_complete()
        if has_next:
            return
        self._place.become_idle()
        if self.transport.is_closing():
            # TLS, or the rest of an answer, may wait for a client that is silent.
            self._end_after(self._limits.rest_seconds, self.transport.abort)
        elif is_read:
            self._wait()
        else:
            self._end_after(self._limits.rest_seconds)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or too large, and close; answers that are due keep their order."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()
        elif self._is_in_head and self._is_head_too_large():
            self._close_with(431, f"The head of the request is larger than {self._limits.head_bytes} bytes.")
        else:
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._stall = self.loop.call_later(self._limits.stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _count(self, bytes_: int) -> None:
        self._parsed_bytes += bytes_
        if self._is_head_too_large():
            raise ValueError("the head of the request is too large")

    def _is_head_too_large(self) -> bool:
        return max(self._raw_bytes, self._parsed_bytes) > self._limits.head_bytes

    def _wait(self) -> None:
        """Wait for another request."""
        self._is_waiting = True
        self._end_after(self._limits.idle_seconds)

    def _begin_head(self) -> None:
        """Another request begins: its head has to be there soon, however it comes."""
        if self._is_waiting:
            self._is_waiting = False
            self._end_after(self._limits.head_seconds)

    def _end_after(self, seconds: float | None, end: Callable[[], None] | None = None) -> None:
        """End the connection after so many seconds, and not sooner; None: do not."""
        self._unset_keepalive_if_required()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, end or self._end)

    def _end(self) -> None:
        if self._is_in_head and self._raw_bytes + self._parsed_bytes:
            self._close_with(
                408, f"The head of the request did not arrive within {self._limits.head_seconds:.0f} seconds."
            )
        else:
            self.transport.close()

    def _close_with(self, status: int, message: str) -> None:
        phrase = {408: "Request Timeout", 431: "Request Header Fields Too Large"}[status]
        content = f"{message}\n".encode()
        head = f"HTTP/1.1 {status} {phrase}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
        self.transport.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        self.transport.close()


def _common_name(tls: ssl.SSLObject) -> str | None:
    """Return the name in a certificate that TLS has verified; None: there is none, or not one."""
    certificate: Mapping[str, Any] = tls.getpeercert() or {}
    subject = certificate.get("subject", ())
    names = [str(value) for attributes in subject for key, value in attributes if key == "commonName"]
    return names[0] if len(names) == 1 else None
