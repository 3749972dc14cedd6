"""uvicorn with limits on connections, and without signal handlers of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from codecourier.apiserver.connections import Connections, Entry, HttpProtocol, Limits, Place

__all__ = ["HttpServer"]

_BACKLOG = 2048


class HttpServer(uvicorn.Server):
    """Serves an application over HTTP.

    uvicorn's own handlers would end the process by the signal that it got.

    Parameters
    ----------
    app
        The application.
    tls
        How TLS begins; None: plain HTTP.
    limits
        What a client may take.
    drain_seconds
        How long requests may take to end once the server is stopped.
    """

    def __init__(self, app: ASGIApp, tls: ssl.SSLContext | None, limits: Limits, drain_seconds: int) -> None:
        config = uvicorn.Config(
            app,
            http=HttpProtocol,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=drain_seconds,
        )
        config.load()
        super().__init__(config)
        self._tls = tls
        self.clients = Connections(limits)
        """The connections of clients."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, each with a place among all before TLS begins."""
        await super().startup(sockets=[])
        loop = asyncio.get_running_loop()
        for listening in sockets or []:
            server = await loop.create_server(self._enter, sock=listening, backlog=_BACKLOG)
            self.servers.append(server)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the connections that answer nothing, and let the others end."""
        for place in list(self.clients.idle):
            place.abort()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Begin to end."""
        self.should_exit = True

    def _enter(self) -> Entry:
        return Entry(self.clients, self._tls, self._begin)

    def _begin(self, place: Place) -> HttpProtocol:
        return HttpProtocol(self.config, self.server_state, self.clients, place)
