"""Records that the API server refuses: the end is written without them, owed, paid or given up in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.debts import DEBT_LIMIT, URGENT_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Failures, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.notification import Notification
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.usage_record import UsageRecord
from tests.support.plans import plan_run
from tests.support.runs import FOUND, admitting, claiming, ended, pull_request_world, run_status_of, running
from tests.support.worlds import NOW, make_project, make_workflow

QUOTA = Problem(Reason.QUOTA_EXCEEDED, "The quota refuses it.", since=NOW, is_refusal=True, refused_since=NOW)
BOTH = (UsageRecord, Notification)


def ending(run: Run, sandbox: Sandbox) -> RunWorld:
    """Return the world of a Run whose Sandbox has ended."""
    return RunWorld(run, admitting(run), make_workflow(), None, (sandbox,))


def refusing(world: RunWorld, *kinds: type) -> RunWorld:
    """Return the world in which everything of these kinds that the plan wants to make is refused."""
    plan = plan_run(world, NOW)
    wanted = [c for c in (*plan.records, *plan.creates) if isinstance(c, Create) and isinstance(c.resource, kinds)]
    assert wanted
    return replace(world, failures=Failures(dict.fromkeys(wanted, QUOTA)))


def ended_in_debt(*kinds: type) -> tuple[RunWorld, Plan]:
    """Return the world and the plan of a Run that ended although records of these kinds are refused."""
    run = running()
    sandbox = ended(run, SandboxPhase.COMPLETED, Reason.COMPLETED, PublishState.NO_CHANGE)
    world = refusing(ending(run, sandbox), *kinds)
    return world, plan_run(world, NOW)


def finished_in_debt(*kinds: type, **metadata: object) -> RunWorld:
    """Return the world of a finished Run that owes records of these kinds, which are refused again."""
    world, plan = ended_in_debt(*kinds)
    metadata = {"finalizers": world.run.metadata.finalizers, **metadata}
    run = world.run.updated(status=run_status_of(plan), metadata=world.run.metadata.updated(**metadata))
    made = {c.resource.name for c in plan.records}
    records = world.records | {name for name in made if UsageRecord not in kinds}
    notifications = world.notifications | {name for name in made if Notification not in kinds}
    known = replace(world, run=run, failures=Failures(), records=records, notifications=notifications)
    return refusing(known, *kinds)


def test_an_end_is_written_although_all_its_records_are_refused() -> None:
    _, plan = ended_in_debt(*BOTH)
    status = run_status_of(plan)
    assert (status.phase, plan.records) == (RunPhase.COMPLETED, ())
    assert (len(status.unnotified), status.tries[-1].is_recorded) == (1, False)


def test_only_what_is_refused_is_owed() -> None:
    _, plan = ended_in_debt(Notification)
    status = run_status_of(plan)
    assert [type(record.resource) for record in plan.records] == [UsageRecord]
    assert (len(status.unnotified), status.tries[-1].is_recorded) == (1, True)
    _, plan = ended_in_debt(UsageRecord)
    assert (run_status_of(plan).unnotified, run_status_of(plan).tries[-1].is_recorded) == ((), False)


def test_the_notification_of_a_pull_request_that_was_found_is_owed() -> None:
    plan = plan_run(refusing(pull_request_world(claiming(), FOUND), Notification), NOW)
    assert (run_status_of(plan).phase, len(run_status_of(plan).unnotified)) == (RunPhase.COMPLETED, 2)


def test_what_is_owed_is_said_and_tried_again() -> None:
    plan = plan_run(finished_in_debt(*BOTH), NOW + timedelta(hours=1))
    condition = run_status_of(plan).condition("RecordsOwed")
    assert condition is not None
    assert (condition.status, condition.reason) == (ConditionStatus.TRUE, QUOTA.reason)
    assert QUOTA.message in condition.message
    assert {type(c.resource) for c in plan.creates if isinstance(c, Create)} == set(BOTH)
    assert [(event.reason, event.is_warning) for event in plan.events] == [(Reason.RECORDS_OWED, True)]
    assert plan.look_again == NOW + DEBT_LIMIT


def test_what_is_paid_is_no_longer_owed() -> None:
    world = finished_in_debt(*BOTH)
    plan = plan_run(world, NOW)
    made = {c.resource.name for c in plan.creates if isinstance(c, Create)}
    run = world.run.updated(status=run_status_of(plan))
    paid = replace(world, run=run, failures=Failures(), records=frozenset(made), notifications=frozenset(made))
    status = run_status_of(plan_run(paid, NOW))
    assert (status.unnotified, status.tries[-1].is_recorded, status.condition("RecordsOwed")) == ((), True, None)
    assert plan_run(replace(paid, run=run.updated(status=status)), NOW) == Plan()


def test_a_debt_is_given_up_and_stays_in_the_status() -> None:
    world = finished_in_debt(*BOTH)
    status = run_status_of(plan_run(world, NOW + DEBT_LIMIT))
    condition = status.condition("RecordsOwed")
    assert condition is not None
    assert (condition.status, condition.reason, status.unnotified) == (ConditionStatus.FALSE, "RecordsLost", ())
    over = replace(world, run=world.run.updated(status=status), failures=Failures())
    assert plan_run(over, NOW + DEBT_LIMIT) == Plan()


def test_a_deleted_run_waits_for_its_debts_for_a_shorter_time() -> None:
    world = finished_in_debt(*BOTH, deletion_timestamp=NOW)
    early = plan_run(world, NOW + URGENT_LIMIT - timedelta(seconds=1))
    assert (early.release_finalizer, early.look_again) == (False, NOW + URGENT_LIMIT)
    status = run_status_of(plan_run(world, NOW + URGENT_LIMIT))
    assert plan_run(replace(world, run=world.run.updated(status=status)), NOW + URGENT_LIMIT).release_finalizer


def test_a_new_attempt_waits_for_debts_for_a_shorter_time_and_forgets_them() -> None:
    world = replace(finished_in_debt(*BOTH), project=make_project(suspend=True))
    again = world.run.updated(spec=world.run.spec.updated(attempt=2))
    early = plan_run(replace(world, run=again), NOW)
    assert (run_status_of(early).attempt, early.look_again) == (1, NOW + URGENT_LIMIT)
    given_up = run_status_of(plan_run(replace(world, run=again), NOW + URGENT_LIMIT))
    status = run_status_of(plan_run(replace(world, run=again.updated(status=given_up)), NOW + URGENT_LIMIT))
    assert (status.attempt, status.condition("RecordsOwed")) == (2, None)
