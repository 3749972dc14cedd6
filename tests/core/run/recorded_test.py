"""Which Workflow the tries of an attempt use, and what becomes of an attempt whose revision is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.core.project.admission import has_place
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.creations import START_LIMIT
from codecourier.core.shared.facts import BranchHeadAsk, BranchHeadFact, Facts, Problem, RevisionAsk, RevisionFact
from codecourier.core.shared.finishing import finish_plan
from codecourier.core.shared.grace import LOOK_SOON
from codecourier.core.shared.intents import Create, CreateRevision, Failures
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.revisions import build_revision, view_revision
from codecourier.resources.notification import Notification
from codecourier.resources.run import Run, RunPhase, Try
from codecourier.resources.sandbox import PublishState, SandboxPhase
from codecourier.resources.workflow import Workflow
from tests.support.plans import plan_run
from tests.support.runs import admitting, ended, going, run_status_of, running
from tests.support.worlds import ACCESS, BASE, NOW, make_project, make_revision, make_run, make_workflow, queued

FACTS = {BranchHeadAsk(ACCESS, "main"): BranchHeadFact(BASE)}
LOST = {RevisionAsk("shop", make_revision().name): RevisionFact(None)}
CREATE = CreateRevision(build_revision(make_workflow()))
FORGED = view_revision(
    build_revision(make_workflow()) | {"data": {}, "metadata": CREATE.manifest["metadata"] | {"uid": "uid-forged"}}
)


def waiting() -> Run:
    """Return a Run whose second try is due."""
    tries = (Try(number=1, sandbox="fix-1", phase=SandboxPhase.FAILED),)
    return queued(
        make_run(base_branch="main"), tries=tries, retry_time=NOW, base_branch="main", base_commit=BASE, branch="work"
    )


def begun(run: Run) -> Run:
    """Return a finished Run whose second attempt has begun."""
    run = run.updated(spec=run.spec.updated(attempt=2))
    return run.updated(status=run_status_of(plan_run(RunWorld(run, make_project(), make_workflow(), None), NOW)))


def test_the_first_run_of_a_version_makes_its_revision_before_the_status_names_it() -> None:
    run = make_run(base_branch="main")
    world = RunWorld(run, admitting(run), make_workflow(), None, facts=Facts(FACTS))
    plan = plan_run(world, NOW)
    assert (plan.status, plan.creates, plan.look_again) == (None, (CREATE,), NOW)
    assert finish_plan(run, plan, NOW) == plan, "it costs the Run no write of its own"
    then = plan_run(replace(world, revision=make_revision()), NOW)
    assert run_status_of(then).workflow_revision == make_revision().name
    assert [type(create) for create in then.creates] == [Create]


def test_a_run_that_waits_takes_a_workflow_that_is_corrected_meanwhile() -> None:
    run, fixed = make_run(base_branch="main"), make_workflow(image="fixed")
    status = run_status_of(plan_run(RunWorld(run, make_project(suspend=True), make_workflow(), None), NOW))
    assert (status.phase, status.workflow_revision) == (RunPhase.QUEUED, None)
    run = run.updated(status=status)
    world = RunWorld(run, admitting(run), fixed, None, revision=make_revision(fixed), facts=Facts(FACTS))
    assert run_status_of(plan_run(world, NOW)).workflow_revision == make_revision(fixed).name


def test_a_run_that_waits_says_that_its_workflow_is_gone() -> None:
    run = queued(make_run(), workflow_revision=None)
    for project in (make_project(), admitting(run)):
        status = run_status_of(plan_run(RunWorld(run, project, None, None), NOW))
        assert status.phase is RunPhase.PENDING
        assert status.message == "The namespace has no Workflow 'scripted'. Create it, or name another one."


@pytest.mark.parametrize("phase", [RunPhase.PENDING, RunPhase.QUEUED])
def test_a_refused_revision_is_said_tried_again_without_a_place_and_given_up(phase: RunPhase) -> None:
    run = make_run(base_branch="main")
    run = run if phase is RunPhase.PENDING else queued(run, workflow_revision=None)
    problem = Problem(Reason.REVISION_REFUSED, "The quota is used up.", since=NOW, refused_since=NOW)
    world = RunWorld(run, admitting(run), make_workflow(), None, facts=Facts(FACTS))
    world = replace(world, failures=Failures({CREATE: problem}))
    plan = plan_run(world, NOW)
    status = run_status_of(plan)
    assert (status.phase, status.message, status.tries) == (RunPhase.PENDING, problem.message, ())
    assert (plan.creates, plan.look_again) == ((CREATE,), NOW + LOOK_SOON)
    assert [event.reason for event in plan.events] == ["RevisionRefused"]
    run = run.updated(status=status)
    assert not has_place(admitting(run), run), "another Run may have its place"
    waiting = replace(world, run=run, facts=Facts())
    then = plan_run(waiting, NOW + LOOK_SOON)
    assert (then.status, then.creates) == (status, (CREATE,)), "it is tried without a question to the host"
    made = replace(waiting, failures=Failures(), revision=make_revision(), facts=Facts(FACTS))
    assert run_status_of(plan_run(made, NOW + LOOK_SOON)).retry_time == NOW + LOOK_SOON, "it may have a place"
    over = run_status_of(plan_run(waiting, NOW + START_LIMIT))
    assert (over.phase, over.message) == (RunPhase.FAILED, problem.message)


def test_a_run_whose_refusal_a_new_leader_does_not_know_tries_again_without_a_place() -> None:
    run = make_run(base_branch="main")
    problem = Problem(Reason.REVISION_REFUSED, "The quota is used up.", since=NOW, refused_since=NOW)
    world = RunWorld(run, admitting(run), make_workflow(), None, facts=Facts(FACTS))
    refused = run_status_of(plan_run(replace(world, failures=Failures({CREATE: problem})), NOW))
    plan = plan_run(replace(world, run=run.updated(status=refused), project=make_project()), NOW + LOOK_SOON)
    assert (plan.status, plan.creates) == (None, (CREATE,))


def test_a_later_try_whose_lost_revision_is_refused_returns_its_place() -> None:
    run = waiting()
    problem = Problem(Reason.REVISION_REFUSED, "The quota is used up.", since=NOW, refused_since=NOW)
    world = RunWorld(run, admitting(run, 2), make_workflow(), None, facts=Facts(LOST))
    world = replace(world, failures=Failures({CREATE: problem}))
    status = run_status_of(plan_run(world, NOW))
    assert (status.phase, status.message) == (RunPhase.QUEUED, problem.message)
    assert not has_place(admitting(run, 2), run.updated(status=status))
    assert run_status_of(plan_run(world, NOW + START_LIMIT)).phase is RunPhase.FAILED


def test_a_revision_with_another_content_is_not_used_for_a_start() -> None:
    run = make_run(base_branch="main")
    world = RunWorld(run, admitting(run), make_workflow(), None, revision=FORGED, facts=Facts(FACTS))
    plan = plan_run(world, NOW)
    assert (plan.status, plan.creates) == (None, (CREATE,))


def test_a_later_try_keeps_the_workflow_of_the_first_one() -> None:
    run, edited = waiting(), make_workflow(image="edited")
    world = RunWorld(run, admitting(run, 2), edited, None, revision=make_revision())
    status = run_status_of(plan_run(world, NOW))
    assert (status.workflow_revision, len(status.tries)) == (make_revision().name, 2)


def test_a_later_try_whose_revision_is_lost_makes_it_again_from_an_unchanged_workflow() -> None:
    run = waiting()
    plan = plan_run(RunWorld(run, admitting(run, 2), make_workflow(), None, facts=Facts(LOST)), NOW)
    assert (plan.status, plan.creates, plan.look_again) == (None, (CREATE,), NOW)


@pytest.mark.parametrize("workflow", [None, make_workflow(image="edited")], ids=["gone", "edited"])
def test_an_attempt_whose_revision_is_lost_for_good_ends_and_says_what_to_do(workflow: Workflow | None) -> None:
    run = waiting()
    world = RunWorld(run, admitting(run, 2), workflow, None, facts=Facts(LOST))
    plan = plan_run(world, NOW)
    status = run_status_of(plan)
    assert (status.phase, status.retry_time) == (RunPhase.FAILED, None)
    assert "Raise spec.attempt" in status.message
    assert [type(c.resource) for c in plan.creates if isinstance(c, Create)] == [Notification]


def test_a_run_in_progress_makes_a_lost_revision_again() -> None:
    run = running()
    sandbox = going(run, Reason.RUNNING, "")
    world = RunWorld(run, admitting(run), make_workflow(), None, (sandbox,), facts=Facts(LOST))
    assert plan_run(world, NOW).creates == (CREATE,)
    assert plan_run(replace(world, workflow=make_workflow(image="edited")), NOW).creates == ()
    assert plan_run(replace(world, facts=Facts()), NOW).creates == ()


@pytest.mark.parametrize("state", [None, PublishState.PUSHED])
def test_a_try_that_failed_without_a_known_workflow_ends_the_run_by_a_decision(state: PublishState | None) -> None:
    run = running()
    sandbox = ended(run, SandboxPhase.FAILED, Reason.NODE_LOST, state)
    world = RunWorld(run, admitting(run), None, None, (sandbox,), records=frozenset({sandbox.name}), facts=Facts(LOST))
    plan = plan_run(world, NOW)
    status = run_status_of(plan)
    assert (status.phase, status.message.startswith(sandbox.status.message)) == (RunPhase.FAILED, True)
    assert f"ControllerRevision '{make_revision().name}'" in status.message
    # Another leader may still know the revision and retry: so the status is written before people are notified.
    assert (plan.records, len(plan.creates)) == ((), 1)
    cancelled = replace(world, run=run.updated(spec=run.spec.updated(cancelled=True)))
    assert run_status_of(plan_run(cancelled, NOW)).phase is RunPhase.CANCELLED


def test_an_unchanged_workflow_stands_for_its_lost_revision_when_a_try_has_failed() -> None:
    run = running()
    sandbox = ended(run, SandboxPhase.FAILED, Reason.NODE_LOST)
    world = RunWorld(run, admitting(run), make_workflow(), None, (sandbox,), facts=Facts(LOST))
    assert run_status_of(plan_run(world, NOW)).phase is RunPhase.QUEUED


def test_a_new_attempt_says_which_workflow_it_uses() -> None:
    run = begun(running(phase=RunPhase.FAILED))
    edited = make_workflow(image="edited")
    world = RunWorld(run, admitting(run, attempt=2), edited, None, revision=make_revision(edited), facts=Facts(FACTS))
    plan = plan_run(world, NOW)
    status = run_status_of(plan)
    assert status.message.endswith("works on it, with Workflow scripted as it was when attempt 2 started.")
    assert "attempt 2" in plan.events[0].message


def test_a_run_of_an_earlier_version_goes_on_with_the_workflow_in_its_status() -> None:
    old = make_workflow(image="old").spec
    run = waiting()
    run = run.updated(status=run.status.updated(workflow=old, workflow_revision=None))
    status = run_status_of(plan_run(RunWorld(run, admitting(run, 2), make_workflow(), None), NOW))
    assert (status.phase, status.workflow, status.workflow_revision) == (RunPhase.RUNNING, old, None)
    again = begun(running(phase=RunPhase.FAILED, workflow=old, workflow_revision=None))
    world = RunWorld(again, admitting(again, attempt=2), make_workflow(), None, revision=make_revision())
    status = run_status_of(plan_run(replace(world, facts=Facts(FACTS)), NOW))
    assert (status.workflow, status.workflow_revision) == (None, make_revision().name)
