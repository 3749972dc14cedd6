"""An answer of the forge, and how data is read from it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codecourier.github.errors import Unavailable

__all__ = ["Answer", "Field", "unreadable"]


_TEXT_MAX_LENGTH = 4096
_REFUSAL_MAX_CHARS = 64 * 1024
"""Longest body of a refusal that is read; one of a megabyte comes from no forge and would only cost time."""

_NUMBER_MAX = 2**53
_BRANCH = re.compile(r"[^\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]{1,244}")
"""As statuses hold branches: `codecourier.resources.meta.BranchName`."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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
        The body, as received.
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
        """The forge's own message about an error, with its remarks on each field; empty for a body without one."""
        if len(self.body) > _REFUSAL_MAX_CHARS:
            return ""
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError):
            return ""
        if not isinstance(data, dict):
            return ""
        errors = data.get("errors")
        details = [_detail(error) for error in errors[:10]] if isinstance(errors, list) else []
        return "; ".join(filter(None, [str(data.get("message") or ""), *details]))

    @property
    def reports_limit(self) -> bool:
        """Whether an answer of the GraphQL API, whose status is 200, says that a rate limit was hit."""
        if len(self.body) > _REFUSAL_MAX_CHARS:
            return False
        try:
            errors = json.loads(self.body)["errors"]
            return any(error["type"] == "RATE_LIMITED" for error in errors)
        except (ValueError, RecursionError, LookupError, TypeError):
            return False

    def json(self) -> Any:
        """Return the body's JSON.

        Raises
        ------
        Unavailable
            If the body is not JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        raise unreadable(self.what, "it is not JSON", self.status)


def unreadable(what: str, why: str, status: int | None = None) -> Unavailable:
    """Return the error for an answer that does not follow the forge's documentation."""
    return Unavailable(
        f"the answer to {what} cannot be read ({why}); a proxy may have answered instead of the forge",
        may_have_happened=True,
        status=status,
    )


def _detail(error: object) -> str:
    """Return one entry of an answer's `errors` as text."""
    if not isinstance(error, dict):
        return str(error)
    field = ".".join(str(error[key]) for key in ("resource", "field") if error.get(key))
    return f"{field}: {error.get('message') or error.get('code') or 'invalid'}" if field else str(error.get("message"))


def _whole(text: str) -> str:
    """Return a text without halves of characters, which escapes of JSON can hold and no other text can."""
    return text if text.isascii() else text.encode(errors="replace").decode()


@dataclass(frozen=True)
class Field:
    """A place in an answer's JSON; an error about a wrong value names the place.

    Parameters
    ----------
    what
        The request.
    data
        The JSON at this place.
    path
        Where this place is.
    etag
        Name that the forge gives this answer; empty if it gives none.
    is_unchanged
        Whether the forge said only that nothing has changed since the answer that the request named.
    status
        HTTP status of the answer.
    """

    what: str
    data: Any
    path: str = "body"
    etag: str = ""
    is_unchanged: bool = False
    status: int = 200

    def at(self, *names: str) -> Field:
        """Return the place below this one by these names; a missing one is null."""
        data = self.data
        for name in names:
            data = data.get(name) if isinstance(data, dict) else None
        return Field(self.what, data, ".".join([self.path, *names]), status=self.status)

    def items(self) -> list[Field]:
        """Return the places in a list."""
        if not isinstance(self.data, list):
            raise self._wrong("a list")
        return [Field(self.what, item, f"{self.path}[{index}]") for index, item in enumerate(self.data)]

    def text(self, max_length: int = _TEXT_MAX_LENGTH) -> str:
        """Return a string of 1 to `max_length` characters."""
        if isinstance(self.data, str) and 0 < len(self.data) <= max_length:
            return _whole(self.data)
        raise self._wrong(f"a text of 1 to {max_length} characters")

    def word(self) -> str:
        """Return a string of any length; empty where there is none."""
        return _whole(self.data) if isinstance(self.data, str) else ""

    def branch(self) -> str:
        """Return the short name of a branch, as a status can hold it."""
        if isinstance(self.data, str) and _BRANCH.fullmatch(self.data):
            return self.data
        raise self._wrong("the name of a branch")

    def commit(self) -> str:
        """Return a full commit id."""
        if isinstance(self.data, str) and _COMMIT.fullmatch(self.data):
            return self.data
        raise self._wrong("a commit id")

    def number(self) -> int:
        """Return a whole number, 1 to 2**53."""
        if isinstance(self.data, int) and not isinstance(self.data, bool) and 0 < self.data <= _NUMBER_MAX:
            return self.data
        raise self._wrong(f"a whole number from 1 to {_NUMBER_MAX}")

    def time(self) -> datetime:
        """Return a time with its zone."""
        try:
            time = datetime.fromisoformat(self.text())
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            raise self._wrong("a time")
        return time

    def _wrong(self, wanted: str) -> Unavailable:
        return unreadable(self.what, f"{self.path} is not {wanted}")
