"""What can go wrong with a forge, as sentences that a person can act on; none contains a credential."""

from __future__ import annotations

import re
from datetime import datetime

from codecourier.redaction import redact

__all__ = [
    "CredentialsRefused",
    "ForgeError",
    "ForgeNotFound",
    "ForgeRefused",
    "HostNotAllowed",
    "Moved",
    "RateLimited",
    "Silent",
    "Unavailable",
    "scrub",
]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]+")
_MESSAGE_MAX_CHARS = 1000
_READ_MAX_CHARS = 16 * _MESSAGE_MAX_CHARS
"""How much of a text is looked at: an answer can have megabytes, of which nothing more would be shown."""


def scrub(text: str) -> str:
    """Return what a forge or a library said as people may be shown it: one line, bounded, without credentials."""
    if len(text) > _READ_MAX_CHARS:
        # Between words, so that no beginning of a credential is left that looks like none.
        text = text[: text.rfind(" ", 0, _READ_MAX_CHARS) + 1] or text[:_MESSAGE_MAX_CHARS]
    text = _CONTROLS.sub(" ", redact(text)).strip()
    return text if len(text) <= _MESSAGE_MAX_CHARS else text[: _MESSAGE_MAX_CHARS - 1] + "…"


class ForgeError(Exception):
    """A call to a forge did not do what was asked.

    Parameters
    ----------
    message
        What was wrong, where, and what to do.
    status
        The HTTP status of the answer, None if there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(scrub(message))
        self.status = status

    @property
    def message(self) -> str:
        """What was wrong, where, and what to do."""
        return str(self)


class ForgeNotFound(ForgeError):
    """There is no such thing, it moved, or the credential may not see it."""


class Moved(ForgeNotFound):
    """What was asked for has another address; no request went there.

    Parameters
    ----------
    message
        What moved.
    location
        The address that the forge names. It is not to be trusted: another server may have answered.
    status
        The HTTP status of the answer.
    """

    def __init__(self, message: str, *, location: str, status: int) -> None:
        super().__init__(message, status=status)
        self.location = location


class HostNotAllowed(ForgeError):
    """The host is not one of those that may be asked; nothing was sent to it."""


class CredentialsRefused(ForgeError):
    """The credential is wrong, expired, revoked, lacks a permission, or came with more than was asked for."""


class ForgeRefused(ForgeError):
    """The forge refused the request, or the client would not send it; the same request will be refused again."""


class RateLimited(ForgeError):
    """The forge, or our budget for it, allows no such request before a time; nothing was done.

    Parameters
    ----------
    message
        Which limit, and when the request may be tried again.
    retry_at
        The time, in UTC.
    status
        The HTTP status of the answer, None if the request was not sent.
    """

    def __init__(self, message: str, *, retry_at: datetime, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_at = retry_at


class Unavailable(ForgeError):
    """The forge did not answer, or answered that it is broken.

    Parameters
    ----------
    message
        What happened.
    may_have_happened
        Whether the forge may have done the work: look before trying again.
    status
        The HTTP status of the answer, None if there was none.
    """

    def __init__(self, message: str, *, may_have_happened: bool, status: int | None = None) -> None:
        super().__init__(message, status=status)
        self.may_have_happened = may_have_happened


class Silent(Unavailable):
    """The forge did not answer in time; it may hang, and the next request may hang as long.

    Parameters
    ----------
    message
        What happened.
    may_have_happened
        Whether the forge may have done the work: look before trying again.
    retry_at
        When the next request may be sent, in UTC; None: at any time.
    """

    def __init__(self, message: str, *, may_have_happened: bool, retry_at: datetime | None = None) -> None:
        super().__init__(message, may_have_happened=may_have_happened)
        self.retry_at = retry_at
