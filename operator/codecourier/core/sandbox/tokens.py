"""The tokens of a Sandbox: what is known of their Secret, and how they are revoked.

Valid tokens must not outlive their purpose, nor leave the place where they can be revoked. So a Secret with such
tokens holds a finalizer until they are revoked: every deletion of it (by a person, by the garbage collector after a
foreground deletion, with its namespace) waits for that. A forge that does not answer delays the end of a Sandbox for
a bounded time only; the revocation is then retried until the tokens expire.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from codecourier.core.shared.intents import Failures, RevokeTokens
from codecourier.core.shared.repositories import find_repository
from codecourier.resources.project import Project, Repository
from codecourier.resources.run import Run

__all__ = ["REVOCATION_LIMIT", "Revocation", "TokenSecret", "describe_tokens", "revocation_of"]

REVOCATION_LIMIT = timedelta(minutes=2)
"""How long a failing revocation may delay the end of a Sandbox."""

_LATE_PUSHES = "pushes that come too late are refused because the branch has moved."


@dataclass(frozen=True, slots=True)
class TokenSecret:
    """What is known of the Secret with the tokens of a Sandbox."""

    name: str
    resource_version: str
    expiry_time: datetime | None
    """When the tokens expire; None for a personal token."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """How the tokens of a Secret are revoked."""

    effect: RevokeTokens
    is_waited_for: bool
    """Whether nothing else may be said or let go before; no longer so when it has failed for `REVOCATION_LIMIT`."""

    look_again: datetime | None
    """When `is_waited_for` changes; None while nothing has failed."""


def revocation_of(namespace: str, secret: TokenSecret, failures: Failures, now: datetime) -> Revocation:
    """Return how the tokens of a Secret are revoked next, given how earlier attempts went."""
    effect = RevokeTokens(namespace, secret.name)
    problem = failures.get(effect)
    if problem is None:
        return Revocation(effect, is_waited_for=True, look_again=None)
    has_expired = secret.expiry_time is not None and now >= secret.expiry_time
    if problem.is_final or has_expired:
        return Revocation(RevokeTokens(namespace, secret.name, is_forced=True), is_waited_for=False, look_again=None)
    limit = (problem.since or now) + REVOCATION_LIMIT
    return Revocation(effect, is_waited_for=now < limit, look_again=limit if now < limit else secret.expiry_time)


def describe_tokens(project: Project | None, run: Run | None, secret: TokenSecret | None) -> str:
    """Return what processes on an unreachable node may still do with their tokens, as a sentence.

    Parameters
    ----------
    project, run
        Whose repository the tokens are for; None when they are not there any more.
    secret
        What is left of the tokens once their revocation is not waited for any more; None when they are revoked.
    """
    if secret is not None and secret.expiry_time is not None:
        ends = secret.expiry_time.isoformat(timespec="seconds")
        return f"Its tokens could not be revoked yet and expire at {ends}; until then {_LATE_PUSHES}"
    repository = (
        find_repository(project, run.status.repository_url) if project is not None and run is not None else None
    )
    if not isinstance(repository, Repository):
        return "Its tokens were revoked where their kind allows it."
    if repository.app is None:
        return f"It may still push with the Project's personal token, which only its owner can revoke; {_LATE_PUSHES}"
    return "Its tokens were revoked, so it cannot push."
