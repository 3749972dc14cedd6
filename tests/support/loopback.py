"""An API server on loopback that answers as a test wants, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web
from kubernetes.client import Configuration

from codecourier.kube.access import Access
from codecourier.kube.api import Json
from codecourier.kube.client import AiohttpKube, ClientTiming

__all__ = ["TOKEN", "Handler", "Recorder", "answering", "client_of", "serving", "serving_app", "status"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN = "sha256~canary-token"


@asynccontextmanager
async def serving_app(handler: Handler) -> AsyncIterator[int]:
    """Serve with a handler and yield the port."""
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def client_of(port: int, timing: ClientTiming | None = None, **options: Any) -> AiohttpKube:
    """Return a client of the server on a port."""
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    configuration.api_key = {"BearerToken": f"Bearer {TOKEN}"}
    return AiohttpKube(Access(configuration), timing=timing, **options)


@asynccontextmanager
async def serving(handler: Handler, timing: ClientTiming | None = None, **options: Any) -> AsyncIterator[AiohttpKube]:
    """Serve with a handler and yield a client of it."""
    async with serving_app(handler) as port, client_of(port, timing, **options) as api:
        yield api


def answering(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """Return a handler that gives one answer to everything."""

    async def handle(_: web.Request) -> web.StreamResponse:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return web.Response(body=data, status=status, headers=headers, content_type="application/json")

    return handle


def status(code: int, reason: str = "", **parts: Any) -> Json:
    """Return a Status object."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, **parts}


class Recorder:
    """A server that keeps what it was asked."""

    def __init__(self, body: Any) -> None:
        self.requests: list[tuple[str, str, dict[str, str], dict[str, str], Any]] = []
        self._body = body

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep a request and answer it."""
        data = await request.read()
        body = orjson.loads(data) if data else None
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.requests.append((request.method, request.path, dict(request.query), headers, body))
        return web.json_response(self._body)
