"""A Run that names what is not there yet: nothing was started, so nothing has failed, and it goes on by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from codecourier.core.run.start import DECISION_GRACE
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.facts import (
    AgentSecretsAsk,
    AgentSecretsFact,
    BranchHeadAsk,
    BranchHeadFact,
    Facts,
    Problem,
    RepositoryAsk,
    RepositoryFact,
    UnreadableSecret,
)
from codecourier.core.shared.finishing import finish_plan
from codecourier.core.shared.grace import GRACE, LOOK_SOON
from codecourier.core.shared.reasons import Reason
from codecourier.resources.project import Project
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.workflow import SecretKeyReference, SecretVariable, Workflow
from tests.support.plans import plan_run
from tests.support.runs import admitting, run_status_of
from tests.support.worlds import ACCESS, BASE, NOW, make_project, make_revision, make_run, make_workflow

HEAD, REPOSITORY = BranchHeadAsk(ACCESS, "feature"), RepositoryAsk(ACCESS)
MISSING = Facts({HEAD: BranchHeadFact(None), REPOSITORY: RepositoryFact("main")})
THERE = Facts({HEAD: BranchHeadFact(BASE), REPOSITORY: RepositoryFact("main")})


def world(run: Run, facts: Facts, project: Project | None = None, workflow: Workflow | None = None) -> RunWorld:
    """Return the world of a Run whose Workflow is there and recorded."""
    used = workflow or make_workflow()
    return RunWorld(run, project or admitting(run), used, None, revision=make_revision(used), facts=facts)


def stepped(known: RunWorld, now: datetime) -> RunWorld:
    """Return a world after the plan of its Run."""
    status = run_status_of(finish_plan(known.run, plan_run(known, now), now))
    return replace(known, run=known.run.updated(status=status))


def placed(known: RunWorld, now: datetime) -> RunWorld:
    """Return a world whose Project has given the Run a place at a time."""
    project = admitting(known.run)
    entries = tuple(entry.updated(admission_time=now) for entry in project.status.admitted)
    return replace(known, project=project.updated(status=project.status.updated(admitted=entries)))


def test_a_branch_that_is_pushed_a_moment_later_lets_the_run_start() -> None:
    known = stepped(world(make_run(base_branch="feature"), MISSING), NOW)
    status = known.run.status
    assert status.phase is RunPhase.PENDING
    assert status.message == (
        "Repository https://forge.test/example/shop has no branch 'feature'; its default branch is 'main'. Push the "
        "branch, and the work starts by itself, or create the object again with another spec.baseBranch."
    )
    looked = plan_run(known, NOW + LOOK_SOON)
    assert (looked.status, looked.look_again) == (status, NOW + 2 * LOOK_SOON), "the place went to another Run"
    later = NOW + LOOK_SOON
    known = stepped(replace(known, facts=THERE), later)
    assert (known.run.status.phase, known.run.status.retry_time) == (RunPhase.PENDING, later), "it may have a place"
    assert plan_run(known, later).look_again == later + DECISION_GRACE, "the place that it had is void"
    known = stepped(placed(known, later), later)
    assert (known.run.status.phase, known.run.status.base_commit) == (RunPhase.RUNNING, BASE)
    ready = known.run.status.condition("Ready")
    assert ready is not None
    assert ready.status == "True"


def test_an_empty_repository_is_called_so() -> None:
    facts = Facts({BranchHeadAsk(ACCESS, "main"): BranchHeadFact(None), REPOSITORY: RepositoryFact("main")})
    status = stepped(world(make_run(), facts), NOW).run.status
    assert status.message == (
        "Repository https://forge.test/example/shop is empty: its default branch 'main' has no commit. Push a first "
        "commit, and the work starts by itself."
    )


def test_a_secret_that_comes_after_the_run_lets_it_start() -> None:
    variable = SecretVariable(name="API_KEY", secret_key_ref=SecretKeyReference(name="provider", key="token"))
    workflow = make_workflow(secret_env=(variable,))
    ask = AgentSecretsAsk("shop", (("provider", "token"),))
    missing = UnreadableSecret("provider", "token", "it is not there.")
    without = Facts({**THERE.answers, ask: AgentSecretsFact((missing,))})
    known = stepped(world(make_run(base_branch="feature"), without, workflow=workflow), NOW)
    succeeded = known.run.status.condition("Succeeded")
    assert succeeded is not None
    assert (known.run.status.phase, succeeded.reason) == (RunPhase.PENDING, Reason.SECRET_NOT_READABLE)
    known = stepped(replace(known, facts=Facts({**THERE.answers, ask: AgentSecretsFact(())})), NOW + LOOK_SOON)
    assert stepped(placed(known, NOW + LOOK_SOON), NOW + LOOK_SOON).run.status.phase is RunPhase.RUNNING


@pytest.mark.parametrize(
    ("reason", "is_stalled_at_once"),
    [
        (Reason.CREDENTIALS_MISSING, False),
        (Reason.SECRET_NOT_ALLOWED, False),
        (Reason.CREDENTIALS_REFUSED, True),
        (Reason.REPOSITORY_NOT_FOUND, True),
        (Reason.FORGE_REFUSED, True),
    ],
)
def test_what_may_still_come_stalls_after_the_grace_and_what_the_host_refuses_at_once(
    reason: Reason, *, is_stalled_at_once: bool
) -> None:
    facts = Facts({HEAD: Problem(reason, "So it is."), REPOSITORY: RepositoryFact("main")})
    known = world(make_run(base_branch="feature"), facts)
    early = stepped(known, NOW + GRACE - timedelta(seconds=1)).run.status
    assert (early.phase, early.condition("Stalled") is not None) == (RunPhase.PENDING, is_stalled_at_once)
    late = stepped(known, NOW + GRACE).run.status
    assert (late.phase, late.condition("Stalled") is not None) == (RunPhase.PENDING, True)


def test_a_change_of_the_spec_begins_the_grace_anew() -> None:
    run = make_run(base_branch="feature")
    late = NOW + 3 * GRACE
    stalled = stepped(world(run, MISSING), late)
    assert stalled.run.status.condition("Stalled") is not None
    changed = stalled.run.updated(metadata=stalled.run.metadata.updated(generation=2))
    known = stepped(replace(stalled, run=changed), late)
    assert known.run.status.condition("Stalled") is None
    assert known.run.status.generation_time == late
    assert stepped(known, late + GRACE).run.status.condition("Stalled") is not None


def test_one_template_reads_alike_on_the_workflow_the_run_and_the_chain() -> None:
    workflow = make_workflow(prompt_template="{{ task }}")
    run = make_run()
    status = stepped(RunWorld(run, make_project(), workflow, None, facts=THERE), NOW).run.status
    assert status.message == (
        "The Workflow's promptTemplate cannot be used: line 1: unknown placeholder 'task'; known are base_branch, "
        "prompt, repository, run, sprint.count, sprint.index, sprint.number."
    )


def test_a_run_without_a_place_says_what_is_wrong_now() -> None:
    missing, refused = (
        Problem(reason, f"So it is: {reason}.") for reason in (Reason.CREDENTIALS_MISSING, Reason.CREDENTIALS_REFUSED)
    )
    run = make_run(age_seconds=60)
    known = world(run, Facts({REPOSITORY: missing}), make_project())
    known = stepped(known, NOW)
    assert (known.run.status.phase, known.run.status.message) == (RunPhase.PENDING, missing.message)
    plan = plan_run(known, NOW + LOOK_SOON)
    assert (plan.status, plan.events) == (known.run.status, ())
    assert plan.look_again == NOW + 2 * LOOK_SOON
    known = stepped(replace(known, facts=Facts({REPOSITORY: refused})), NOW + LOOK_SOON)
    assert (known.run.status.phase, known.run.status.message) == (RunPhase.PENDING, refused.message)
    reached = replace(known, facts=Facts({REPOSITORY: RepositoryFact("main")}))
    assert plan_run(reached, NOW + LOOK_SOON).status is None, "the Project is about to give it a place"


def test_a_run_that_waits_for_its_host_says_what_the_host_says_now() -> None:
    away, limited = (
        Problem(reason, f"So it is: {reason}.") for reason in (Reason.FORGE_UNAVAILABLE, Reason.RATE_LIMITED)
    )
    known = stepped(world(make_run(age_seconds=60), Facts({REPOSITORY: away}), make_project()), NOW)
    plan = plan_run(known, NOW)
    assert (known.run.status.phase, known.run.status.message) == (RunPhase.QUEUED, away.message)
    assert plan.look_again == NOW + LOOK_SOON
    known = stepped(replace(known, facts=Facts({REPOSITORY: limited})), NOW + LOOK_SOON)
    assert (known.run.status.phase, known.run.status.message) == (RunPhase.QUEUED, limited.message)
