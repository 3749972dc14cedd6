"""The kubelet's endpoint for `kubectl logs`, over TLS on loopback, for clients with a certificate."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from codecourier.local.processnode.logs import LogOptions, follow_log, read_log
from codecourier.local.processnode.status import Running
from codecourier.local.processnode.worker import PodWorker

__all__ = ["build_server", "serving_context"]

_LOOPBACK = "127.0.0.1"


def serving_context(certificate: Path, key: Path, client_authority: str) -> ssl.SSLContext:
    """Return a context that asks clients for a certificate of this authority (PEM)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=client_authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)
    return context


def build_server(find: Callable[[str, str], PodWorker | None], is_online: Callable[[], bool]) -> web.Application:
    """Return the application.

    Parameters
    ----------
    find
        Returns the worker of a pod by namespace and name.
    is_online
        Whether to answer at all: a node that has disappeared is silent here too.
    """

    @web.middleware
    async def cut_line(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not is_online() and request.transport:
            request.transport.abort()
        return await handler(request)

    async def container_logs(request: web.Request) -> web.StreamResponse:
        return await _container_logs(request, find)

    async def healthz(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    application = web.Application(middlewares=[cut_line])
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", container_logs)
    return application


async def _container_logs(request: web.Request, find: Callable[[str, str], PodWorker | None]) -> web.StreamResponse:
    name, container = request.match_info["pod"], request.match_info["container"]
    worker = find(request.match_info["namespace"], name)
    if worker is None:
        raise web.HTTPNotFound(text=f'pod "{name}" not found\n')
    run = worker.runs.get(container)
    if run is None:
        raise web.HTTPNotFound(text=f"container {container} not found in pod {name}\n")
    previous = request.query.get("previous") == "true"
    path = worker.log_path(container, previous=previous)
    if path is None:
        if previous:
            raise web.HTTPBadRequest(text=f'previous terminated container "{container}" in pod "{name}" not found\n')
        reason = getattr(run.view.state, "reason", "ContainerCreating")
        raise web.HTTPBadRequest(text=f'container "{container}" in pod "{name}" is waiting to start: {reason}\n')
    options = _options(request)
    if request.query.get("follow") != "true":
        return web.Response(body=read_log(path, options), content_type="text/plain")
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await answer.prepare(request)
    async for text in follow_log(path, options, lambda: isinstance(run.view.state, Running)):
        await answer.write(text)
    await answer.write_eof()
    return answer


def _options(request: web.Request) -> LogOptions:
    query = request.query
    try:
        since = datetime.fromisoformat(query["sinceTime"]) if "sinceTime" in query else None
        if "sinceSeconds" in query:
            since = datetime.now(tz=UTC) - timedelta(seconds=int(query["sinceSeconds"]))
        tail, limit = query.get("tailLines"), query.get("limitBytes")
        return LogOptions(
            tail_lines=None if tail is None else max(0, int(tail)),
            limit_bytes=None if limit is None else max(1, int(limit)),
            since=since and since.astimezone(UTC),
            timestamps=query.get("timestamps") == "true",
        )
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"bad log options: {error}\n") from error
