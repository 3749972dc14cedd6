"""A Run whose Sandbox the API server refuses: it says so, gives up in time, and stops without it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.run.start import build_sandbox
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.creations import ARRIVAL_LIMIT, LOOK_AGAIN
from codecourier.core.shared.facts import Facts, ObjectAsk, ObjectFact, Problem
from codecourier.core.shared.intents import Create, Event, Failures, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.resources.run import Run, RunPhase, Try
from codecourier.resources.sandbox import SandboxPhase
from tests.support.plans import plan_run
from tests.support.runs import admitting, run_status_of, running
from tests.support.worlds import NOW, make_run, make_workflow

START = timedelta(seconds=make_workflow().spec.start_timeout_seconds)
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "The quota refuses it.", since=NOW, is_refusal=True, refused_since=NOW)
POLICY = replace(QUOTA, reason=Reason.CREATION_REFUSED, message="A policy refuses it.", is_final=True)
SILENT = replace(QUOTA, refused_since=None, tried=NOW)
BROKEN = replace(SILENT, reason=Reason.CREATION_REFUSED, message="The server fails.", is_refusal=False)


SANDBOX = ObjectAsk("Sandbox", make_run().namespace, build_sandbox(make_run(), 1, 1).name)


def found(*, is_there: bool) -> Facts:
    """Return what the API server says of the Sandbox."""
    return Facts({SANDBOX: ObjectFact("uid" if is_there else None, "7" if is_there else None)})


def asks_of(plan: Plan) -> list[object]:
    """Return what a plan asks."""
    return list(plan.asks)


def refused_world(problem: Problem, *, is_there: bool | None = None, **changes: object) -> RunWorld:
    """Return the world of a Run whose first try was claimed now and whose Sandbox is refused."""
    facts = Facts() if is_there is None else found(is_there=is_there)
    name = build_sandbox(make_run(), 1, 1).name
    run = running(tries=(Try(number=1, sandbox=name, claim_time=NOW),)).updated(**changes)
    create = Create(build_sandbox(run, 1, 1))
    return RunWorld(run, admitting(run), make_workflow(), None, facts=facts, failures=Failures({create: problem}))


def cancelled(run: Run) -> Run:
    """Return the Run with the wish that it stops."""
    return run.updated(spec=run.spec.updated(cancelled=True))


def test_a_refused_sandbox_is_said_and_tried_again() -> None:
    plan = plan_run(refused_world(QUOTA), NOW)
    status = run_status_of(plan)
    condition = status.condition("Succeeded")
    assert condition is not None
    assert (status.phase, condition.reason, status.message) == (RunPhase.RUNNING, QUOTA.reason, QUOTA.message)
    assert plan.events == (Event.of(QUOTA),)
    assert len(plan.creates) == 1
    assert plan.look_again == NOW + START


def test_a_try_whose_sandbox_is_refused_until_the_deadline_is_followed_by_another_one() -> None:
    assert run_status_of(plan_run(refused_world(QUOTA), NOW + START - timedelta(seconds=1))).phase is RunPhase.RUNNING
    plan = plan_run(refused_world(QUOTA), NOW + START)
    status = run_status_of(plan)
    (ended,) = status.tries
    assert (status.phase, plan.creates, status.retry_time is not None) == (RunPhase.QUEUED, (), True)
    assert (ended.phase, ended.reason, ended.message) == (SandboxPhase.FAILED, QUOTA.reason, QUOTA.message)
    assert ended.finish_time == NOW + START


def test_a_run_that_a_policy_refuses_fails_once_nothing_can_come_any_more() -> None:
    early = plan_run(refused_world(POLICY), NOW + ARRIVAL_LIMIT - timedelta(seconds=1))
    assert (run_status_of(early).phase, early.look_again) == (RunPhase.RUNNING, NOW + ARRIVAL_LIMIT)
    plan = plan_run(refused_world(POLICY), NOW + ARRIVAL_LIMIT)
    status = run_status_of(plan)
    assert (status.phase, status.message) == (RunPhase.FAILED, POLICY.message)
    assert len(status.unnotified) == len(plan.creates) == 1


def test_what_may_still_come_is_asked_for_until_the_deadline_and_then_looked_for() -> None:
    assert len(plan_run(refused_world(BROKEN), NOW + START - timedelta(seconds=1)).creates) == 1
    last = NOW + START - timedelta(seconds=1)
    end, late = last + ARRIVAL_LIMIT, replace(BROKEN, tried=last)
    waiting = plan_run(refused_world(late), NOW + START)
    assert (waiting.creates, waiting.look_again) == ((), end)
    assert run_status_of(waiting).message == BROKEN.message
    assert asks_of(plan_run(refused_world(late), end)) == [SANDBOX]
    there = plan_run(refused_world(late, is_there=True), end)
    assert (run_status_of(there).phase, there.creates, there.look_again) == (RunPhase.RUNNING, (), end + LOOK_AGAIN)
    (ended,) = run_status_of(plan_run(refused_world(late, is_there=False), end)).tries
    assert (ended.phase, ended.message) == (SandboxPhase.FAILED, BROKEN.message)


@pytest.mark.parametrize("problem", [QUOTA, POLICY])
def test_a_stop_goes_on_without_a_sandbox_that_is_refused(problem: Problem) -> None:
    world = refused_world(problem)
    stopped = replace(world, run=cancelled(world.run))
    early = plan_run(stopped, NOW)
    assert (run_status_of(early).message, early.look_again) == ("The sandbox is being stopped.", NOW + ARRIVAL_LIMIT)
    status = run_status_of(plan_run(stopped, NOW + ARRIVAL_LIMIT))
    assert (status.phase, status.tries[-1].phase) == (RunPhase.CANCELLED, SandboxPhase.CANCELLED)


@pytest.mark.parametrize("problem", [SILENT, BROKEN])
def test_a_stop_waits_for_what_may_still_come_and_asks_no_more_for_it(problem: Problem) -> None:
    world = refused_world(problem)
    stopped = replace(world, run=cancelled(world.run))
    plan = plan_run(stopped, NOW)
    assert (plan.creates, plan.look_again) == ((), NOW + ARRIVAL_LIMIT)
    assert run_status_of(plan).phase is RunPhase.RUNNING
    end = NOW + ARRIVAL_LIMIT
    assert asks_of(plan_run(stopped, end)) == [SANDBOX], "the watch may be late"
    there = plan_run(replace(stopped, facts=found(is_there=True)), end)
    assert (run_status_of(there).phase, there.look_again) == (RunPhase.RUNNING, end + LOOK_AGAIN)
    status = run_status_of(plan_run(replace(stopped, facts=found(is_there=False)), end))
    assert (status.phase, status.tries[-1].phase) == (RunPhase.CANCELLED, SandboxPhase.CANCELLED)


def test_a_stop_after_a_restart_asks_for_the_sandbox() -> None:
    world = refused_world(SILENT)
    unknown = replace(world, run=cancelled(world.run), failures=Failures())
    assert plan_run(unknown, NOW) == Plan(creates=(Create(build_sandbox(world.run, 1, 1)),))
