"""A Run's transitions, each from a world to a plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from codecourier.core.run.pull_request import TAKEN_LIMIT
from codecourier.core.run.start import DECISION_GRACE, build_sandbox
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import (
    BranchHeadAsk,
    BranchHeadFact,
    Facts,
    ObjectAsk,
    ObjectFact,
    Problem,
    PullRequestsAsk,
    PullRequestsFact,
    RepositoryAsk,
    RepositoryFact,
)
from codecourier.core.shared.intents import Create, Event, OpenPullRequest, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_access
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.notification import Notification
from codecourier.resources.run import PullRequestPhase, Run, RunPhase, Try
from codecourier.resources.sandbox import PublishState, Sandbox, SandboxPhase
from codecourier.resources.usage_record import UsageRecord
from codecourier.resources.workflow import Workflow
from tests.support.plans import plan_run
from tests.support.runs import (
    FOUND,
    admitting,
    claiming,
    ended,
    going,
    make_sandbox,
    plan_end,
    pull_request_world,
    refused,
    run_status_of,
    running,
)
from tests.support.worlds import (
    ACCESS,
    BASE,
    NOW,
    URL,
    make_project,
    make_revision,
    make_run,
    make_workflow,
    queued,
    trashed_workflow,
)

FACTS = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE), RepositoryAsk(ACCESS): RepositoryFact("main")})


def test_a_run_that_has_a_place_at_once_is_recorded_and_started_in_one_write() -> None:
    run = make_run(base_branch="main")
    world = RunWorld(run, admitting(run), make_workflow(), None, revision=make_revision(), facts=FACTS)
    plan = plan_run(world, NOW)
    status = run_status_of(plan)
    assert (status.phase, status.repository_url) == (RunPhase.RUNNING, URL)
    assert (status.workflow_revision, status.workflow) == (make_revision().name, None)
    assert (status.base_commit, [t.sandbox for t in status.tries]) == (BASE, [build_sandbox(run, 1, 1).name])
    assert [type(c.resource) for c in plan.creates if isinstance(c, Create)] == [Sandbox]


def test_a_new_run_gives_its_project_time_to_decide_then_says_that_it_waits() -> None:
    world = RunWorld(make_run(), make_project(), make_workflow(), None, facts=FACTS)
    early = plan_run(world, NOW)
    assert (early.status, early.look_again) == (None, NOW + DECISION_GRACE)
    status = run_status_of(plan_run(world, NOW + DECISION_GRACE))
    assert (status.phase, status.repository_url, has_recorded_workflow(status)) == (RunPhase.QUEUED, URL, False)


def test_a_suspended_project_has_decided_already() -> None:
    status = run_status_of(plan_run(RunWorld(make_run(), make_project(suspend=True), make_workflow(), None), NOW))
    condition = status.condition("Succeeded")
    assert condition is not None
    assert (status.phase, condition.reason) == (RunPhase.QUEUED, Reason.PROJECT_SUSPENDED)


def test_a_run_that_has_a_place_but_no_known_base_is_queued_with_the_reason() -> None:
    run = make_run(base_branch="main")
    problem = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")
    facts = Facts({BranchHeadAsk(ACCESS, "main"): problem})
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), None, facts=facts), NOW)
    status = run_status_of(plan)
    assert (status.phase, status.message, has_recorded_workflow(status)) == (RunPhase.QUEUED, problem.message, False)
    assert plan.events == (Event.of(problem),)
    assert not plan.creates


@pytest.mark.parametrize(
    ("run", "has_workflow", "reason", "is_stalled"),
    [
        (make_run(), False, Reason.WORKFLOW_NOT_FOUND, False),
        (make_run(age_seconds=301), False, Reason.WORKFLOW_NOT_FOUND, True),
        (make_run(repository_url=f"{URL}-other"), True, Reason.REPOSITORY_NOT_ALLOWED, False),
    ],
)
def test_a_run_that_names_what_is_not_there_waits_and_says_so(
    run: Run, *, has_workflow: bool, reason: Reason, is_stalled: bool
) -> None:
    workflow = make_workflow() if has_workflow else None
    plan = plan_run(RunWorld(run, make_project(), workflow, None), NOW)
    status = run_status_of(plan)
    assert plan.events == (Event(reason.value, status.message, is_warning=True),)
    ready, succeeded = status.condition("Ready"), status.condition("Succeeded")
    assert ready is not None
    assert succeeded is not None
    assert (status.phase, ready.reason, status.condition("Stalled") is not None) == (
        RunPhase.PENDING,
        reason,
        is_stalled,
    )
    assert (succeeded.status, succeeded.reason) == (ConditionStatus.UNKNOWN, reason)


def test_nothing_starts_without_a_place() -> None:
    run = queued(make_run(base_branch="main"))
    plan = plan_run(RunWorld(run, make_project(), make_workflow(), None, facts=FACTS), NOW)
    assert not plan.creates
    assert run_status_of(plan).phase is RunPhase.QUEUED


def test_an_admitted_run_claims_its_try_before_the_sandbox_is_made() -> None:
    run = queued(make_run(base_branch="main"))
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), None, facts=FACTS), NOW)
    (create,) = plan.creates
    assert isinstance(create, Create)
    assert [t.sandbox for t in run_status_of(plan).tries] == [create.resource.metadata.name]
    assert run_status_of(plan).base_commit == BASE


@pytest.mark.parametrize(
    ("workflow", "reason"),
    [
        (make_workflow(), Reason.BRANCH_NOT_FOUND),
        (make_workflow(prompt_template="{{ nonsense }}"), Reason.TEMPLATE_INVALID),
        (make_workflow(prompt_template="{{ sprint.number }}"), Reason.TEMPLATE_INVALID),
        (trashed_workflow(), Reason.WORKFLOW_TRASHED),
    ],
)
def test_a_run_that_cannot_start_has_not_failed(workflow: Workflow, reason: Reason) -> None:
    run = make_run(base_branch="main")
    facts = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(None), RepositoryAsk(ACCESS): RepositoryFact("trunk")})
    plan = plan_run(RunWorld(run, admitting(run), workflow, None, facts=facts), NOW)
    status = run_status_of(plan)
    condition = status.condition("Succeeded")
    assert condition is not None
    ready = status.condition("Ready")
    assert ready is not None
    assert (status.phase, condition.reason, ready.status) == (RunPhase.PENDING, reason, ConditionStatus.FALSE)
    assert (plan.creates, status.unnotified, status.condition("Stalled")) == ((), (), None)
    assert status.retry_time is not None, "another Run may have its place"


def test_the_usage_record_is_made_before_the_end_is_reported() -> None:
    run = running()
    sandbox = ended(run, SandboxPhase.COMPLETED, Reason.COMPLETED, PublishState.NO_CHANGE)
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), None, (sandbox,)), NOW)
    assert [type(c.resource) for c in plan.records] == [UsageRecord, Notification]
    assert plan.creates == ()
    assert run_status_of(plan).tries[-1].is_recorded
    assert [type(c.resource) for c in plan_end(run, sandbox).records] == [Notification]


def test_nothing_to_change_is_a_success_without_a_pull_request() -> None:
    run = running()
    status = run_status_of(plan_end(run, ended(run, SandboxPhase.COMPLETED, Reason.COMPLETED, PublishState.NO_CHANGE)))
    assert status.pull_request is not None
    assert (status.phase, status.pull_request.phase, status.head_commit) == (
        RunPhase.COMPLETED,
        PullRequestPhase.SKIPPED,
        BASE,
    )


@pytest.mark.parametrize(
    ("reason", "phase"),
    [
        (Reason.NODE_LOST, RunPhase.QUEUED),
        (Reason.FORGE_UNAVAILABLE, RunPhase.QUEUED),
        (Reason.PROVIDER_LIMIT, RunPhase.QUEUED),
        (Reason.AGENT_FAILED, RunPhase.FAILED),
        (Reason.OUT_OF_MEMORY, RunPhase.FAILED),
        (Reason.SECRET_IN_OUTPUT, RunPhase.FAILED),
    ],
)
def test_only_what_lies_outside_the_agent_is_tried_again(reason: Reason, phase: RunPhase) -> None:
    run = running()
    status = run_status_of(plan_end(run, ended(run, SandboxPhase.FAILED, reason)))
    assert (status.phase, status.retry_time is not None) == (phase, phase is RunPhase.QUEUED)


def test_a_run_says_what_keeps_its_sandbox_from_working_and_when_that_is_over() -> None:
    run = running()
    missing = going(run, Reason.SECRET_NOT_READABLE, "Secret 'key' must exist.")
    status = run_status_of(plan_run(RunWorld(run, admitting(run), make_workflow(), None, (missing,)), NOW))
    assert (status.phase, status.message) == (RunPhase.RUNNING, "Secret 'key' must exist.")
    succeeded = status.condition("Succeeded")
    assert succeeded is not None
    assert (succeeded.reason, succeeded.status) == (Reason.SECRET_NOT_READABLE, ConditionStatus.UNKNOWN)

    waiting = run.updated(status=status)
    assert plan_run(RunWorld(waiting, admitting(run), make_workflow(), None, (missing,)), NOW) == Plan()
    fixed = going(run, Reason.RUNNING, "Pod fix runs.")
    plan = plan_run(RunWorld(waiting, admitting(run), make_workflow(), None, (fixed,)), NOW)
    assert run_status_of(plan).message == f"Sandbox {fixed.name} works on it."


@pytest.mark.parametrize("reason", [Reason.RUNNING, Reason.STOPPING])
def test_a_run_whose_sandbox_does_as_usual_costs_no_write(reason: Reason) -> None:
    claim = make_run(base_branch="main")
    world = RunWorld(claim, admitting(claim), make_workflow(), None, revision=make_revision(), facts=FACTS)
    started = run_status_of(plan_run(world, NOW))
    run = claim.updated(status=started)
    sandbox = going(run, reason, "As usual.")
    seen = RunWorld(run, admitting(run), make_workflow(), None, (sandbox,), revision=make_revision())
    assert plan_run(seen, NOW) == Plan()


def test_a_run_that_a_provider_lets_wait_says_so_once_and_until_when() -> None:
    run = running()
    sandbox = ended(run, SandboxPhase.FAILED, Reason.PROVIDER_LIMIT)
    due = NOW + timedelta(minutes=5)
    status = run_status_of(plan_end(run, sandbox.updated(status=sandbox.status.updated(retry_time=due))))
    words = f"So it was. The work goes on from its branch at {due:%Y-%m-%dT%H:%M:%SZ}."
    assert (status.message, status.retry_time) == (words, due)


def test_tries_end_and_waits_grow() -> None:
    run, waits = running(), []
    for number in (1, 2):
        status = run_status_of(plan_end(run, ended(run, SandboxPhase.FAILED, Reason.NODE_LOST)))
        assert status.retry_time is not None
        waits.append(status.retry_time - NOW)
        next_try = Try(number=number + 1, sandbox=build_sandbox(run, 1, number + 1).name)
        run = run.updated(status=status.updated(phase=RunPhase.RUNNING, tries=(*status.tries, next_try)))
    assert waits == [timedelta(seconds=10), timedelta(seconds=20)]
    assert run_status_of(plan_end(run, ended(run, SandboxPhase.FAILED, Reason.NODE_LOST))).phase is RunPhase.FAILED


def test_a_pull_request_is_looked_for_before_one_is_opened() -> None:
    run = claiming()
    assert plan_run(RunWorld(run, make_project(), make_workflow(), None), NOW).asks
    assert [type(e) for e in plan_run(pull_request_world(run), NOW).effects] == [OpenPullRequest]


def test_a_pull_request_is_stacked_on_an_earlier_one_for_as_long_as_that_branch_is_there() -> None:
    run = claiming()
    run = run.updated(spec=run.spec.updated(pull_request_base="codecourier/before"))
    ask = PullRequestsAsk(ACCESS, "codecourier/fix", run.uid, 1)
    head = BranchHeadAsk(ACCESS, "codecourier/before")
    world = RunWorld(run, make_project(), make_workflow(), None, facts=Facts({ask: PullRequestsFact(())}))
    assert plan_run(world, NOW).asks == (head,)
    for commit, base in ((BASE, "codecourier/before"), (None, "main")):
        facts = Facts({**world.facts.answers, head: BranchHeadFact(commit)})
        (effect,) = plan_run(replace(world, facts=facts), NOW).effects
        assert isinstance(effect, OpenPullRequest)
        assert effect.base == base
        assert ("Stacked on `codecourier/before`" in effect.body) is (commit is not None)
    away = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")
    plan = plan_run(replace(world, facts=Facts({**world.facts.answers, head: away})), NOW)
    assert (plan.effects, run_status_of(plan).message) == ((), away.message)


def test_one_that_an_unanswered_call_made_is_taken() -> None:
    plan = plan_run(pull_request_world(claiming(), FOUND), NOW)
    status = run_status_of(plan)
    assert (plan.effects, status.phase) == ((), RunPhase.COMPLETED)
    assert [n.spec.type for n in recorded(plan)] == ["PrCreated", "RunCompleted"]
    assert {n.spec.event_time for n in recorded(plan)} == {FOUND.creation_time}
    assert (plan.creates, status.unnotified) == ((), ())


def recorded(plan: Plan) -> list[Notification]:
    """Return the Notifications that a plan makes before it writes the status."""
    return [record.resource for record in plan.records if isinstance(record.resource, Notification)]


def test_a_pull_request_is_reported_only_if_the_run_still_is_as_it_was_when_it_was_found() -> None:
    world = pull_request_world(claiming(), FOUND)
    unseen = {ask: fact for ask, fact in world.facts.answers.items() if not isinstance(ask, ObjectAsk)}
    (ask,) = plan_run(replace(world, facts=Facts(unseen)), NOW).asks
    plan = plan_run(replace(world, facts=Facts({**unseen, ask: ObjectFact("uid-fix", "newer")})), NOW)
    assert (plan.records, plan.status) == ((), None)


def test_a_refused_pull_request_fails_the_run_and_says_where_the_work_is() -> None:
    run = refused()
    assert run.status.phase is RunPhase.RUNNING
    status = run_status_of(plan_run(pull_request_world(run), NOW))
    assert (status.phase, status.message) == (RunPhase.FAILED, "The work is on branch x.")
    assert len(status.unnotified) == 2


def test_a_refused_pull_request_that_is_there_after_all_is_taken() -> None:
    status = run_status_of(plan_run(pull_request_world(refused(), FOUND), NOW))
    assert status.pull_request is not None
    assert (status.phase, status.pull_request.phase) == (RunPhase.COMPLETED, PullRequestPhase.CREATED)
    assert len(status.unnotified) == 2


def test_an_unavailable_forge_is_waited_for() -> None:
    problem = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.", retry_time=NOW + timedelta(minutes=1))
    plan = plan_run(pull_request_world(claiming(), problem=problem), NOW)
    assert (run_status_of(plan).phase, plan.look_again) == (RunPhase.RUNNING, problem.retry_time)


def test_a_pull_request_of_others_for_the_branch_is_reported_and_delays_the_run_for_a_bounded_time() -> None:
    run = claiming()
    problem = Problem(Reason.PULL_REQUEST_TAKEN, "It has another one.", since=NOW)
    world = pull_request_world(run, problem=problem)
    early = plan_run(world, NOW + TAKEN_LIMIT - timedelta(seconds=1))
    assert (run_status_of(early).message, [type(e) for e in early.effects]) == (problem.message, [OpenPullRequest])
    late = run_status_of(plan_run(world, NOW + TAKEN_LIMIT))
    status = run_status_of(plan_run(pull_request_world(run.updated(status=late)), NOW + TAKEN_LIMIT))
    assert (status.phase, status.message) == (RunPhase.FAILED, problem.message)
    ours = run_status_of(plan_run(pull_request_world(run.updated(status=late), FOUND), NOW + TAKEN_LIMIT))
    assert ours.phase is RunPhase.COMPLETED, "its host was slow to show it"


def test_a_cancelled_run_does_not_wait_until_the_credential_is_fixed() -> None:
    run = claiming()
    run = run.updated(spec=run.spec.updated(cancelled=True))
    problem = Problem(Reason.CREDENTIALS_REFUSED, "It may not.")
    told_first = run_status_of(plan_run(pull_request_world(run, problem=problem), NOW))
    assert told_first.phase is RunPhase.RUNNING, "another leader may be opening it"
    status = run_status_of(plan_run(pull_request_world(run.updated(status=told_first)), NOW))
    assert (status.phase, status.message) == (RunPhase.FAILED, "It may not.")


def test_a_deleted_run_goes_though_its_pull_request_cannot_be_looked_for_any_more() -> None:
    run = claiming()
    run = run.updated(metadata=run.metadata.updated(deletion_timestamp=NOW))
    nowhere = find_access(None, "shop", URL)
    assert isinstance(nowhere, Problem)
    facts = Facts({PullRequestsAsk(nowhere, "codecourier/fix", run.uid, 1): nowhere})
    for phase in (RunPhase.RUNNING, RunPhase.FAILED):
        status = run_status_of(plan_run(RunWorld(run, None, None, None, facts=facts, is_namespace_ending=True), NOW))
        assert status.phase is phase
        run = run.updated(status=status)
    assert plan_run(RunWorld(run, None, None, None, is_namespace_ending=True), NOW).release_finalizer


def test_a_cancelled_run_waits_for_a_forge_that_is_away() -> None:
    run = claiming()
    run = run.updated(spec=run.spec.updated(cancelled=True))
    away = Problem(Reason.FORGE_UNAVAILABLE, "It answers 500.")
    ask = PullRequestsAsk(ACCESS, "codecourier/fix", run.uid, 1)
    unseen = RunWorld(run, make_project(), make_workflow(), None, facts=Facts({ask: away}))
    for world in (pull_request_world(run, problem=away), unseen):
        plan = plan_run(world, NOW)
        claim = run_status_of(plan).pull_request
        assert claim is not None
        assert claim.phase is PullRequestPhase.CREATING, "one may be there, or still be under way"
        assert plan.look_again is not None


def test_invariant_5_cancelled_is_said_only_when_the_sandbox_is_over() -> None:
    run = running()
    run = run.updated(spec=run.spec.updated(cancelled=True))
    going = make_sandbox(run)
    world = RunWorld(run, make_project(), make_workflow(), None, (going,))
    assert run_status_of(plan_run(world, NOW)).phase is RunPhase.RUNNING
    assert (
        run_status_of(plan_end(run, ended(run, SandboxPhase.CANCELLED, Reason.CANCELLED))).phase is RunPhase.CANCELLED
    )


@pytest.mark.parametrize(
    ("phase", "reason", "state", "expected"),
    [
        (SandboxPhase.COMPLETED, Reason.NOTHING_TO_CHANGE, PublishState.NO_CHANGE, RunPhase.COMPLETED),
        (SandboxPhase.COMPLETED, Reason.COMPLETED, PublishState.PUSHED, RunPhase.CANCELLED),
        (SandboxPhase.FAILED, Reason.AGENT_FAILED, None, RunPhase.FAILED),
        (SandboxPhase.EXPIRED, Reason.DEADLINE_EXCEEDED, None, RunPhase.FAILED),
        (SandboxPhase.FAILED, Reason.NODE_LOST, None, RunPhase.CANCELLED),  # another try would have followed
        (SandboxPhase.CANCELLED, Reason.CANCELLED, None, RunPhase.CANCELLED),
    ],
)
def test_a_cancellation_after_the_outcome_is_decided_comes_too_late(
    phase: SandboxPhase, reason: Reason, state: PublishState | None, expected: RunPhase
) -> None:
    run = running()
    sandbox = ended(run, phase, reason, state)
    plan = plan_end(run.updated(spec=run.spec.updated(cancelled=True)), sandbox)
    assert run_status_of(plan).phase is expected
    if expected is not RunPhase.CANCELLED:
        assert recorded(plan) == recorded(plan_end(run, sandbox))
        assert recorded(plan)


def test_a_cancelled_run_whose_sandbox_may_be_in_flight_makes_it_to_stop_it() -> None:
    run = running()
    run = run.updated(spec=run.spec.updated(cancelled=True))
    plan = plan_run(RunWorld(run, make_project(), make_workflow(), None), NOW)
    assert [type(c.resource) for c in plan.creates if isinstance(c, Create)] == [Sandbox]
    assert plan.status is None


@pytest.mark.parametrize("phase", [RunPhase.COMPLETED, RunPhase.FAILED, RunPhase.CANCELLED])
def test_invariant_4_a_finished_run_stays_as_it_is(phase: RunPhase) -> None:
    run = running(phase=phase)
    run = run.updated(spec=run.spec.updated(cancelled=True))
    plan = plan_run(RunWorld(run, make_project(), make_workflow(), None), NOW)
    assert (plan.creates, plan.effects) == ((), ())
    assert plan.status is None or run_status_of(plan).phase is phase


def test_a_greater_attempt_starts_a_finished_run_again_with_the_workflow_as_it_is_now() -> None:
    run = running(phase=RunPhase.FAILED)
    run = run.updated(spec=run.spec.updated(attempt=2))
    other = make_workflow(image="another")
    world = RunWorld(run, admitting(run, attempt=2), other, None, revision=make_revision(other), facts=FACTS)
    run = run.updated(status=run_status_of(plan_run(world, NOW)))
    status = run_status_of(plan_run(replace(world, run=run), NOW))
    assert (status.phase, status.attempt, len(status.tries)) == (RunPhase.RUNNING, 2, 1)
    assert (status.workflow_revision, status.workflow) == (make_revision(other).name, None)


def test_a_greater_attempt_begins_waits_for_the_decision_and_then_says_that_it_waits() -> None:
    run = running(phase=RunPhase.FAILED)
    run = run.updated(spec=run.spec.updated(attempt=2))
    begun = run_status_of(plan_run(RunWorld(run, admitting(run), make_workflow(), None), NOW))
    succeeded = begun.condition("Succeeded")
    assert succeeded is not None
    assert succeeded.status == ConditionStatus.UNKNOWN, "the outcome of the first attempt is not that of the second"
    assert (begun.phase, begun.attempt, begun.tries) == (RunPhase.PENDING, 2, ())
    run = run.updated(status=begun)
    plan = plan_run(RunWorld(run, admitting(run), make_workflow(), None), NOW)
    assert (plan.status, plan.look_again) == (None, NOW + DECISION_GRACE)
    status = run_status_of(
        plan_run(RunWorld(run, admitting(run), make_workflow(), None, facts=FACTS), NOW + DECISION_GRACE)
    )
    assert (status.phase, status.attempt, status.tries) == (RunPhase.QUEUED, 2, ())


def test_a_notification_that_was_not_made_is_made_and_one_that_was_is_not_made_again() -> None:
    run = refused()
    plan = plan_run(pull_request_world(run), NOW)
    run = run.updated(status=run_status_of(plan))
    first, second = run_status_of(plan).unnotified
    settling = RunWorld(run, make_project(), make_workflow(), None, notifications=frozenset({first}))
    assert [c.resource.metadata.name for c in plan_run(settling, NOW).creates if isinstance(c, Create)] == [second]
    settled = RunWorld(run, make_project(), make_workflow(), None, notifications=frozenset({first, second}))
    assert run_status_of(plan_run(settled, NOW)).unnotified == ()
