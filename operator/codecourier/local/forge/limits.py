"""The primary rate limit: a budget of requests an hour for each token."""

from __future__ import annotations

from datetime import timedelta

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.records import RateBudget, Token, now
from codecourier.local.forge.store import ForgeStore

__all__ = ["CORE", "GRAPHQL", "RateLimits", "budget_of"]

CORE = "core"
"""The budget of the REST API."""

GRAPHQL = "graphql"
"""The budget of the GraphQL API."""

_LIMIT = 5000
"""Requests an hour, as GitHub grants a token."""

_WINDOW = timedelta(hours=1)


def budget_of(token: Token) -> int:
    """Return the number of a token's budget.

    All tokens of an installation have one:
    https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#primary-rate-limit-for-github-app-installations.
    """
    return token.installation_id or token.id


class RateLimits:
    """Counts the requests of each token to each API.

    The budget 0 is for the App and for requests without a credential.
    """

    def __init__(self, store: ForgeStore) -> None:
        self._store = store

    def budget(self, budget_id: int, resource: str = CORE) -> RateBudget:
        """Return a token's budget for an API in the present hour."""
        key = _key(budget_id, resource)
        found = self._store.get(RateBudget, key)
        limit = found.limit if found else _LIMIT
        if found is None or found.reset_at <= now():
            return RateBudget(id=key, limit=limit, used=0, reset_at=now() + _WINDOW)
        return found

    def spend(self, budget_id: int, resource: str = CORE, *, points: int = 1) -> None:
        """Take requests, or points of the GraphQL API, from a budget.

        Raises
        ------
        RefusedError
            403 if nothing is left.
        """
        budget = self.budget(budget_id, resource)
        if budget.used >= budget.limit:
            raise RefusedError(
                403, "API rate limit exceeded for this token.", headers=self.headers(budget_id, resource)
            )
        self._store.write(budget.model_copy(update={"used": budget.used + points}))

    def give_back(self, budget_id: int) -> None:
        """Count a request as not sent: an answer that only says that nothing has changed is free."""
        budget = self.budget(budget_id)
        changes = {"used": max(0, budget.used - 1), "unchanged": budget.unchanged + 1}
        self._store.write(budget.model_copy(update=changes))

    def set(self, budget_id: int, *, limit: int, remaining: int, reset_seconds: int, resource: str = CORE) -> None:
        """Set a token's limit for an API, what is left of it, and the seconds until the hour is over."""
        reset_at = now() + timedelta(seconds=reset_seconds)
        self._store.write(
            RateBudget(id=_key(budget_id, resource), limit=limit, used=limit - remaining, reset_at=reset_at)
        )

    def headers(self, budget_id: int, resource: str = CORE) -> dict[str, str]:
        """Return the headers that report a budget."""
        return {f"x-ratelimit-{name}": str(value) for name, value in self.figures(budget_id, resource).items()} | {
            "x-ratelimit-resource": resource
        }

    def figures(self, budget_id: int, resource: str = CORE) -> dict[str, int]:
        """Return a budget as the API shows it."""
        budget = self.budget(budget_id, resource)
        return {
            "limit": budget.limit,
            "remaining": max(0, budget.limit - budget.used),
            "reset": int(budget.reset_at.timestamp()),
            "used": budget.used,
        }

    def holder(self, budget: RateBudget) -> tuple[int, str]:
        """Return the number of the budget's holder, which is a token or an installation, and the API."""
        return (budget.id, CORE) if budget.id >= 0 else (-1 - budget.id, GRAPHQL)


def _key(budget_id: int, resource: str) -> int:
    """Return under which number a budget is kept; those of tokens are positive."""
    return budget_id if resource == CORE else -1 - budget_id
