"""The primary rate limit: a budget of requests an hour for each token."""

from __future__ import annotations

from datetime import timedelta

from codecourier.local.forge.errors import RefusedError
from codecourier.local.forge.records import RateBudget, now
from codecourier.local.forge.store import ForgeStore

__all__ = ["RateLimits"]

_LIMIT = 5000
"""Requests an hour, as GitHub grants a token."""

_WINDOW = timedelta(hours=1)


class RateLimits:
    """Counts the requests of each token; the budget 0 is for the App and for requests without a credential."""

    def __init__(self, store: ForgeStore) -> None:
        self._store = store

    def budget(self, token_id: int) -> RateBudget:
        """Return a token's budget in the present hour."""
        found = self._store.get(RateBudget, token_id)
        limit = found.limit if found else _LIMIT
        if found is None or found.reset_at <= now():
            return RateBudget(id=token_id, limit=limit, used=0, reset_at=now() + _WINDOW)
        return found

    def spend(self, token_id: int) -> None:
        """Take one request from a budget.

        Raises
        ------
        RefusedError
            403 if nothing is left.
        """
        budget = self.budget(token_id)
        if budget.used >= budget.limit:
            raise RefusedError(403, "API rate limit exceeded for this token.", headers=self.headers(token_id))
        self._store.write(budget.model_copy(update={"used": budget.used + 1}))

    def give_back(self, token_id: int) -> None:
        """Count a request as not sent: an answer that only says that nothing has changed is free."""
        budget = self.budget(token_id)
        self._store.write(budget.model_copy(update={"used": max(0, budget.used - 1)}))

    def set(self, token_id: int, *, limit: int, remaining: int, reset_seconds: int) -> None:
        """Set a token's limit, what is left of it, and the seconds until the hour is over."""
        reset_at = now() + timedelta(seconds=reset_seconds)
        self._store.write(RateBudget(id=token_id, limit=limit, used=limit - remaining, reset_at=reset_at))

    def headers(self, token_id: int) -> dict[str, str]:
        """Return the headers that report a budget."""
        return {f"x-ratelimit-{name}": str(value) for name, value in self.figures(token_id).items()} | {
            "x-ratelimit-resource": "core"
        }

    def figures(self, token_id: int) -> dict[str, int]:
        """Return a budget as the API shows it."""
        budget = self.budget(token_id)
        return {
            "limit": budget.limit,
            "remaining": max(0, budget.limit - budget.used),
            "reset": int(budget.reset_at.timestamp()),
            "used": budget.used,
        }
