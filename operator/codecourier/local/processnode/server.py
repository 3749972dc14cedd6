"""The kubelet's endpoint for `kubectl logs`, over TLS on loopback, for clients with a certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from codecourier.local.processnode.logs import follow_log, read_log
from codecourier.local.processnode.status import Waiting
from codecourier.local.processnode.troubles import has_lost_logs
from codecourier.local.processnode.worker import PodWorker

__all__ = ["build_server", "serving_context"]

_KNOWN = {"container", "follow", "limitBytes", "tailLines"}


def serving_context(certificate: Path, key: Path, client_authority: Path) -> ssl.SSLContext:
    """Return a context that asks clients for a certificate of this authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)
    return context


def build_server(find: Callable[[str, str], PodWorker | None]) -> web.Application:
    """Return the application."""

    async def container_logs(request: web.Request) -> web.StreamResponse:
        return await _container_logs(request, find)

    application = web.Application()
    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", container_logs)
    return application


async def _container_logs(request: web.Request, find: Callable[[str, str], PodWorker | None]) -> web.StreamResponse:
    name, container = request.match_info["pod"], request.match_info["container"]
    worker = find(request.match_info["namespace"], name)
    run = worker.runs.get(container) if worker else None
    if worker is not None and has_lost_logs(worker.pod):
        raise web.HTTPBadGateway(text="the node does not answer\n")
    if run is None:
        raise web.HTTPNotFound(text=f"container {container} of pod {name} not found\n")
    if isinstance(run.view.state, Waiting):
        reason = run.view.state.reason
        raise web.HTTPBadRequest(text=f'container "{container}" in pod "{name}" is waiting to start: {reason}\n')
    tail_lines, limit_bytes = _number(request, "tailLines"), _number(request, "limitBytes")
    path = run.container.log_path
    if request.query.get("follow") != "true":
        return web.Response(body=read_log(path, tail_lines, limit_bytes), content_type="text/plain")
    answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await answer.prepare(request)
    async for text in follow_log(path, tail_lines, limit_bytes, lambda: run.is_running):
        await answer.write(text)
    await answer.write_eof()
    return answer


def _number(request: web.Request, option: str) -> int | None:
    query = request.query
    if others := sorted(name for name in query if name not in _KNOWN and query[name] not in {"", "false"}):
        raise web.HTTPBadRequest(text=f"the process node does not know the log option {others[0]}\n")
    if option not in query:
        return None
    if not query[option].isdecimal():
        raise web.HTTPBadRequest(text=f"the log option {option} is not a number\n")
    return int(query[option])
