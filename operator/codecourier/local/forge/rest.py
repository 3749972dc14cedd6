"""From a request to a handler and back: credentials, permissions, rate limit and counters."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codecourier.local.forge.accounts import Principal
from codecourier.local.forge.call import Answer, Call, Endpoint
from codecourier.local.forge.errors import RefusedError, not_accessible, not_found
from codecourier.local.forge.forge import Forge
from codecourier.local.forge.git import GitError
from codecourier.local.forge.limits import budget_of
from codecourier.local.forge.records import Repository
from codecourier.local.forge.routes import accounts, commits, issues, merges, pulls, repositories, reviews, stacks

__all__ = ["API_PREFIX", "rest_routes"]

API_PREFIX = "/api/v3"

_NAMED = "/repos/{owner}/{repo}"
_NUMBERED = "/repositories/{repository_id:int}"

_UNCHANGED = 304
_LARGEST_BODY_BYTES = 1024 * 1024


def rest_routes(forge: Forge) -> list[Route]:
    """Return the routes of the REST API; the first that fits is taken."""
    parts = (accounts, repositories, commits, issues, merges, pulls, reviews, stacks)
    endpoints = [endpoint for part in parts for endpoint in part.ENDPOINTS]
    routes = [_route(forge, endpoint, endpoint.path) for endpoint in endpoints]
    # Where redirects lead: a number outlives each name.
    numbered = [endpoint for endpoint in endpoints if endpoint.permission is not None]
    return routes + [_route(forge, endpoint, endpoint.path.replace(_NAMED, _NUMBERED)) for endpoint in numbered]


def _route(forge: Forge, endpoint: Endpoint, path: str) -> Route:
    async def serve(request: Request) -> Response:
        body = await request.body()
        return await run_in_threadpool(_serve, forge, endpoint, request, body)

    return Route(API_PREFIX + path, serve, methods=[endpoint.method])


def _serve(forge: Forge, endpoint: Endpoint, request: Request, body: bytes) -> Response:
    with forge.store.lock:
        budget_id = 0
        try:
            principal = forge.tokens.principal(request.headers.get("authorization"))
            budget_id = budget_of(principal.token) if principal and principal.token else 0
            if not endpoint.path.startswith("/rate_limit"):
                forge.limits.spend(budget_id)
            answer = _conditional(endpoint.handler(_admitted(forge, endpoint, request, body, principal)), request)
            if answer.status == _UNCHANGED:
                forge.limits.give_back(budget_id)
        except RefusedError as error:
            answer = Answer(error.body(), status=error.status, headers=error.headers)
        except GitError as error:
            answer = Answer({"message": f"Server Error: {error}"}, status=500)
        response = _response(answer)
        response.headers.update(forge.limits.headers(budget_id))
        forge.store.write(counts=[("requests", f"{endpoint.method} {endpoint.path} {response.status_code}")])
        return response


def _conditional(answer: Answer, request: Request) -> Answer:
    """Name the answer to a GET; return only that it is unchanged where the request names the same one."""
    if request.method != "GET" or answer.status != 200 or answer.body is None:  # noqa: PLR2004 - HTTP
        return answer
    etag = f'W/"{hashlib.sha256(json.dumps(answer.body).encode()).hexdigest()}"'
    headers = {**answer.headers, "etag": etag}
    if request.headers.get("if-none-match") == etag:
        return Answer(status=_UNCHANGED, headers=headers)
    return replace(answer, headers=headers)


def _admitted(forge: Forge, endpoint: Endpoint, request: Request, body: bytes, principal: Principal | None) -> Call:
    """Return the request as a call, if its sender may make it.

    Raises
    ------
    RefusedError
        404 for a repository that the sender may not see, 403 for a missing permission, 400 for a broken body.
    """
    repository = None
    if endpoint.permission is not None:
        repository = _visible_repository(forge, request, principal)
        _check_permission(repository, principal, *endpoint.permission)
        forge.follow(repository)
    return Call(
        forge=forge,
        principal=principal,
        found=repository,
        path=request.url.path.removeprefix(API_PREFIX),
        parameters=request.path_params,
        query=dict(request.query_params),
        body=_json(body),
    )


def _visible_repository(forge: Forge, request: Request, principal: Principal | None) -> Repository:
    parameters: Mapping[str, Any] = request.path_params
    if "repository_id" in parameters:
        return _seen(forge.store.get(Repository, parameters["repository_id"]), principal)
    repository = forge.repositories.find(parameters["owner"], parameters["repo"])
    if repository is None:
        former = _seen(forge.repositories.find_former(parameters["owner"], parameters["repo"]), principal)
        raise _renamed(forge, request, former)
    return _seen(repository, principal)


def _seen(repository: Repository | None, principal: Principal | None) -> Repository:
    is_seen = repository is not None and (principal.sees(repository) if principal else not repository.private)
    if repository is None or not is_seen:
        raise not_found()
    return repository


def _renamed(forge: Forge, request: Request, repository: Repository) -> RefusedError:
    """Return the redirect of a request that names a repository as it was called before."""
    rest = request.url.path.removeprefix(API_PREFIX).split("/", 4)[4:]
    path = "/".join([f"/repositories/{repository.id}", *rest])
    query = f"?{request.url.query}" if request.url.query else ""
    status, message = (301, "Moved Permanently") if request.method == "GET" else (307, "Temporary Redirect")
    return RefusedError(status, message, headers={"location": f"{forge.api_url}{path}{query}"})


def _check_permission(repository: Repository, principal: Principal | None, permission: str, level: str) -> None:
    if principal is None:
        if level == "write":
            raise RefusedError(401, "Requires authentication")
        return
    if not principal.may(repository, permission, level):
        raise not_accessible(principal.holder)


def _json(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    if len(body) > _LARGEST_BODY_BYTES:
        raise RefusedError(413, "Payload too large")
    try:
        parsed = json.loads(body)
    except ValueError as error:
        raise RefusedError(400, "Problems parsing JSON") from error
    if not isinstance(parsed, dict):
        raise RefusedError(400, "Body should be a JSON object")
    return parsed


def _response(answer: Answer) -> Response:
    headers = {**answer.headers, "x-github-request-id": uuid.uuid4().hex.upper(), "x-github-media-type": "github.v3"}
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    return Response(json.dumps(answer.body).encode(), answer.status, headers, "application/json; charset=utf-8")
