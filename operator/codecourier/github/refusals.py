"""What the forge's refusals mean: rows that a request brings along, then rows for every request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from codecourier.github.answers import Answer
from codecourier.github.errors import (
    CredentialsRefused,
    ForgeError,
    ForgeNotFound,
    ForgeRefused,
    RateLimited,
    Unavailable,
    scrub,
)

__all__ = ["OTHER_STATUSES", "Refusal", "to_error"]

OTHER_STATUSES = frozenset(range(400, 500)) - {401, 403, 404, 408, 410, 429, 451}
"""Refusals that do not mean the same everywhere, for a row about all of them."""

_SERVER_ERRORS = 500
_TIMEOUT = 408


@dataclass(frozen=True)
class Refusal:
    """A row of an operation's table: what it means that the forge refuses a request.

    Parameters
    ----------
    statuses
        HTTP statuses of the answers that the row is about.
    error
        What is raised; it is made from a message and a status.
    meaning
        What happened and what to do about it, as the part of a sentence.
    words
        What the forge's own message must contain, in lower case; empty: any message.
    """

    statuses: frozenset[int]
    error: type[ForgeError]
    meaning: str
    words: str = ""

    def fits(self, answer: Answer) -> bool:
        """Return whether the row is about an answer."""
        return answer.status in self.statuses and self.words in answer.message.lower()


_EVERYWHERE = (
    Refusal(
        frozenset({401}),
        CredentialsRefused,
        "the credential is wrong, expired or revoked; renew it",
    ),
    Refusal(
        frozenset({404, 410, 451}),
        ForgeNotFound,
        "there is no such repository or object, or the credential may not see it; check the address and that the "
        "credential includes the repository",
    ),
)
"""What a refusal means where the request has no row for it."""


def to_error(answer: Answer, retry_at: datetime | None, refusals: Iterable[Refusal], *, is_write: bool) -> ForgeError:
    """Translate an answer that is an error.

    Parameters
    ----------
    answer
        The answer.
    retry_at
        When to try again if a limit was hit, None if none was.
    refusals
        What refusals mean for this request; the first row that fits counts.
    is_write
        Whether the request asked for work that may have been done.
    """
    what, status, said = answer.what, answer.status, _quoted(answer.message)
    if retry_at is not None:
        return RateLimited(f"{what}: a rate limit was hit{said}", retry_at=retry_at, status=status)
    if status >= _SERVER_ERRORS or status == _TIMEOUT:
        return Unavailable(
            f"{what}: the forge answered {status}{said}; it is tried again", may_have_happened=is_write, status=status
        )
    for refusal in (*refusals, _forbidden(answer), *_EVERYWHERE):
        if refusal.fits(answer):
            return refusal.error(f"{what}: {refusal.meaning}{said}", status=status)
    return ForgeRefused(f"{what}: the forge refused the request with {status}{said}", status=status)


def _forbidden(answer: Answer) -> Refusal:
    accepted = scrub(answer.headers.get("x-accepted-github-permissions", ""))
    advice = f"it needs {accepted}" if accepted else "check its permissions and the organization's policies"
    meaning = f"the credential lacks a permission or was blocked; {advice}"
    return Refusal(frozenset({403}), CredentialsRefused, meaning)


def _quoted(message: str) -> str:
    return f' (the forge says: "{scrub(message)}")' if message.strip() else ""
