"""The primary rate limit: a budget of requests an hour for each token."""

from __future__ import annotations

from datetime import timedelta

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.records import RateBudget, now
from codecourier.local.forge.store import ForgeStore

__all__ = ["CORE", "GRAPHQL", "RateLimits"]

CORE = "core"
"""The budget of the REST API."""

GRAPHQL = "graphql"
"""The budget of the GraphQL API, here of one point for each query."""

_LIMIT = 5000
"""Requests an hour, as GitHub grants a token."""

_WINDOW = timedelta(hours=1)


class RateLimits:
    """Counts the requests of each token to each API.

    The budget 0 is for the App and for requests without a credential.
    """

    def __init__(self, store: ForgeStore) -> None:
        self._store = store

    def budget(self, token_id: int, resource: str = CORE) -> RateBudget:
        """Return a token's budget for an API in the present hour."""
        key = _key(token_id, resource)
        found = self._store.get(RateBudget, key)
        limit = found.limit if found else _LIMIT
        if found is None or found.reset_at <= now():
            return RateBudget(id=key, limit=limit, used=0, reset_at=now() + _WINDOW)
        return found

    def spend(self, token_id: int, resource: str = CORE) -> None:
        """Take one request from a budget.

        Raises
        ------
        RefusedError
            403 if nothing is left.
        """
        budget = self.budget(token_id, resource)
        if budget.used >= budget.limit:
            raise RefusedError(403, "API rate limit exceeded for this token.", headers=self.headers(token_id, resource))
        self._store.write(budget.model_copy(update={"used": budget.used + 1}))

    def give_back(self, token_id: int) -> None:
        """Count a request as not sent: an answer that only says that nothing has changed is free."""
        budget = self.budget(token_id)
        self._store.write(budget.model_copy(update={"used": max(0, budget.used - 1)}))

    def set(self, token_id: int, *, limit: int, remaining: int, reset_seconds: int, resource: str = CORE) -> None:
        """Set a token's limit for an API, what is left of it, and the seconds until the hour is over."""
        reset_at = now() + timedelta(seconds=reset_seconds)
        self._store.write(
            RateBudget(id=_key(token_id, resource), limit=limit, used=limit - remaining, reset_at=reset_at)
        )

    def headers(self, token_id: int, resource: str = CORE) -> dict[str, str]:
        """Return the headers that report a budget."""
        return {f"x-ratelimit-{name}": str(value) for name, value in self.figures(token_id, resource).items()} | {
            "x-ratelimit-resource": resource
        }

    def figures(self, token_id: int, resource: str = CORE) -> dict[str, int]:
        """Return a budget as the API shows it."""
        budget = self.budget(token_id, resource)
        return {
            "limit": budget.limit,
            "remaining": max(0, budget.limit - budget.used),
            "reset": int(budget.reset_at.timestamp()),
            "used": budget.used,
        }


def _key(token_id: int, resource: str) -> int:
    """Return under which number a budget is kept; those of tokens are positive."""
    return token_id if resource == CORE else -1 - token_id
