"""What happens around each operation: who asks, whether they may, the body within its limits, the audit line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from inspect import signature
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import Message

from codecourier.apiserver.callers import Caller, Callers
from codecourier.apiserver.ids import read_id
from codecourier.apiserver.metrics import OPERATION
from codecourier.apiserver.refusal import Detail, Refusal, Refused, answer_of, bad_request
from codecourier.apiserver.rights import Reviews, Right
from codecourier.apiserver.served import Served
from codecourier.apiserver.turns import Turns
from codecourier.apiserver.writing import Writer

__all__ = [
    "BODY_MAX_BYTES",
    "JSON",
    "MEDIA",
    "OF_THE_TYPE",
    "Door",
    "GuardedRoute",
    "Operations",
    "caller_of",
    "read_body",
]

_LOGGER = logging.getLogger(__name__)

BODY_MAX_BYTES = 1024 * 1024
"""Longest body of a request: the contract's 1 MiB."""

_BODY_SECONDS = 15.0
"""How long a body may take to arrive."""

_RIGHT = "x-kubernetes-right"
"""Key in the OpenAPI document of what an operation needs."""

MEDIA = "x-codecourier-media-type"
"""Key in the OpenAPI document, until it is complete, of the type of an operation's content."""

JSON = "application/json"
_FOR_OWN_KEY = "x-codecourier-for-own-key"
"""Key in the OpenAPI document of an operation that an API key may do with itself, without the right."""

_BODY = "body"
"""Name of the parameter of an operation that is its body."""

OF_THE_TYPE = "*"
"""Resource of an operation whose right depends on the type that the request names: it calls `Door.check` itself."""

_CREATE = "create"
_DONE = 300


@dataclass(frozen=True)
class Door:
    """The parts of the API server that every operation goes through or uses."""

    callers: Callers
    reviews: Reviews
    served: Served
    writer: Writer
    turns: Turns

    async def identify(self, request: Request) -> Caller:
        """Return who asks, once the server knows the cluster.

        Raises
        ------
        Refusal
            401, 403, 429 or 503 if that cannot be known.
        """
        self._check_known()
        caller = await self.callers.authenticate(request)
        request.state.caller = caller
        return caller

    async def check_again(self, request: Request, rights: Iterable[Right], name: str = "") -> None:
        """Make sure that an answer that goes on may go on: the caller is who it was and has the same rights still.

        Raises
        ------
        Refusal
            401, 403 or 503 if not.
        """
        self._check_known()
        if await self.callers.authenticate(request, is_new=False) != caller_of(request):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "The request is another user's now. Ask anew.")
        for right in rights:
            await self.reviews.check(caller_of(request), right, name)

    def _check_known(self) -> None:
        if unsynced := self.served.unsynced:
            message = f"The server has not read {', '.join(unsynced)} yet. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=1)
        if stale := self.served.stale:
            message = f"The server has not heard of {', '.join(stale)} from the cluster for too long. Try again."
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=5)

    async def check_path(self, request: Request) -> None:
        """Make sure that the user whom kube-apiserver vouches for may read a path that is of no project.

        Raises
        ------
        Refusal
            401, 403 or 503 if not.
        """
        await self.reviews.check_path(self.callers.vouched_for(request), request.scope["path"])

    async def check(self, request: Request, right: Right, name: str) -> None:
        """Make sure that the caller has a right, on the object of a name; empty: on all of the project.

        Raises
        ------
        Refusal
            403 or 503 if not.
        """
        await self.reviews.check(caller_of(request), right, name)
        request.state.is_checked = True


def caller_of(request: Request) -> Caller:
    """Return who asks, in an operation."""
    caller: Caller = request.state.caller
    return caller


class GuardedRoute(APIRoute):
    """A route that lets in only callers who may; their body is read after that, within its limits."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        return self.guard(super().get_route_handler())

    def guard(
        self, handle: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what lets in only callers who may, and then handles a request."""
        extra = self.openapi_extra or {}
        right = Right(**extra[_RIGHT])
        prefix = str(extra["x-codecourier-id-prefix"])
        is_self_checked = right.resource == OF_THE_TYPE
        parameters, has_body = _parameters_of(self), self.body_field is not None

        async def guarded(request: Request) -> Response:
            request.scope[OPERATION] = self.operation_id
            door: Door = request.app.state.door
            caller = await door.identify(request)
            if not is_self_checked:
                # An id in the path of a creation is that of what the new object is made for.
                is_named = "id" in request.path_params and right.verb != _CREATE
                name = read_id(request.path_params["id"], prefix) if is_named else ""
                if name and name == caller.key and extra.get(_FOR_OWN_KEY):
                    request.state.is_checked = True
                else:
                    await door.check(request, right, name)
            await _check_dry_run(request, has_body=has_body)
            _check_parameters(request, parameters)
            if has_body:
                request = Request(request.scope, _replay(await read_body(request)))
            response = await handle(request)
            if not getattr(request.state, "is_checked", False):
                raise RuntimeError(f"{request.url.path} answered without a check of the caller's rights")
            return response

        return _audited(guarded)


