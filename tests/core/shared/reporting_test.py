"""Exactly once: facts are recorded before the status, decisions claimed in it, and states settled while they last."""

from __future__ import annotations

from dataclasses import dataclass

from codecourier.core.shared.intents import Create, Plan
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.reporting import claim_notifications, record_notifications, settle_claims, settle_state
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.run import RunStatus
from tests.support.worlds import NOW, make_run


@dataclass(frozen=True)
class World:
    """What the module reads of any kind's world."""

    notifications: frozenset[str] = frozenset()
    is_namespace_ending: bool = False


def notification(which: str) -> Notification:
    """Return the Notification of an event."""
    return build_notification(
        make_run(), NotificationType.RUN_FAILED, which, title="It failed", message="So it was.", event_time=NOW
    )


ONE, TWO = notification("one"), notification("two")
BOTH = (ONE, TWO)
SEEN_ONE, SEEN_BOTH = World(frozenset({ONE.name})), World(frozenset({ONE.name, TWO.name}))
ENDING = World(is_namespace_ending=True)


def settled(world: World, status: RunStatus, *called_for: Notification) -> Plan | None:
    """Settle what a status claims."""
    return settle_claims(world, status, status.unnotified, lambda: called_for)


def test_facts_are_recorded_as_far_as_they_are_not_there_yet() -> None:
    assert record_notifications(World(), BOTH) == (Create(ONE), Create(TWO))
    assert record_notifications(SEEN_ONE, BOTH) == (Create(TWO),)
    assert record_notifications(SEEN_BOTH, BOTH) == ()
    assert record_notifications(ENDING, BOTH) == ()


def test_decisions_are_claimed_made_and_then_taken_off() -> None:
    status, creates = claim_notifications(RunStatus(), BOTH)
    assert (status.unnotified, creates) == ((ONE.name, TWO.name), (Create(ONE), Create(TWO)))
    assert settled(World(), status, *BOTH) == Plan(creates=creates)
    assert settled(SEEN_ONE, status, *BOTH) == Plan(creates=(Create(TWO),))
    assert settled(SEEN_BOTH, status, *BOTH) == Plan(status=RunStatus())
    assert settled(World(), RunStatus(), *BOTH) is None  # and none comes back once people delete it


def test_only_what_is_claimed_is_made() -> None:
    status, _ = claim_notifications(RunStatus(), (TWO,))
    assert settled(World(), status, *BOTH) == Plan(creates=(Create(TWO),))


def test_a_claim_of_another_version_holds_nothing_up() -> None:
    status = RunStatus(unnotified=("a-name-of-another-version", ONE.name))
    assert settled(World(), status, *BOTH) == Plan(creates=(Create(ONE),))
    assert settled(SEEN_ONE, status, *BOTH) == Plan(status=RunStatus())


def test_nothing_is_settled_in_a_namespace_that_goes_away() -> None:
    status, _ = claim_notifications(RunStatus(), BOTH)
    assert settled(ENDING, status, *BOTH) is None
    assert settle_state(ENDING, (), BOTH) == ((), ())


def test_a_state_is_reported_once_for_as_long_as_it_lasts() -> None:
    assert settle_state(World(), (), (ONE,)) == ((), (Create(ONE),))
    assert settle_state(SEEN_ONE, (), (ONE,)) == ((ONE.name,), ())
    assert settle_state(World(), (ONE.name,), (ONE,)) == ((ONE.name,), ()), "people have deleted it"
    assert settle_state(SEEN_ONE, (ONE.name,), ()) == ((), ()), "it is over"
    assert settle_state(SEEN_ONE, (ONE.name,), (TWO,)) == ((), (Create(TWO),)), "it is over and has begun again"
