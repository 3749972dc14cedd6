"""The ASGI application: faults first, then the control API, the REST API and Git."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codecourier.local.forge.control_routes import CONTROL_PREFIX, control_routes
from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.graph import graph_routes
from codecourier.local.forge.records import Fault
from codecourier.local.forge.rest import rest_routes
from codecourier.local.forge.smart_http import PUSH_REFUSAL_STATE, git_routes
from codecourier.local.forge.store import ForgeStore

__all__ = ["CONNECTION_STATE", "build_application"]

CONNECTION_STATE = "connection"
"""Key in a request's state: the connection's transport."""

_INTERIM_ANSWER = b"HTTP/1.1 100 Continue\r\n\r\n"


class _Connection(Protocol):
    def write(self, data: bytes) -> None: ...
    def abort(self) -> None: ...


def build_application(forge: Forge) -> ASGIApp:
    """Return the forge as an ASGI application; its server must put the transport into the request's state."""
    application = Starlette(
        routes=[*control_routes(forge), *rest_routes(forge), *graph_routes(forge), *git_routes(forge)],
        exception_handlers={HTTPException: _no_route},
    )
    return _Faults(application, forge)


async def _no_route(_: Request, error: Exception) -> Response:
    # GitHub has no 405 for a path without such a method.
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    status = HTTPStatus.NOT_FOUND if status == HTTPStatus.METHOD_NOT_ALLOWED else HTTPStatus(status)
    return JSONResponse(RefusedError(status, status.phrase).body(), status)


class _Faults:
    """Carries out the faults that were asked for."""

    def __init__(self, application: ASGIApp, forge: Forge) -> None:
        self._application = application
        self._forge = forge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and not scope["path"].startswith(CONTROL_PREFIX)
        if is_ours and any(fault.body for fault in self._forge.store.all(Fault)):
            content, receive = await _read_ahead(receive)
        else:
            content = b""
        fault = _take_fault(self._forge.store, scope["method"], scope["path"], content) if is_ours else None
        if fault is None:
            await self._application(scope, receive, send)
            return
        with self._forge.store.lock:
            self._forge.store.write(counts=[("faults", f"{fault.action} {scope['method']} {scope['path']}")])
        await asyncio.sleep(fault.delay_seconds)
        await self._hit(fault, scope, receive, send)

    async def _hit(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        connection: _Connection = scope["state"][CONNECTION_STATE]
        if fault.action == "answer":
            body = RefusedError(fault.status, fault.message).body()
            await JSONResponse(body, fault.status, fault.headers)(scope, receive, send)
        elif fault.action == "answer-after":
            await self._application(scope, receive, _swallow)
            await JSONResponse(RefusedError(fault.status, fault.message).body(), fault.status)(scope, receive, send)
        elif fault.action == "refuse-push":
            scope["state"][PUSH_REFUSAL_STATE] = fault.message
            await self._application(scope, receive, send)
        elif fault.action == "delay":
            await self._application(scope, receive, send)
        else:
            await (self._application(scope, receive, _swallow) if fault.action == "lose-answer" else _drain(receive))
            # Without a byte of an answer, curl sends the request again by itself when the connection was used before.
            connection.write(_INTERIM_ANSWER)
            connection.abort()


def _take_fault(store: ForgeStore, method: str, path: str, body: bytes) -> Fault | None:
    """Return the oldest fault that matches a request, and count it as used; None if none does."""
    with store.lock:
        for fault in store.all(Fault):
            if not (re.fullmatch(fault.method, method) and re.search(fault.path, path)):
                continue
            if fault.body and not re.search(fault.body.encode(), body):
                continue
            if fault.passes:
                store.write(fault.model_copy(update={"passes": fault.passes - 1}))
                return None
            if fault.times > 1:
                store.write(fault.model_copy(update={"times": fault.times - 1}))
            else:
                store.write(remove=[fault])
            return fault
    return None


async def _read_ahead(receive: Receive) -> tuple[bytes, Receive]:
    """Read a request to its end; returns its body, and what gives it to the application again."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    waiting = iter(messages)

    async def again() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return b"".join(message.get("body", b"") for message in messages), again


async def _drain(receive: Receive) -> None:
    """Read a request to its end: closing a socket with unread bytes would discard the last bytes sent."""
    while (await receive()).get("more_body", False):
        pass


async def _swallow(message: Message) -> None:
    """Take an answer that the client does not get."""