class Operations:
    """Adds the operations of one kind to a router.

    Parameters
    ----------
    router
        The router.
    resource
        Plural of the kind, for rights.
    prefix
        Prefix of its ids.
    tag
        What the OpenAPI document groups its operations under; the resource if empty.
    """

    def __init__(self, router: APIRouter, resource: str, prefix: str, tag: str = "") -> None:
        self._router = router
        self._resource = resource
        self._prefix = prefix
        self._tag = tag or resource

    def add(
        self,
        method: str,
        path: str,
        verb: str,
        handle: Callable[..., Awaitable[Response]],
        shows: Any,
        *,
        status: int = 200,
        right: Right | None = None,
        errors: Iterable[int] = (),
        media: str = JSON,
        is_for_own_key: bool = False,
    ) -> None:
        """Add an operation.

        Parameters
        ----------
        method
            Of HTTP.
        path
            Below `/api/v1`.
        verb
            What the caller must be allowed to do.
        handle
            The operation; the first line of its docstring is its summary.
        shows
            Model of the answer, for the OpenAPI document.
        status
            HTTP status of success.
        right
            What the caller must be allowed to do, where it is not the verb on the kind.
        errors
            HTTP statuses of its refusals beside those of all operations: 404 and 409 that do not follow from an id in
            the path or from a creation.
        media
            Type of the content of success.
        is_for_own_key
            Whether an API key may do it with itself, whatever its owner may.
        """
        needed = right or Right(verb, self._resource)
        own = {_FOR_OWN_KEY: True} if is_for_own_key else {}
        self._router.add_api_route(
            path,
            handle,
            methods=[method],
            status_code=status,
            response_model=None,
            summary=(handle.__doc__ or "").partition("\n")[0].rstrip("."),
            description="",
            responses=_responses(status, shows, {*errors, *_errors_of(handle, path, status)}),
            operation_id=handle.__name__,
            tags=[self._tag],
            route_class_override=GuardedRoute,
            openapi_extra={_RIGHT: needed.to_json(), "x-codecourier-id-prefix": self._prefix, MEDIA: media, **own},
        )


def _errors_of(handle: Callable[..., object], path: str, status: int) -> Iterator[int]:
    """Yield the statuses with which an operation of this form may be refused."""
    yield from (400, 401, 403, 429, 503)
    if "{id}" in path:
        yield HTTPStatus.NOT_FOUND
    if status == HTTPStatus.CREATED:
        yield HTTPStatus.CONFLICT
    if _BODY in signature(handle).parameters:
        yield from (413, 415)


def _responses(status: int, shows: Any, errors: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    refusals: dict[int | str, dict[str, Any]] = {error: {"model": Refused} for error in sorted(errors)}
    return {status: {"model": shows}, **refusals, "default": {"model": Refused, "description": "Any other refusal"}}


def _parameters_of(route: APIRoute) -> frozenset[str] | None:
    """Return the names that the query of a route may have; None: a model of its own knows them."""
    parameters = route.dependant.query_params
    shapes = [parameter.field_info.annotation for parameter in parameters]
    if any(isinstance(shape, type) and issubclass(shape, BaseModel) for shape in shapes):
        return None
    return frozenset(parameter.alias for parameter in parameters)


async def _check_dry_run(request: Request, *, has_body: bool) -> None:
    """Refuse what should only be tried out: Kubernetes' clients ask that in the query, or in the body of a DELETE."""
    asks = "dryRun" in request.query_params
    if not asks and not has_body and request.method != "GET" and not _has_no_body(request):
        with suppress(orjson.JSONDecodeError):
            body = orjson.loads(await _read(request))
            asks = isinstance(body, dict) and bool(body.get("dryRun"))
    if asks:
        message = "This server tries nothing out, so nothing was done. Leave it away."
        raise bad_request(Detail(field="dryRun", message=message))


def _check_parameters(request: Request, known: frozenset[str] | None) -> None:
    if known is not None and (unknown := sorted({*request.query_params} - known)):
        raise bad_request(*(Detail(field=name, message="There is no such parameter here.") for name in unknown))


async def read_body(request: Request) -> bytes:
    """Return the body of a request.

    Raises
    ------
    Refusal
        408, 413 or 415 for one that comes too slowly, is too large or no JSON by its header; 400 if it breaks off.
    """
    _check_length(request)
    if _has_no_body(request):
        return b""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        message = "The body must be JSON. Send the header Content-Type: application/json."
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, closes=True)
    return await _read(request)


def _check_length(request: Request) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > BODY_MAX_BYTES:
        raise _too_large()


async def _read(request: Request) -> bytes:
    _check_length(request)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_MAX_BYTES:
                    raise _too_large()
    except TimeoutError:
        message = f"The body did not arrive within {_BODY_SECONDS:.0f} seconds. Send it again."
        raise Refusal(HTTPStatus.REQUEST_TIMEOUT, message, closes=True) from None
    except ClientDisconnect:
        message = "The connection ended before the body did. Send it again."
        raise Refusal(HTTPStatus.BAD_REQUEST, message, closes=True) from None
    return bytes(body)


def _has_no_body(request: Request) -> bool:
    headers = request.headers
    is_empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    return is_empty and "content-type" not in headers


def _too_large() -> Refusal:
    message = f"The body is larger than {BODY_MAX_BYTES} bytes."
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, closes=True)


def _replay(body: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _audited(
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Return what handles a request and logs each that is to change something: who, what, and how it went."""

    async def audited(request: Request) -> Response:
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        try:
            response = await handle(request)
            status = response.status_code
        except Exception as error:
            status = answer_of(error).status_code
            raise
        finally:
            if request.method != "GET":
                _log(request, status)
        return response

    return audited


def _log(request: Request, status: int) -> None:
    caller: Caller | None = getattr(request.state, "caller", None)
    user = caller.identity.user if caller is not None else "an unknown caller"
    level = logging.INFO if status < _DONE else logging.WARNING
    _LOGGER.log(level, "%s %r by %s: %d", request.method, request.url.path, user, status)
