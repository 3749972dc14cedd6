"""uvicorn with limits on connections, and without signal handlers of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from codecourier.apiserver.connections import Connections, HttpProtocol, Limits, Place

__all__ = ["HttpServer"]

_PAUSE_SECONDS = 0.1
"""How long to wait once no more files may be opened."""


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

        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, each with a place among all before TLS begins."""
        await super().startup(sockets=[])
        for listening in sockets or []:
            listening.setblocking(False)
            _ = self._start(self._accept(listening))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the connections that answer nothing, and let the others end."""
        for task in self._tasks:
            task.cancel()
        for place in list(self.clients.idle):
            place.abort()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Begin to end."""
        self.should_exit = True

    async def _accept(self, listening: socket.socket) -> None:
        # The loops' own servers give a connection away only after its handshake, so that nothing bounds those before.
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listening)
            except OSError:
                self.clients.close_oldest()
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            place = self.clients.enter()
            if place is None:
                client.close()
            else:
                place.abort = self._start(self._begin(client, place)).cancel

    async def _begin(self, client: socket.socket, place: Place) -> None:
        protocol = HttpProtocol(self.config, self.server_state, self.clients, place)
        seconds = None if self._tls is None else self.clients.limits.head_seconds
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, client, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except (OSError, asyncio.CancelledError):
            # A client that gives up, or has no certificate that is trusted: it could fill the log.
            client.close()
            place.leave()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
