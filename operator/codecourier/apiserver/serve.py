"""The API server as a process: settings in, signals handled, everything closed at the end."""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import uvloop
from prometheus_client import ProcessCollector

from codecourier.apiserver.app import ApiParts, make_app
from codecourier.apiserver.connections import Limits
from codecourier.apiserver.front_proxy import FrontProxy, UnsafeFrontProxyError
from codecourier.apiserver.hosts import WAIT, HostParts
from codecourier.apiserver.http_server import HttpServer
from codecourier.apiserver.metrics import ApiMetrics
from codecourier.apiserver.metrics_server import serve_metrics
from codecourier.apiserver.served import KeyCache, Served
from codecourier.apiserver.settings import API_PREFIX, ApiServerSettings
from codecourier.apiserver.tls import ServingTls
from codecourier.apiserver.trust import Trust
from codecourier.errors import SettingsError
from codecourier.github.client import GitHubForge
from codecourier.hosts.app_key import load_app, read_named
from codecourier.kube.access import Access
from codecourier.kube.api import KubeApi
from codecourier.kube.client import AiohttpKube
from codecourier.settings import ForgeSettings

__all__ = ["register_process", "run_api_server", "serve_api", "serve_beside"]

_LOGGER = logging.getLogger(__name__)

_OTHER_FILES = 256
"""Open files beside the connections of clients."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def run_api_server(settings: ApiServerSettings, hosts: ForgeSettings, access: Access) -> None:
    """Serve the REST API until SIGTERM or SIGINT.

    Raises
    ------
    SettingsError
        If nothing can listen on the address, a file of the certificate cannot be read, or the cluster's front proxy
        cannot be told from its other clients.
    """
    uvloop.run(_serve(settings, hosts, access))


async def _serve(settings: ApiServerSettings, hosts: ForgeSettings, access: Access) -> None:
    def end_on_signals(_port: int, stop: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)

    async with AiohttpKube(access, user_agent="codecourier-apiserver") as api:
        await serve_api(settings, hosts, api, end_on_signals)


async def serve_api(
    settings: ApiServerSettings,
    hosts: ForgeSettings,
    api: KubeApi,
    begin: Callable[[int, Callable[[], None]], None],
) -> None:
    """Serve the REST API until it is stopped.

    Parameters
    ----------
    settings
        The settings.
    hosts
        How repositories' hosts are reached.
    api
        The cluster's API server.
    begin
        Called once something listens, with the port and what stops the server.

    Raises
    ------
    SettingsError
        See `run_api_server`.
    """
    with _open_hosts(hosts) as host_parts:
        await _serve_with(settings, host_parts, api, begin)


@contextmanager
def _open_hosts(settings: ForgeSettings) -> Iterator[HostParts]:
    app = load_app(settings)
    # Report an unreadable certificate as a wrong setting, before a client fails on it.
    read_named(settings.forge_ca_file, "CODECOURIER_FORGE_CA_FILE")
    forge = GitHubForge(hosts=settings.allowed_hosts, ca_bundle=settings.forge_ca_file, wait=WAIT)
    try:
        yield HostParts(forge, settings.allowed_hosts, app)
    finally:
        forge.close()


async def _serve_with(
    settings: ApiServerSettings, hosts: HostParts, api: KubeApi, begin: Callable[[int, Callable[[], None]], None]
) -> None:
    served, keys, trust = Served(api), KeyCache(api, time.monotonic), Trust(api)
    parts = ApiParts(
        api=api,
        served=served,
        keys=keys,
        trust=trust,
        audience=settings.audience,
        now=lambda: datetime.now(UTC),
        clock=time.monotonic,
        accept_wait_seconds=settings.accept_wait_seconds,
        hosts=hosts,
    )
    tls, limits = _tls(settings), Limits(most_connections=settings.most_connections)
    app = make_app(parts)
    server = HttpServer(app, None if tls is None else tls.context, limits, settings.drain_seconds)
    if tls is not None:
        await _begin_trust(trust, tls, server)
    _allow_files(settings.most_connections)
    listening, metrics = _listen(settings), _open_metrics(settings, parts.metrics, server)

    def stop() -> None:
        server.stop()
        # Streams have no end of their own, so the server would wait for them.
        for streams in app.state.streams:
            streams.stop()

    begin(listening.getsockname()[1], stop)
    followers = [served.run(), keys.run(), *([] if tls is None else [trust.run(), tls.run()])]
    if metrics is not None:
        followers.append(serve_metrics(metrics, parts.metrics.registry))
    await serve_beside(server.serve([listening]), stop, *followers)


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


def _allow_files(most_connections: int) -> None:
    """Raise the limit on open files, as far as it may be: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * most_connections + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < most_connections + _OTHER_FILES:
            _LOGGER.warning("%d open files are too few for %sMOST_CONNECTIONS", most, API_PREFIX)


def _tls(settings: ApiServerSettings) -> ServingTls | None:
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    try:
        return ServingTls(settings.tls_certificate_file, settings.tls_key_file)
    except OSError as error:
        names = f"{API_PREFIX}TLS_CERTIFICATE_FILE and {API_PREFIX}TLS_KEY_FILE"
        raise SettingsError(f"{names}: the certificate or its key cannot be read: {error}") from error


async def _begin_trust(trust: Trust, tls: ServingTls, server: HttpServer) -> None:
    """Believe the cluster's front proxy, as it is now and after each change."""

    def follow(found: FrontProxy | None) -> None:
        tls.trust(None if found is None else found.authority)
        server.clients.close_vouched()

    try:
        await trust.load()
    except UnsafeFrontProxyError as error:
        raise SettingsError(str(error)) from error
    trust.subscribe(follow)


def register_process(metrics: ApiMetrics, server: HttpServer) -> None:
    """Register the gauges that only a process with a socket has."""
    ProcessCollector(registry=metrics.registry)
    clients = server.clients
    metrics.read("codecourier_rest_connections", "Connections of clients", lambda: {"": float(len(clients.open))})


def _open_metrics(settings: ApiServerSettings, metrics: ApiMetrics, server: HttpServer) -> socket.socket | None:
    """Listen for Prometheus, where the settings say so."""
    if settings.metrics_port is None:
        return None
    register_process(metrics, server)
    listening = _open(settings.listen_host, settings.metrics_port, "METRICS_PORT")
    _LOGGER.info("metrics are on http://%s:%d/metrics", _shown(settings.listen_host), listening.getsockname()[1])
    return listening


def _listen(settings: ApiServerSettings) -> socket.socket:
    host = settings.listen_host
    listening = _open(host, settings.listen_port, "LISTEN_PORT")
    scheme = "http" if settings.tls_certificate_file is None else "https"
    _LOGGER.info("the REST API is on %s://%s:%d/api/v1", scheme, _shown(host), listening.getsockname()[1])
    if scheme == "http" and host not in _LOOPBACK:
        _LOGGER.warning("keys cross the network in plain text: set %sTLS_CERTIFICATE_FILE and its key", API_PREFIX)
    return listening


def _open(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        names = f"{API_PREFIX}LISTEN_HOST and {API_PREFIX}{setting}"
        raise SettingsError(f"{names}: nothing can listen on {host}:{port}: {error}") from error


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
