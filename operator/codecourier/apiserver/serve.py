"""The API server as a process: settings in, signals handled, everything closed at the end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
import uvloop

from codecourier.apiserver.app import ApiParts, make_app
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.settings import API_PREFIX, ApiServerSettings
from codecourier.errors import SettingsError
from codecourier.kube.access import Access
from codecourier.kube.client import AiohttpKube

__all__ = ["run_api_server", "serve_beside"]

_LOGGER = logging.getLogger(__name__)

_IDLE_SECONDS = 60
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: it would end the process by the signal that it got."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def run_api_server(settings: ApiServerSettings, access: Access) -> None:
    """Serve the REST API until SIGTERM or SIGINT.

    Raises
    ------
    SettingsError
        If nothing can listen on the address, or a file of the certificate cannot be read.
    """
    uvloop.run(_serve(settings, access))


async def _serve(settings: ApiServerSettings, access: Access) -> None:
    async with AiohttpKube(access, user_agent="codecourier-apiserver") as api:
        served, keys = Served(api), KeyCache(api, time.monotonic)
        parts = ApiParts(
            api=api,
            served=served,
            keys=keys,
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
            accept_wait_seconds=settings.accept_wait_seconds,
        )
        server = _Server(_config(settings, parts))
        listening = _listen(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, server)
        await serve_beside(server.serve([listening]), lambda: _stop(server), served.run(), keys.run())


async def serve_beside(
    serving: Coroutine[Any, Any, None], stop: Callable[[], None], *followers: Coroutine[Any, Any, None]
) -> None:
    """Serve as long as the caches are kept up to date: answers from caches that stand still would look right.

    Parameters
    ----------
    serving
        Serves until it is stopped.
    stop
        Stops it.
    followers
        Keep the caches up to date, without an end.

    Raises
    ------
    Exception
        What ended one of the followers.
    """
    server, tasks = asyncio.create_task(serving), [asyncio.create_task(follower) for follower in followers]
    try:
        ended, _ = await asyncio.wait([server, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stop()
        await server
        for task in ended & set(tasks):
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


def _config(settings: ApiServerSettings, parts: ApiParts) -> uvicorn.Config:
    config = uvicorn.Config(
        make_app(parts),
        http="httptools",
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
    )
    try:
        config.load()
    except OSError as error:
        names = f"{API_PREFIX}TLS_CERTIFICATE_FILE and {API_PREFIX}TLS_KEY_FILE"
        raise SettingsError(f"{names}: the certificate or its key cannot be read: {error}") from error
    return config


def _listen(settings: ApiServerSettings) -> socket.socket:
    host, port = settings.listen_host, settings.listen_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        names = f"{API_PREFIX}LISTEN_HOST and {API_PREFIX}LISTEN_PORT"
        raise SettingsError(f"{names}: nothing can listen on {host}:{port}: {error}") from error
    scheme = "http" if settings.tls_certificate_file is None else "https"
    shown = f"[{host}]" if ":" in host else host
    _LOGGER.info("the REST API is on %s://%s:%d/api/v1", scheme, shown, listening.getsockname()[1])
    if scheme == "http" and host not in _LOOPBACK:
        _LOGGER.warning("keys cross the network in plain text: set %sTLS_CERTIFICATE_FILE and its key", API_PREFIX)
    return listening
