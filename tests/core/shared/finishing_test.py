"""What every plan ends with: the generation is observed once, with the least writes."""

from __future__ import annotations

import pytest

from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.facts import RepositoryAsk
from codecourier.core.shared.finishing import finish_plan, plan_waiting
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.meta import ConditionStatus, Status
from codecourier.resources.run import Run, RunPhase
from tests.support.runs import running
from tests.support.worlds import ACCESS, NOW, make_project


def at(run: Run, generation: int) -> Run:
    """Return a Run of a generation, with conditions of the first one."""
    conditions = run.status.conditions
    for type_, status in ((ConditionType.READY, ConditionStatus.TRUE), (ConditionType.SUCCEEDED, ConditionStatus.TRUE)):
        conditions = with_condition(conditions, type_, status, Reason.ACCEPTED, "So.", now=NOW, generation=1)
    new = run.status.updated(observed_generation=1, conditions=conditions)
    return run.updated(metadata=run.metadata.updated(generation=generation), status=new)


def observed(status: Status | None) -> list[int | None]:
    """Return the generations that a status and its conditions are about."""
    assert status is not None
    return [status.observed_generation, *(condition.observed_generation for condition in status.conditions)]


def test_a_plan_that_writes_nothing_observes_the_generation() -> None:
    run = at(running(), 4)
    plan = finish_plan(run, Plan(look_again=NOW), NOW)
    assert observed(plan.status) == [4, 4, 4]
    assert plan.look_again == NOW


def test_a_plan_that_writes_observes_in_the_same_write() -> None:
    run = at(running(), 4)
    plan = finish_plan(run, Plan(status=run.status.updated(message="It goes on.")), NOW)
    assert observed(plan.status) == [4, 4, 4]


def test_what_is_observed_costs_nothing() -> None:
    run = at(running(), 1)
    assert finish_plan(run, Plan(), NOW) == Plan()
    assert finish_plan(make_project(), Plan(is_brief=True), NOW) == Plan(is_brief=True)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(add_finalizer=True),
        Plan(release_finalizer=True),
        Plan(is_brief=True),
        Plan(asks=(RepositoryAsk(ACCESS),)),
    ],
)
def test_a_plan_that_another_follows_at_once_observes_nothing(plan: Plan) -> None:
    assert finish_plan(at(running(), 4), plan, NOW) == plan


def test_an_object_that_waits_for_an_answer_observes_its_generation_once_it_was_seen() -> None:
    assert observed(plan_waiting(at(running(), 4), NOW).status) == [4, 4, 4]
    assert plan_waiting(make_project(), NOW) == Plan()


def test_the_outcome_of_an_earlier_attempt_is_not_renewed() -> None:
    run = at(running(phase=RunPhase.COMPLETED), 4)
    raised = run.updated(spec=run.spec.updated(attempt=2))
    assert observed(finish_plan(raised, Plan(), NOW).status) == [4, 4, 1]
    cancelled = raised.updated(spec=raised.spec.updated(cancelled=True))
    assert observed(finish_plan(cancelled, Plan(), NOW).status) == [4, 4, 4]
