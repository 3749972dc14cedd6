"""What people ask for by fields of a spec that say what happens now, not what the object is: `attempt`, `cancelled`.

No API server refuses an earlier value of a wish, or an earlier manifest from Git would be refused with it. So a plan
compares each wish with the status, which keeps what was granted: an attempt that is not greater asks for nothing, and
what was cancelled stays so when the wish is taken back.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Attempted", "Cancellable", "asks_for_attempt", "cancelled_attempt", "is_cancelled"]


class Attempted(Protocol):
    """A spec or status with an attempt."""

    @property
    def attempt(self) -> int:
        """In a spec the attempt that is asked for, from 1; in a status the one that it is about, 0 before the first."""


class Cancellable(Attempted, Protocol):
    """The status of a kind that can be cancelled."""

    @property
    def cancelled_attempt(self) -> int:
        """The greatest attempt that was asked for while the object was cancelled; 0: none."""


def asks_for_attempt(spec: Attempted, status: Attempted) -> bool:
    """Tell whether people ask for an attempt that has neither begun nor been cancelled; not while they cancel."""
    if getattr(spec, "cancelled", False):
        return False
    return spec.attempt > max(status.attempt, getattr(status, "cancelled_attempt", 0))


def is_cancelled(spec: Attempted, status: Cancellable) -> bool:
    """Tell whether people cancel the present attempt, or did so and have taken the wish back since."""
    return bool(getattr(spec, "cancelled", False)) or 0 < status.attempt <= status.cancelled_attempt


def cancelled_attempt(spec: Attempted, status: Cancellable) -> int:
    """Return the greatest attempt that is cancelled, as the status has to keep it."""
    if not getattr(spec, "cancelled", False):
        return status.cancelled_attempt
    return max(spec.attempt, status.attempt, status.cancelled_attempt)
