"""A pull request that its host refuses or does not show: said once, looked at less often, given up in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.run.pull_request import LOOK_AGAIN, MOST_PAUSE, STOP_LIMIT, WAIT_LIMIT
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import Facts, Problem, PullRequestsAsk
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.run import PullRequestPhase, Run, RunPhase
from tests.support.plans import plan_run
from tests.support.runs import claiming, pull_request_world, run_status_of
from tests.support.worlds import ACCESS, NOW, make_project, make_workflow

FORBIDDEN = Problem(Reason.CREDENTIALS_REFUSED, "Resource not accessible by personal access token.")
AWAY = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")


def unseen(run: Run, problem: Problem) -> RunWorld:
    """Return the world of a Run whose pull requests cannot be looked for."""
    ask = PullRequestsAsk(ACCESS, "codecourier/fix", run.uid, 1)
    return RunWorld(run, make_project(), make_workflow(), None, facts=Facts({ask: problem}))


def waiting(problem: Problem) -> Run:
    """Return a Run that has waited for its pull request since now."""
    run = claiming()
    return run.updated(status=run_status_of(plan_run(unseen(run, problem), NOW)))


def stopped(run: Run) -> Run:
    """Return the Run with the wish that it stops."""
    return run.updated(spec=run.spec.updated(cancelled=True))


def notifications(plan: Plan) -> list[NotificationType]:
    """Return the types of the Notifications that a plan makes."""
    made = (create.resource for create in plan.creates if isinstance(create, Create))
    return [resource.spec.type for resource in made if isinstance(resource, Notification)]


@pytest.mark.parametrize("find", [unseen, lambda run, problem: pull_request_world(run, problem=problem)])
def test_a_refused_credential_is_reported_once(find: object) -> None:
    assert callable(find)
    run = claiming()
    plan = plan_run(find(run, FORBIDDEN), NOW)
    status = run_status_of(plan)
    assert (plan.events, notifications(plan)) == ((Event.of(FORBIDDEN),), [NotificationType.CREDENTIALS_FAILED])
    assert status.pull_request is not None
    assert (status.pull_request.waiting_since, len(status.unnotified)) == (NOW, 1)

    run = run.updated(status=status)
    lost = plan_run(find(run, FORBIDDEN), NOW + LOOK_AGAIN)
    assert (lost.events, notifications(lost)) == ((), [NotificationType.CREDENTIALS_FAILED]), "it was not made yet"
    seen = replace(find(run, FORBIDDEN), notifications=frozenset(status.unnotified))
    settled = plan_run(seen, NOW + LOOK_AGAIN)
    assert (settled.events, notifications(settled), run_status_of(settled).unnotified) == ((), [], ())
    deleted = find(run.updated(status=run_status_of(settled)), FORBIDDEN)
    assert notifications(plan_run(deleted, NOW + LOOK_AGAIN)) == []


def test_a_host_that_is_away_is_said_by_an_event_alone() -> None:
    plan = plan_run(unseen(claiming(), AWAY), NOW)
    assert (plan.events, notifications(plan)) == ((Event.of(AWAY),), [])


def test_looks_become_less_frequent() -> None:
    run, pauses = waiting(FORBIDDEN), []
    for minutes in (0, 1, 4, 60, 600):
        now = NOW + timedelta(minutes=minutes)
        look_again = plan_run(unseen(run, FORBIDDEN), now).look_again
        assert look_again is not None
        pauses.append(look_again - now)
    assert pauses == [LOOK_AGAIN, timedelta(minutes=1), timedelta(minutes=4), MOST_PAUSE, MOST_PAUSE]


@pytest.mark.parametrize("problem", [FORBIDDEN, AWAY])
def test_after_a_day_the_run_fails_with_its_work_on_its_branch(problem: Problem) -> None:
    run = waiting(problem)
    assert plan_run(unseen(run, problem), NOW + WAIT_LIMIT - timedelta(seconds=1)).look_again is not None
    for _ in range(2):
        plan = plan_run(unseen(run, problem), NOW + WAIT_LIMIT)
        run = run.updated(status=run_status_of(plan))
    assert run.status.phase is RunPhase.FAILED
    assert run.status.message.startswith("The work is on branch codecourier/fix")
    assert problem.message in run.status.message
    assert NotificationType.PR_FAILED in notifications(plan)


def test_a_stop_does_not_wait_for_a_host_that_is_away_for_good() -> None:
    run = stopped(waiting(AWAY))
    early = plan_run(unseen(run, AWAY), NOW + STOP_LIMIT - timedelta(seconds=1))
    claim = run_status_of(early).pull_request
    assert claim is not None
    assert claim.phase is PullRequestPhase.CREATING
    assert early.look_again is not None
    assert early.look_again <= NOW + STOP_LIMIT + LOOK_AGAIN
    for _ in range(2):
        plan = plan_run(unseen(run, AWAY), NOW + STOP_LIMIT)
        run = run.updated(status=run_status_of(plan))
    condition = run.status.condition("Succeeded")
    assert condition is not None
    assert (run.status.phase, condition.reason) == (RunPhase.FAILED, Reason.PULL_REQUEST_UNKNOWN)
    assert "its pull request may still appear" in run.status.message


def test_a_refused_pull_request_is_looked_for_a_last_time_in_bounded_time() -> None:
    refused = Problem(Reason.PULL_REQUEST_REFUSED, "The work is on branch x.", is_final=True)
    run = claiming()
    run = run.updated(status=run_status_of(plan_run(pull_request_world(run, problem=refused), NOW)))
    assert plan_run(unseen(run, AWAY), NOW + timedelta(hours=1)).status is None
    assert run_status_of(plan_run(unseen(run, AWAY), NOW + WAIT_LIMIT)).phase is RunPhase.FAILED
    assert run_status_of(plan_run(unseen(stopped(run), AWAY), NOW + STOP_LIMIT)).phase is RunPhase.FAILED
