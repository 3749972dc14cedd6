"""Which revisions of Workflows a Project's plan collects."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.project.unused_revisions import AT_ONCE, REVISION_GRACE
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.facts import Facts, RepositoryAsk, RepositoryFact
from codecourier.core.shared.intents import Delete
from codecourier.core.shared.revisions import WorkflowRevision
from codecourier.resources.workflow import Workflow
from tests.support.places import runs_of
from tests.support.plans import plan_project
from tests.support.worlds import ACCESS, NOW, make_project, make_revision, make_workflow

FACTS = Facts({RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main")})
OLD = make_revision(make_workflow(image="old"))
LATER = NOW + REVISION_GRACE


def world(*unused: WorkflowRevision, workflow: Workflow | None = None) -> ProjectWorld:
    """Return the world of a Project with unused revisions, and the Workflow that is there."""
    workflows = {} if workflow is None else {workflow.name: workflow}
    return ProjectWorld(make_project(), runs_of(), workflows, unused_revisions=unused, facts=FACTS)


def edited() -> Workflow:
    """Return the Workflow after an edit."""
    workflow = make_workflow()
    return workflow.updated(metadata=workflow.metadata.updated(generation=2))


def test_a_superseded_revision_goes_once_it_is_old_enough() -> None:
    early = plan_project(world(OLD, workflow=edited()), NOW)
    assert (early.deletes, early.look_again) == ((), LATER)
    due = plan_project(world(OLD, workflow=edited()), LATER)
    assert due.deletes == (Delete("ControllerRevision", "shop", OLD.name, OLD.uid, OLD.resource_version),)


def test_what_the_next_run_would_use_stays() -> None:
    # Made from this generation, and made from an earlier one that an edit has brought back.
    for workflow in (make_workflow(), edited()):
        plan = plan_project(world(make_revision(), workflow=workflow), LATER)
        assert (plan.deletes, plan.look_again) == ((), None)


def test_revisions_of_a_workflow_that_is_gone_go() -> None:
    assert len(plan_project(world(make_revision()), LATER).deletes) == 1


def test_what_another_controller_owns_or_only_has_our_label_stays() -> None:
    foreign = (replace(OLD, is_owned=True), replace(OLD, workflow=""))
    assert plan_project(world(*foreign), LATER).deletes == ()


def test_one_plan_deletes_a_bounded_number() -> None:
    many = [replace(OLD, name=f"scripted-{number}", uid=f"uid-{number}") for number in range(AT_ONCE + 5)]
    assert len(plan_project(world(*many), LATER + timedelta(days=1)).deletes) == AT_ONCE
