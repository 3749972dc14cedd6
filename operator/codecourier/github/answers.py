"""What an answer of the forge means: a pure translation into data or into one of our errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codecourier.github.api import PullRequestFacts, RepositoryFacts
from codecourier.github.errors import (
    AlreadyExists,
    CredentialsRefused,
    ForgeError,
    Invalid,
    NotFound,
    RateLimited,
    Unavailable,
    scrub,
)
from codecourier.pull_request import PullRequestState

__all__ = [
    "Answer",
    "Field",
    "read_pull_request",
    "read_repository",
    "read_sha",
    "to_error",
    "unreadable",
]

_SERVER_ERRORS = 500
_TIMEOUT = 408


@dataclass(frozen=True)
class Answer:
    """An answer of the forge.

    Parameters
    ----------
    what
        The request, as messages name it.
    status
        HTTP status.
    headers
        Names in lower case.
    body
        As it came.
    """

    what: str
    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def is_error(self) -> bool:
        """Whether the forge did not do what was asked."""
        return not 200 <= self.status < 300  # noqa: PLR2004 - HTTP

    @property
    def message(self) -> str:
        """The forge's own words about an error, with those about each field."""
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(data, dict):
            return ""
        errors = data.get("errors")
        details = [_detail(error) for error in errors[:10]] if isinstance(errors, list) else []
        return "; ".join(filter(None, [str(data.get("message") or ""), *details]))

    def json(self) -> Any:
        """Give the body's JSON.

        Raises
        ------
        Unavailable
            If it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        raise unreadable(self.what, "it is not JSON", self.status)


def unreadable(what: str, why: str, status: int | None = None) -> Unavailable:
    """Give the error for an answer that is not what the forge's documentation says."""
    return Unavailable(
        f"the answer to {what} cannot be read ({why}); a proxy may have answered instead of the forge",
        may_have_happened=True,
        status=status,
    )


def to_error(answer: Answer, retry_at: datetime | None, *, is_write: bool) -> ForgeError:
    """Translate an answer that is an error.

    Parameters
    ----------
    answer
        The answer.
    retry_at
        When to come back if a limit was hit, None if none was.
    is_write
        Whether the request asked for work that may have been done.
    """
    what, status, said = answer.what, answer.status, _quoted(answer.message)
    if retry_at is not None:
        when = f"{retry_at:%Y-%m-%dT%H:%M:%SZ}"
        return RateLimited(f"{what}: a rate limit was hit; next try at {when}{said}", retry_at=retry_at, status=status)
    if status >= _SERVER_ERRORS or status == _TIMEOUT:
        return Unavailable(
            f"{what}: the forge answered {status}{said}; it is tried again", may_have_happened=is_write, status=status
        )
    if status in {401, 403}:
        return _to_credentials_refused(answer)
    if status in {404, 410, 451}:
        return NotFound(
            f"{what}: there is no such repository or object, or the credential may not see it; "
            f"check the address and that the credential includes the repository{said}",
            status=status,
        )
    if status == 422 and "already exists" in answer.message.lower():  # noqa: PLR2004 - HTTP
        return AlreadyExists(f"{what}: it exists already{said}", status=status)
    return Invalid(f"{what}: the forge refused the request with {status}{said}", status=status)


def _to_credentials_refused(answer: Answer) -> CredentialsRefused:
    said = _quoted(answer.message)
    if answer.status == 401:  # noqa: PLR2004 - HTTP
        return CredentialsRefused(
            f"{answer.what}: the credential is wrong, expired or revoked; renew it{said}", status=answer.status
        )
    accepted = scrub(answer.headers.get("x-accepted-github-permissions", ""))
    advice = f"it needs {accepted}" if accepted else "check its permissions and the organization's policies"
    return CredentialsRefused(
        f"{answer.what}: the credential lacks a permission or was blocked; {advice}{said}", status=answer.status
    )


def _quoted(message: str) -> str:
    return f' (the forge says: "{scrub(message)}")' if message.strip() else ""


def _detail(error: object) -> str:
    """Put one entry of an answer's `errors` into words."""
    if not isinstance(error, dict):
        return str(error)
    field = ".".join(str(error[key]) for key in ("resource", "field") if error.get(key))
    return f"{field}: {error.get('message') or error.get('code') or 'invalid'}" if field else str(error.get("message"))


@dataclass(frozen=True)
class Field:
    """A place in an answer's JSON, which says where it is when it is not what it should be.

    Parameters
    ----------
    what
        The request.
    data
        The JSON at this place.
    path
        Where this place is.
    """

    what: str
    data: Any
    path: str = "body"

    def at(self, *names: str) -> Field:
        """Go down by names; what is absent is null."""
        data = self.data
        for name in names:
            data = data.get(name) if isinstance(data, dict) else None
        return Field(self.what, data, ".".join([self.path, *names]))

    def items(self) -> list[Field]:
        """Give the places in a list."""
        if not isinstance(self.data, list):
            raise self._wrong("a list")
        return [Field(self.what, item, f"{self.path}[{index}]") for index, item in enumerate(self.data)]

    def text(self) -> str:
        """Give a string that is not empty."""
        if isinstance(self.data, str) and self.data:
            return self.data
        raise self._wrong("a text")

    def number(self) -> int:
        """Give a whole number."""
        if isinstance(self.data, int) and not isinstance(self.data, bool):
            return self.data
        raise self._wrong("a whole number")

    def time(self) -> datetime:
        """Give a time with its zone."""
        try:
            time = datetime.fromisoformat(self.text())
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            raise self._wrong("a time")
        return time

    def _wrong(self, wanted: str) -> Unavailable:
        return unreadable(self.what, f"{self.path} is not {wanted}")


def read_repository(field: Field) -> RepositoryFacts:
    """Read a repository."""
    return RepositoryFacts(
        id=field.at("id").number(),
        default_branch=field.at("default_branch").text(),
        clone_url=field.at("clone_url").text(),
    )


def read_sha(field: Field) -> str:
    """Read the commit that a ref points to."""
    return field.at("object", "sha").text()


def read_pull_request(field: Field, *, has_marker: bool) -> PullRequestFacts:
    """Read a pull request.

    Parameters
    ----------
    field
        Where it is.
    has_marker
        Whether it is ours.
    """
    state = PullRequestState.OPEN
    if field.at("merged_at").data is not None:
        state = PullRequestState.MERGED
    elif field.at("state").text() != "open":
        state = PullRequestState.CLOSED
    return PullRequestFacts(
        number=field.at("number").number(),
        url=field.at("html_url").text(),
        state=state,
        is_draft=field.at("draft").data is True,
        head_branch=field.at("head", "ref").text(),
        head_sha=field.at("head", "sha").text(),
        base_branch=field.at("base", "ref").text(),
        has_marker=has_marker,
        title=field.at("title").text(),
        created_at=field.at("created_at").time(),
    )
