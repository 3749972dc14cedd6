"""How a Run comes to its sandbox, where what it asks for is not answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from codecourier.core.run.start import DECISION_GRACE, LONGEST_WAIT, LOOK_AGAIN
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import BranchHeadAsk, Facts, Problem, RepositoryAsk
from codecourier.core.shared.grace import LOOK_SOON
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.run import Run, RunPhase, Try
from codecourier.resources.sandbox import SandboxPhase
from tests.support.plans import plan_run
from tests.support.runs import admitting, run_status_of
from tests.support.worlds import ACCESS, NOW, make_project, make_run, make_workflow, queued


def test_a_base_that_can_never_be_looked_up_stalls_the_run_and_returns_its_place() -> None:
    run = make_run(base_branch="main")
    problem = Problem(Reason.FORGE_REFUSED, "A request was refused.", is_final=True)
    facts = Facts({BranchHeadAsk(ACCESS, "main"): problem})
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), None, facts=facts), NOW)
    status = run_status_of(plan)
    condition = status.condition(ConditionType.SUCCEEDED)
    assert condition is not None
    assert (status.phase, condition.reason, status.message) == (RunPhase.PENDING, "ForgeRefused", problem.message)
    assert (status.condition("Stalled") is not None, status.retry_time) == (True, NOW + LONGEST_WAIT)
    assert (status.unnotified, plan.look_again, plan.asks) == ((), NOW + LOOK_SOON, ())


PASSING = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")


def test_a_run_that_cannot_start_returns_its_place_and_waits_longer_each_time() -> None:
    run = queued(make_run(base_branch="main"))
    world = RunWorld(run, admitting(run), make_workflow(), None, facts=Facts({BranchHeadAsk(ACCESS, "main"): PASSING}))
    plan = plan_run(world, NOW)
    status = run_status_of(plan)
    assert (status.phase, status.retry_time, len(plan.events)) == (RunPhase.QUEUED, NOW + LOOK_AGAIN, 1)
    returned = run.updated(status=status)
    waits = plan_run(replace(world, run=returned), NOW + timedelta(seconds=16))
    assert waits.look_again == NOW + LOOK_AGAIN + DECISION_GRACE, "its place is void"
    waited = [refusal_after(world, returned, minutes) for minutes in (1, 10, 60)]
    assert waited == [LOOK_AGAIN, timedelta(minutes=2.5), LONGEST_WAIT]


def test_a_run_between_tries_keeps_its_retry_time_while_its_project_is_gone() -> None:
    tries = (Try(number=1, sandbox="fix-1", phase=SandboxPhase.FAILED, finish_time=NOW),)
    run = queued(make_run(), tries=tries, retry_time=NOW)
    world = RunWorld(run, None, make_workflow(), None)
    status = run_status_of(plan_run(world, NOW))
    assert status.retry_time == NOW + LOOK_AGAIN
    told = replace(world, run=run.updated(status=status))
    later = plan_run(told, NOW + timedelta(milliseconds=10))
    assert (later.status, later.look_again) == (status, status.retry_time), "else each write causes the next one"
    again = run_status_of(plan_run(told, NOW + LOOK_AGAIN))
    assert again.retry_time == NOW + 2 * LOOK_AGAIN


def refusal_after(world: RunWorld, run: Run, minutes: int) -> timedelta:
    """Return how long a Run waits whose problem goes on for some minutes and that has got a new place now."""
    now = NOW + timedelta(minutes=minutes)
    project = admitting(run)
    entries = tuple(entry.updated(admission_time=now) for entry in project.status.admitted)
    project = project.updated(status=project.status.updated(admitted=entries))
    plan = plan_run(replace(world, run=run, project=project), now)
    assert plan.events == (), "once is enough"
    return (run_status_of(plan).retry_time or now) - now


def test_a_run_without_a_place_says_what_is_wrong_with_its_repository() -> None:
    run = make_run(base_branch="main", age_seconds=60)
    facts = Facts({RepositoryAsk(ACCESS): PASSING})
    plan = plan_run(RunWorld(run, make_project(), make_workflow(), None, facts=facts), NOW)
    status = run_status_of(plan)
    assert (status.phase, status.message, plan.look_again) == (RunPhase.QUEUED, PASSING.message, NOW + LOOK_SOON)
    again = plan_run(RunWorld(run.updated(status=status), make_project(), make_workflow(), None, facts=facts), NOW)
    assert (again.status, again.events) == (status, ())
    final = Facts({RepositoryAsk(ACCESS): Problem(Reason.FORGE_REFUSED, "Never.", is_final=True)})
    stalled = plan_run(RunWorld(run.updated(status=status), make_project(), make_workflow(), None, facts=final), NOW)
    assert run_status_of(stalled).phase is RunPhase.PENDING
    assert run_status_of(stalled).condition("Stalled") is not None
