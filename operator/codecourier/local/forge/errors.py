"""Errors in the shapes in which GitHub answers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = [
    "DOCUMENTATION_URL",
    "RefusedError",
    "bad_credentials",
    "invalid_field",
    "not_accessible",
    "not_found",
    "validation_failed",
]

DOCUMENTATION_URL = "https://docs.github.com/rest"
"""Named in every error, as GitHub does."""


class RefusedError(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status
        The HTTP status.
    message
        The sentence for the client.
    errors
        Details of a validation error.
    headers
        Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """Return the answer's JSON object."""
        body: dict[str, object] = {"message": self.message}
        if self.errors:
            body["errors"] = [dict(error) for error in self.errors]
        return {**body, "documentation_url": DOCUMENTATION_URL, "status": str(self.status)}


def not_found() -> RefusedError:
    """Return the answer for what does not exist and for what a token may not see."""
    return RefusedError(404, "Not Found")


def bad_credentials() -> RefusedError:
    """Return the answer to an unknown, expired or revoked credential."""
    return RefusedError(401, "Bad credentials")


def not_accessible(principal_kind: str) -> RefusedError:
    """Return the answer to a token that lacks a permission."""
    holder = "integration" if principal_kind == "installation" else "personal access token"
    return RefusedError(403, f"Resource not accessible by {holder}")


def validation_failed(resource: str, message: str) -> RefusedError:
    """Return a refusal for a reason that has no field of its own."""
    return RefusedError(422, "Validation Failed", errors=[{"resource": resource, "code": "custom", "message": message}])


def invalid_field(resource: str, field: str, code: str = "invalid") -> RefusedError:
    """Return a refusal of one field."""
    return RefusedError(422, "Validation Failed", errors=[{"resource": resource, "field": field, "code": code}])
