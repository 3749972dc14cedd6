"""Reads past the framework: operations that only show something are found at once and called directly.

The framework tries the routes of the whole API one after another, and solves the parameters of an operation anew for
each request; that costs more than the answer. The routes stay the framework's: it has made them, and writes the
document from them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from codecourier.apiserver.refusal import render_refusal
from codecourier.apiserver.route import GuardedRoute
from codecourier.kube.errors import KubeError

__all__ = ["Reads", "find_direct_call"]

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_PARAMETER = "{id}"
_PARAMETER_PLACE = 4
"""Where it is in a path: `/api/v1/runs/{id}/log` has it behind the fourth slash."""


class Reads:
    """Answers the requests of operations that only show something; others go on to the framework.

    Parameters
    ----------
    app
        The framework.
    routes
        All routes, of which those are taken that need nothing else of the framework.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[object]) -> None:
        self._app = app
        self._handlers: dict[str, Handler] = {}
        for route in routes:
            if isinstance(route, GuardedRoute) and (call := find_direct_call(route)) is not None:
                self._handlers.setdefault(route.path, route.guard(call))

    @property
    def paths(self) -> frozenset[str]:
        """The paths that are answered without the framework."""
        return frozenset(self._handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI asks."""
        handle = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if handle is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await handle(request)
        except (HTTPException, RequestValidationError, KubeError) as error:
            response = await render_refusal(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> Handler | None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        handler, values = self._handlers.get(path), {}
        if handler is None and path.count("/") >= _PARAMETER_PLACE:
            parts = path.split("/")
            values = {"id": parts[_PARAMETER_PLACE]}
            parts[_PARAMETER_PLACE] = _PARAMETER
            handler = self._handlers.get("/".join(parts)) if values["id"] else None
        if handler is not None:
            scope["path_params"] = values
        return handler


def find_direct_call(route: APIRoute) -> Handler | None:
    """Return what calls the operation of a route; None: it takes more than an id and a model of the query."""
    dependant, queries = route.dependant, route.dependant.query_params
    others = (dependant.header_params, dependant.cookie_params, dependant.body_params, dependant.dependencies)
    is_plain = route.methods == {"GET"} and not any(others) and route.path.count("{") == route.path.count(_PARAMETER)
    model = _model_of(queries[0].field_info.annotation) if queries else None
    if not is_plain or len(queries) > 1 or (queries and model is None):
        return None
    operation, path_names = route.endpoint, [parameter.name for parameter in dependant.path_params]
    request_name = dependant.request_param_name

    async def call(request: Request) -> Response:
        values: dict[str, Any] = {name: request.path_params[name] for name in path_names}
        if request_name is not None:
            values[request_name] = request
        if model is not None:
            values[queries[0].name] = _read_query(model, request)
        response: Response = await operation(**values)
        return response

    return call


def _model_of(shape: object) -> type[BaseModel] | None:
    return shape if isinstance(shape, type) and issubclass(shape, BaseModel) else None


def _read_query(model: type[BaseModel], request: Request) -> BaseModel:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError(
            [{**found, "loc": ("query", *found["loc"])} for found in error.errors()]
        ) from error
