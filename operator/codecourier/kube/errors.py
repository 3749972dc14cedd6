"""The API server's answers that are errors, and the lack of an answer."""

# The names are Kubernetes' own reasons, which have no `Error` suffix.
# ruff: noqa: N818

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

__all__ = [
    "AlreadyExists",
    "ApiError",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "KubeError",
    "NotFound",
    "NotLeadingError",
    "ServerError",
    "TooManyRequests",
    "Unanswered",
    "Unauthorized",
    "error_from_status",
    "parse_retry_after",
]


class KubeError(Exception):
    """A call to the API server failed, as far as we know."""


class Unanswered(KubeError):
    """No answer came in time or the connection broke: the server may have done the work, so check before retrying."""


class NotLeadingError(KubeError):
    """A write was not sent, because this process does not lead, or can no longer be sure that it does."""


class ApiError(KubeError):
    """The API server refused.

    Parameters
    ----------
    status
        HTTP status.
    reason
        Kubernetes' reason, a word for programs; may be empty.
    message
        Kubernetes' message for people.
    details
        Kubernetes' details: the object concerned and the causes.
    retry_after
        Seconds to wait before retrying, where the server said so. A proxy may have written anything: callers bound it.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details: Mapping[str, Any] = details or {}
        self.retry_after = retry_after

    def has_cause(self, reason: str) -> bool:
        """Return whether the details give this cause, such as `NamespaceTerminating` for a refused creation."""
        causes = self.details.get("causes")
        found = causes if isinstance(causes, list) else []
        return any(isinstance(cause, dict) and cause.get("reason") == reason for cause in found)


class NotFound(ApiError):
    """There is no such object, or the kind is not served."""


class AlreadyExists(ApiError):
    """The name is taken."""


class Conflict(ApiError):
    """Another client changed the object first, or a precondition of a deletion does not hold."""


class Gone(ApiError):
    """The resourceVersion is too old to list or watch from."""


class Forbidden(ApiError):
    """Not allowed: by authorization, quota, admission or because the namespace is being deleted (see `has_cause`)."""


class Unauthorized(ApiError):
    """The credentials are missing, wrong or expired."""


class Invalid(ApiError):
    """The object violates its schema or a rule."""


class TooManyRequests(ApiError):
    """The server is busy; nothing was done."""


class ServerError(ApiError):
    """The server failed (5xx). A write may have happened all the same: a timeout behind the server looks like this."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def error_from_status(code: int, body: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    """Translate an HTTP status and, where there is one, the `Status` object that came with it.

    Parameters
    ----------
    code
        HTTP status, or for an `ERROR` event of a watch the `code` of its object.
    body
        The `Status` object; may be empty.
    retry_after
        The `Retry-After` header in seconds.
    """
    reason = str(body.get("reason") or "")
    details = body.get("details")
    if not isinstance(details, dict):
        # A proxy may answer in another JSON format.
        details = {}
    kind = ServerError if code >= 500 else _BY_STATUS.get(code, ApiError)  # noqa: PLR2004
    if reason == "AlreadyExists":
        kind = AlreadyExists
    if retry_after is None:
        retry_after = parse_retry_after(details.get("retryAfterSeconds"))
    return kind(code, reason, str(body.get("message") or "no message"), details, retry_after)


def parse_retry_after(value: object) -> float | None:
    """Return the seconds of a `Retry-After` header or of `retryAfterSeconds`; None for anything but a number from 0.

    A date is ignored: it would be compared with a clock that may be wrong, and no API server sends one.
    """
    if isinstance(value, str) and not (value.isascii() and value.replace(".", "", 1).isdecimal()):
        return None
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return inf
    return seconds if seconds >= 0 else None
