"""What a request is refused with: in the one shape that the contract has for errors, or as Kubernetes' `Status`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from math import ceil
from typing import Any

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from codecourier.apiserver.doors import is_for_kubernetes
from codecourier.kube.errors import ApiError, Conflict, Forbidden, Invalid, KubeError, NotFound

__all__ = [
    "MOST_DETAILS",
    "Detail",
    "Refusal",
    "Refused",
    "answer_of",
    "bad_request",
    "code_of",
    "details_of",
    "refusal_of",
    "render_refusal",
    "validation_refusal",
]

_CODES: Mapping[int, str] = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal",
    503: "unavailable",
}
"""The word for programs of each status that a refusal has."""

_REASONS: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    408: "Timeout",
    409: "Conflict",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
"""Kubernetes' word for programs of each status."""


def code_of(status: int) -> str:
    """Return the word for programs of a status."""
    return _CODES.get(status, "refused")


MOST_DETAILS = 100
"""How many problems of a request an answer lists: others have the same causes, and the answer stays small."""

_MOST_OF_FIELD = 256
_RETRY_SECONDS = 1.0
_MOST_RETRY_SECONDS = 60.0


class Detail(BaseModel):
    """One problem of a request."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    field: str
    """Where it is, such as `sprintRange.0`; a parameter of the query by its name."""

    message: str
    """What is wrong, as a sentence."""


class Problem(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    code: str
    """A word for programs, such as `not_found`."""

    message: str
    """What happened and what to do next."""

    details: list[Detail]
    """All problems of the body or query, the first 100 where there are more."""


class Refused(BaseModel):
    """The answer to a request that was refused."""

    error: Problem


class Refusal(HTTPException):
    """A request that is refused.

    Parameters
    ----------
    status
        HTTP status, one of 400 to 503.
    message
        What happened and what to do next, in sentences.
    details
        Its problems, where it has several places.
    retry_after
        Seconds after which it may be tried again; None: not by itself.
    closes
        Whether the connection ends, because the rest of the request was not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        details: Sequence[Detail] = (),
        *,
        retry_after: float | None = None,
        closes: bool = False,
    ) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(max(1, ceil(retry_after)))}
        if closes:
            headers["Connection"] = "close"
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Bearer realm="codecourier"'
        super().__init__(status, message, headers)
        self.details = tuple(details)


def bad_request(*details: Detail) -> Refusal:
    """Return the refusal of a request with problems; it lists the first hundred."""
    listed = details[:MOST_DETAILS]
    which = "all of them" if len(listed) == len(details) else f"the first {len(listed)} of {len(details)}"
    return Refusal(HTTPStatus.BAD_REQUEST, f"The request has problems; details lists {which}.", listed)


def validation_refusal(error: RequestValidationError) -> Refusal:
    """Return the refusal of a body or query that a model does not accept; it repeats no value of the request."""
    return bad_request(*details_of(error.errors(), 1))


def details_of(problems: Iterable[Any], start: int = 0) -> Iterator[Detail]:
    """Yield what a model does not accept; it repeats no value of the request.

    Parameters
    ----------
    problems
        The errors of pydantic.
    start
        How many parts of each location precede the field.
    """
    for problem in problems:
        yield _detail_of(problem, start)


def _detail_of(problem: Any, start: int) -> Detail:
    if problem["type"] == "json_invalid":
        return Detail(field="", message=f"The body is no JSON: {problem['ctx']['error']}.")
    where = [str(part) for part in problem["loc"][start:]]
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    return Detail(field=".".join(where)[:_MOST_OF_FIELD], message=f"{message}.")


def refusal_of(error: KubeError, fields: Callable[[str], str] = lambda path: path) -> Refusal:
    """Return what an error of the cluster's API server means to the caller.

    Parameters
    ----------
    error
        The error.
    fields
        Returns the name in a body of a field of the object, given by its path.
    """
    match error:
        case NotFound():
            return Refusal(HTTPStatus.NOT_FOUND, "There is no such object in this project.")
        case Conflict() if isinstance(error, ApiError):
            return Refusal(HTTPStatus.CONFLICT, "Another client changed the object meanwhile. Read it and try again.")
        case Forbidden() if error.has_cause("NamespaceTerminating"):
            return Refusal(HTTPStatus.CONFLICT, "The project is being deleted, so nothing can be created in it.")
        case Forbidden():
            return Refusal(HTTPStatus.FORBIDDEN, f"The cluster does not allow it: {error.message}")
        case Invalid():
            causes = error.details.get("causes")
            found = [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
            details = [
                Detail(field=fields(str(cause.get("field", ""))), message=str(cause.get("message", "")))
                for cause in found
            ]
            return bad_request(*details)
    told = error.retry_after if isinstance(error, ApiError) else None
    seconds = min(told or _RETRY_SECONDS, _MOST_RETRY_SECONDS)
    message = (
        "The cluster's API server does not answer now. A write may have happened: try again with an Idempotency-Key."
    )
    return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, retry_after=seconds)


_PLAIN: Mapping[int, str] = {
    404: "There is no such path. GET /api/v1/openapi.json lists all.",
    405: "This path does not have that method. GET /api/v1/openapi.json lists the methods of each path.",
}
"""Sentences for refusals of the framework, which have none."""


async def render_refusal(request: Request, error: Exception) -> Response:
    """Return the answer for any error of an operation; an internal one shows no details."""
    return _render(answer_of(error), is_status=is_for_kubernetes(request.scope["path"]))


def answer_of(error: Exception) -> HTTPException:
    """Return what any error of an operation means to the caller."""
    if isinstance(error, KubeError):
        return refusal_of(error)
    if isinstance(error, RequestValidationError):
        return validation_refusal(error)
    if isinstance(error, HTTPException):
        return error
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed. Its log says why.")


def _render(error: HTTPException, *, is_status: bool) -> Response:
    details = error.details if isinstance(error, Refusal) else ()
    message = error.detail if isinstance(error, Refusal) else _PLAIN.get(error.status_code, error.detail)
    if is_status:
        body = _status_of(error, message, details)
    else:
        problem = Problem(code=code_of(error.status_code), message=message, details=list(details))
        body = Refused(error=problem).model_dump()
    return Response(orjson.dumps(body), error.status_code, error.headers, "application/json")


def _status_of(error: HTTPException, message: str, details: Sequence[Detail]) -> dict[str, Any]:
    # kubectl prints the message only.
    whole = " ".join([message, *(f"{detail.field}: {detail.message}" for detail in details)])
    causes = [{"reason": "FieldValueInvalid", **detail.model_dump()} for detail in details]
    seconds = (error.headers or {}).get("Retry-After")
    retry = {} if seconds is None else {"retryAfterSeconds": int(seconds)}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": whole,
        "reason": _REASONS.get(error.status_code, ""),
        "details": {"causes": causes, **retry},
        "code": error.status_code,
    }
