"""How people are notified of an event exactly once (invariant 3), whatever crashes, is frozen or runs twice.

A Notification's name is a function of its event, so it cannot be there twice at the same time. Two more things have to
be prevented: a Notification of something that the object's status never says, and one that comes back after people
have deleted it. What kind of event it is decides how:

- A fact, such as the end of a Sandbox that leaves nothing to decide, comes out alike for every leader at any time. Its
  Notification is a record (`record_notifications`): it is made before the status is written. So that one write says
  everything, and a leader that was frozen meanwhile makes the same Notification.
- A decision, such as a cancellation, might have been another one a moment later. Its status is written first, with the
  names of the Notifications that it calls for in `unnotified` (`claim_notifications`); they are made after it, and
  another write takes their names off once they were seen (`settle_claims`).
- A state that lasts, such as a credential that does not work, is a decision too: its condition is the claim, and the
  time of its transition names the Notification. The names that were seen are kept for as long as the state lasts
  (`settle_state`).

A Notification that people delete comes back only if they do so before its name was settled. Nothing is made in a
namespace that is going away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self, TypeVar

from codecourier.core.shared.intents import Create, Plan
from codecourier.resources.meta import Status
from codecourier.resources.notification import Notification

__all__ = [
    "ReportingWorld",
    "claim_notifications",
    "missing_claims",
    "record_notifications",
    "settle_claims",
    "settle_state",
    "with_claims",
]


class ReportingWorld(Protocol):
    """The world of a kind that people are notified of."""

    @property
    def notifications(self) -> frozenset[str]:
        """Names of the object's Notifications that are there."""

    @property
    def is_namespace_ending(self) -> bool:
        """Whether the namespace is going away, so that nothing can be made in it any more."""


class ClaimingStatus(Protocol):
    """The status of a kind that claims Notifications."""

    @property
    def unnotified(self) -> tuple[str, ...]:
        """Names of the Notifications that it claims."""

    def updated(self, **changes: Any) -> Self:
        """Return a copy with these fields changed."""


S = TypeVar("S", bound=ClaimingStatus)

MOST_CLAIMS = 16
"""Most Notifications that a status claims, as the CRDs bound them; only a long refusal makes it so many."""


def record_notifications(world: ReportingWorld, called_for: Iterable[Notification]) -> tuple[Create, ...]:
    """Return the records of facts: the Notifications that are not there yet."""
    return _missing(world, called_for)


def claim_notifications(status: S, called_for: Iterable[Notification]) -> tuple[S, tuple[Create, ...]]:
    """Return the status that claims the Notifications of a decision, and the creations that follow its write."""
    made = tuple(called_for)
    return with_claims(status, (n.name for n in made)), tuple(Create(n) for n in made)


def with_claims(status: S, names: Iterable[str]) -> S:
    """Return the status that claims these Notifications beside those that it owes already, the latest ones first."""
    claimed = dict.fromkeys((*names, *status.unnotified))
    return status.updated(unnotified=tuple(claimed)[:MOST_CLAIMS])


def settle_claims(
    world: ReportingWorld, status: Status, claimed: tuple[str, ...], called_for: Callable[[], Iterable[Notification]]
) -> Plan | None:
    """Return the plan that makes what the written status claims, or takes the claims off once all are there.

    `claimed` are the status's `unnotified`; `called_for` builds all Notifications that it calls for. What it does not
    call for is not waited for: another version of the operator may have claimed it. None: there is nothing to settle.
    """
    if not claimed or world.is_namespace_ending:
        return None
    if creates := missing_claims(world, claimed, called_for):
        return Plan(creates=creates)
    return Plan(status=status.updated(unnotified=()))


def missing_claims(
    world: ReportingWorld, claimed: tuple[str, ...], called_for: Callable[[], Iterable[Notification]]
) -> tuple[Create, ...]:
    """Return the creations of claimed Notifications that are not there yet, of all that `called_for` builds."""
    return _missing(world, (n for n in called_for() if n.name in claimed)) if claimed else ()


def settle_state(
    world: ReportingWorld, seen: tuple[str, ...], called_for: Iterable[Notification]
) -> tuple[tuple[str, ...], tuple[Create, ...]]:
    """Return the names that were seen of a state that lasts, and the creations that are still to be made.

    `seen` are the names that the status holds, `called_for` the Notifications of the states that are written in it.
    """
    claimed = tuple(called_for)
    kept = tuple(n.name for n in claimed if n.name in seen or n.name in world.notifications)
    return kept, _missing(world, (n for n in claimed if n.name not in kept))


def _missing(world: ReportingWorld, called_for: Iterable[Notification]) -> tuple[Create, ...]:
    if world.is_namespace_ending:
        return ()
    return tuple(Create(n) for n in called_for if n.name not in world.notifications)
