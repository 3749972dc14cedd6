"""How often what is followed at a host is looked at: decided from its age and from what the credential has left."""

from __future__ import annotations

from datetime import datetime, timedelta

__all__ = ["LEAST_SECONDS", "MOST_SECONDS", "find_pause", "find_spacing"]

LEAST_SECONDS = 60.0
"""The shortest time between two looks at the same pull request."""

MOST_SECONDS = 1800.0
"""The longest."""

SHARE = 0.08
"""How much of an hour's budget of a credential looks may use."""

AMPLE = 0.5
"""Share of the budget above which looks keep to `SHARE`; below, there are fewer and fewer."""

RESERVE = 0.25
"""Share of the budget that looks leave to everything else, such as merges."""

USUAL_LIMIT = 5000
"""Points in an hour that GitHub gives a credential; assumed of hosts that count none."""

_AGE_SHARE = 0.1


def find_pause(quiet: timedelta) -> float:
    """Return how many seconds pass between two looks at what has not changed for this time."""
    return min(max(quiet.total_seconds() * _AGE_SHARE, LEAST_SECONDS), MOST_SECONDS)


def find_spacing(limit: int | None, remaining: int, reset_at: datetime | None, now: datetime) -> float:
    """Return how many seconds pass between two looks with the same credential, whatever they look at.

    Parameters
    ----------
    limit
        Points that the credential has in an hour; None: the host counts none.
    remaining
        Points that are left to it.
    reset_at
        When it has all again.
    now
        The time.
    """
    usual = 3600 / (SHARE * (limit or USUAL_LIMIT))
    if limit is None or remaining >= AMPLE * limit:
        return usual
    until_reset = max(0.0, (reset_at - now).total_seconds()) if reset_at is not None else MOST_SECONDS
    left = remaining / limit - RESERVE
    stretched = usual * (AMPLE - RESERVE) / left if left > 0 else until_reset
    return max(usual, min(stretched, until_reset, 3600.0))
