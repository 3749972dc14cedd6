"""Conditions: their times move only with their status, and Stalled exists only while it is true."""

from datetime import UTC, datetime, timedelta

from codecourier.core.shared.conditions import with_condition, with_readiness
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.meta import Condition, ConditionStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
REFUSED = with_readiness(
    (), ConditionStatus.FALSE, Reason.WORKFLOW_NOT_FOUND, "It is not there.", is_stalled=True, now=NOW, generation=1
)


def shown(conditions: tuple[Condition, ...]) -> dict[str, tuple[str, str]]:
    """Return status and message of each condition by its type."""
    return {condition.type: (condition.status, condition.message) for condition in conditions}


def test_stalled_comes_with_what_only_people_can_repair_for_the_same_reason() -> None:
    assert shown(REFUSED) == {"Ready": ("False", "It is not there."), "Stalled": ("True", "It is not there.")}
    assert {condition.reason for condition in REFUSED} == {"WorkflowNotFound"}


def test_stalled_goes_once_it_is_not_true_any_more() -> None:
    accepted = with_readiness(REFUSED, ConditionStatus.TRUE, Reason.ACCEPTED, "All is well.", now=LATER, generation=2)
    assert shown(accepted) == {"Ready": ("True", "All is well.")}


def test_stalled_keeps_since_when_it_is_true_under_another_message() -> None:
    again = with_readiness(
        REFUSED, ConditionStatus.FALSE, Reason.WORKFLOW_NOT_FOUND, "Still.", is_stalled=True, now=LATER, generation=2
    )
    assert shown(again) == {"Ready": ("False", "Still."), "Stalled": ("True", "Still.")}
    assert {(condition.last_transition_time, condition.observed_generation) for condition in again} == {(NOW, 2)}


def test_a_time_moves_with_the_status_and_the_other_conditions_stay() -> None:
    changed = with_condition(
        REFUSED, ConditionType.READY, ConditionStatus.TRUE, Reason.ACCEPTED, "", now=LATER, generation=2
    )
    assert [condition.last_transition_time for condition in changed] == [LATER, NOW]
    assert changed[1] == REFUSED[1]


def test_stalled_stays_where_it_is_so_that_nothing_is_written_for_its_place() -> None:
    more = with_condition(
        REFUSED, ConditionType.SUCCEEDED, ConditionStatus.UNKNOWN, Reason.WORKFLOW_NOT_FOUND, "", now=NOW, generation=1
    )
    again = with_readiness(
        more,
        ConditionStatus.FALSE,
        Reason.WORKFLOW_NOT_FOUND,
        "It is not there.",
        is_stalled=True,
        now=LATER,
        generation=1,
    )
    assert again == more
