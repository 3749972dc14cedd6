"""A Project that is being deleted stays while Runs that have started need it, for a bounded time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.project.finishing import OPENING_LIMIT
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.resources.project import Project, ProjectStatus
from codecourier.resources.run import PullRequest, PullRequestPhase, Run
from tests.support.places import runs_of
from tests.support.plans import plan_project
from tests.support.runs import running
from tests.support.worlds import NOW, make_project, make_run, queued

OPENING = running(pull_request=PullRequest(phase=PullRequestPhase.CREATING))


def deleted(**annotations: str) -> Project:
    """Return a Project that is being deleted."""
    project = make_project()
    metadata = project.metadata.updated(deletion_timestamp=NOW, annotations=annotations)
    return project.updated(metadata=metadata)


def planned(project: Project, *runs: Run, now: datetime = NOW) -> Plan:
    """Plan for a Project with these Runs."""
    return plan_project(ProjectWorld(project, runs_of(*runs)), now)


def status_of(plan: Plan) -> ProjectStatus:
    """Return the status that a plan writes."""
    assert isinstance(plan.status, ProjectStatus)
    return plan.status


def test_a_project_has_a_finalizer_before_anything_else() -> None:
    project = make_project()
    bare = project.updated(metadata=project.metadata.updated(finalizers=()))
    assert planned(bare) == Plan(add_finalizer=True)


def test_a_project_that_no_run_needs_goes_at_once() -> None:
    assert planned(deleted()) == Plan(release_finalizer=True)
    assert planned(deleted(), queued(make_run())) == Plan(release_finalizer=True), "it gets no place any more"


def test_a_project_waits_for_a_run_that_works_says_so_and_gives_no_place() -> None:
    plan = planned(deleted(), running(), queued(make_run("other")))
    status = status_of(plan)
    ready = status.condition("Ready")
    assert ready is not None
    assert (plan.release_finalizer, ready.status, ready.reason) == (False, "False", "ProjectFinishing")
    assert ready.message.endswith("its credentials: fix.")
    assert status.admitted == ()
    assert status.release_time is None, "the pod's own deadline bounds it"
    again = planned(deleted().updated(status=status), running(), now=NOW + OPENING_LIMIT)
    assert again.status == status, "what is said already is not written again"


def test_a_pull_request_has_a_bounded_time_after_the_last_pod() -> None:
    plan = planned(deleted(), OPENING)
    status = status_of(plan)
    assert (status.release_time, plan.look_again) == (NOW + OPENING_LIMIT, NOW + OPENING_LIMIT)
    project = deleted().updated(status=status)
    assert not planned(project, OPENING, now=NOW + OPENING_LIMIT / 2).release_finalizer
    assert planned(project, OPENING, now=NOW + OPENING_LIMIT) == Plan(release_finalizer=True)
    assert planned(project) == Plan(release_finalizer=True)


def test_nothing_is_waited_for_in_a_namespace_that_goes_or_where_a_user_asks_for_it() -> None:
    world = ProjectWorld(deleted(), runs_of(running()))
    assert plan_project(replace(world, is_namespace_ending=True), NOW) == Plan(release_finalizer=True)
    assert planned(deleted(**{ANNOTATION_STOP_NOW: "true"}), running()) == Plan(release_finalizer=True)


def test_a_run_that_opens_its_pull_request_finds_the_project() -> None:
    late = NOW + timedelta(hours=3)
    pod_over = status_of(planned(deleted(), running()))
    project = deleted().updated(status=pod_over)
    assert status_of(planned(project, OPENING, now=late)).release_time == late + OPENING_LIMIT
