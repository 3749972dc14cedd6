"""What admission reads of Runs: what their models say, in order, at a cost that their number does not raise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from sys import setprofile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.project.admission import next_try_number
from codecourier.core.project.plan import REACHED_SECONDS, plan_project
from codecourier.core.run.status import attempt_status
from codecourier.core.shared import wishes
from codecourier.core.shared.facts import Facts, Problem, RepositoryAccess, RepositoryAsk, RepositoryFact
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.kinds.admission import RunsInNamespace, view_run
from codecourier.kinds.api_resources import RUNS, WORKFLOWS
from codecourier.kinds.project import PROJECT
from codecourier.kube.api import Json
from codecourier.resources.meta import LocalReference
from codecourier.resources.project import Project, Repository
from codecourier.resources.run import PullRequest, PullRequestPhase, Run, RunPhase, Try
from tests.support.places import admit
from tests.support.views import make_store, world_of
from tests.support.worlds import ACCESS, NOW, URL, make_project, make_run, make_workflow, queued

DEAD = f"{URL}-dead"
DEAD_ACCESS = RepositoryAccess("shop", DEAD, secret="token")
FACTS = Facts(
    {
        RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main"),
        RepositoryAsk(DEAD_ACCESS, REACHED_SECONDS): Problem(Reason.CREDENTIALS_MISSING, "There is no Secret."),
    }
)


@given(
    phase=st.sampled_from(RunPhase),
    asked=st.integers(1, 3),
    attempt=st.integers(0, 3),
    tries=st.integers(0, 2),
    is_cancelled=st.booleans(),
    cancelled=st.integers(0, 3),
    is_deleting=st.booleans(),
    has_pull_request=st.booleans(),
)
def test_a_view_says_what_the_model_says(
    *,
    phase: RunPhase,
    asked: int,
    attempt: int,
    tries: int,
    is_cancelled: bool,
    cancelled: int,
    is_deleting: bool,
    has_pull_request: bool,
) -> None:
    metadata = {"deletion_timestamp": NOW} if is_deleting else {}
    run = make_run(attempt=asked, cancelled=is_cancelled, metadata=metadata)
    run = queued(
        run,
        phase=phase,
        attempt=attempt,
        cancelled_attempt=cancelled,
        tries=tuple(Try(number=n, sandbox=f"s{n}") for n in range(1, tries + 1)),
        retry_time=NOW + timedelta(seconds=0.5),
        pull_request=PullRequest(phase=PullRequestPhase.CREATING) if has_pull_request else None,
    )
    view, status = view_run(run.to_json()), attempt_status(run)
    assert (view.attempt, view.phase, view.try_number) == (status.attempt, status.phase, next_try_number(run))
    assert (view.retry_time, view.creation_time) == (status.retry_time, run.metadata.creation_timestamp)
    assert view.has_pod is (status.phase is RunPhase.RUNNING and status.pull_request is None and bool(status.tries))
    assert view.is_stopping is (is_deleting or wishes.is_cancelled(run.spec, status))
    assert view.workflow == (None if has_recorded_workflow(status) else "scripted")


def two_repositories(limit: int = 2) -> Project:
    """Return a Project with a second repository, which cannot be reached."""
    project = make_project(limit=limit)
    dead = Repository(url=DEAD, credential_ref=LocalReference(name="token"))
    return project.updated(spec=project.spec.updated(repositories=(*project.spec.repositories, dead)))


class Look:
    """A Project among many unfinished Runs."""

    def __init__(self, project: Project, *runs: Run) -> None:
        self.store, self.project, self.version = make_store(), project, 0
        self.store.cache(WORKFLOWS).apply(self.body(make_workflow()))
        for run in runs:
            self.store.cache(RUNS).apply(self.body(run))

    def body(self, model: Any, **changes: Any) -> Json:
        self.version += 1
        body: Json = model.to_json()
        body["metadata"] |= {"resourceVersion": str(self.version), **changes}
        return body

    def fill(self, model: Run, count: int) -> None:
        """Add copies of a Run, each with a name of its own."""
        for number in range(count):
            name = f"{model.name}-{number}"
            self.store.cache(RUNS).apply(self.body(model, name=name, uid=f"uid-{name}"))

    def look(self) -> list[str]:
        """Gather and plan; return the names of the admitted Runs."""
        status = plan_project(replace(world_of(self.store, PROJECT, self.project), facts=FACTS), NOW).status
        return [entry.name for entry in getattr(status, "admitted", ())]


def steps(look: Look) -> int:
    """Return how many functions one look calls."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    setprofile(count)
    try:
        look.look()
    finally:
        setprofile(None)
    return calls


def pending(**spec: Any) -> Run:
    return make_run("pending", base_branch="main", **spec)


CROWDS: dict[str, list[Run]] = {
    "Pending": [pending()],
    "Queued": [queued(make_run("queued"))],
    "due again": [queued(make_run("due"), retry_time=NOW - timedelta(seconds=1))],
    "not due yet": [queued(make_run("later"), retry_time=NOW + timedelta(hours=1))],
    "of a dead repository": [pending(repository_url=DEAD)],
    "of an absent Workflow": [pending(workflow_ref=LocalReference(name="absent"))],
    "stopping": [queued(make_run("stopping", cancelled=True))],
    "pushed": [
        queued(
            make_run("pushed"),
            phase=RunPhase.RUNNING,
            tries=(Try(number=1, sandbox="s"),),
            pull_request=PullRequest(phase=PullRequestPhase.CREATING),
        )
    ],
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_look_at_a_project_costs_the_same_among_ten_times_as_many_runs(crowd: str) -> None:
    costs = []
    for count in (100, 1000):
        look = Look(two_repositories(limit=5), queued(make_run("good", age_seconds=-5)))
        for model in CROWDS[crowd]:
            look.fill(model, count)
        assert look.look()
        costs.append(steps(look))
    assert costs[1] <= 1.2 * costs[0], costs


def test_a_look_does_not_go_through_workflows_that_are_not_there() -> None:
    costs = []
    for count in (100, 1000):
        look = Look(two_repositories(), queued(make_run("good")))
        for number in range(count):
            look.fill(pending(workflow_ref=LocalReference(name=f"absent-{number}")), 1)
            look.fill(make_run(f"r{number}", repository_url=f"{URL}-{number}"), 1)
        assert look.look() == ["good"]
        costs.append(steps(look))
    assert costs[1] <= 1.2 * costs[0], costs


def test_runs_of_a_dead_repository_take_no_place() -> None:
    dead = [queued(make_run(f"dead-{n}", age_seconds=60, repository_url=DEAD), repository_url=DEAD) for n in range(2)]
    good = [queued(make_run(f"good-{n}")) for n in range(2)]
    assert Look(two_repositories(), *dead, *good).look() == ["good-0", "good-1"]


def test_an_unreadable_run_in_front_gets_no_place_and_is_read_once() -> None:
    look = Look(make_project(limit=1), queued(make_run("good")))
    odd = look.body(queued(make_run("odd", age_seconds=60)))
    odd["status"]["conditions"] = [{"type": "Ready", "status": "Perhaps"}]
    look.store.cache(RUNS).apply(odd)
    assert look.look() == look.look() == ["good"]
    assert RunsInNamespace(look.store, "shop").named("odd") is not None
    readable = look.body(queued(make_run("odd", age_seconds=60)))
    look.store.cache(RUNS).apply(readable)
    assert look.look() == ["odd"]


def test_a_run_of_a_phase_that_only_a_newer_version_knows_keeps_its_place() -> None:
    run = queued(make_run("odd"))
    project = make_project(limit=1)
    project = project.updated(status=project.status.updated(admitted=admit(project, [run], {}, NOW)))
    look = Look(project, queued(make_run("good")))
    odd = look.body(run)
    odd["status"]["phase"] = "Hibernating"
    look.store.cache(RUNS).apply(odd)
    assert look.look() == ["odd"]


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["put", "pod", "later", "end", "drop"])), max_size=40))
def test_the_index_says_what_a_fresh_one_says(changes: list[tuple[int, str]]) -> None:
    """However Runs came to be as they are, admission reads the same of them."""
    look = Look(two_repositories(limit=3))
    for number, what in changes:
        run = queued(make_run(f"run-{number}", age_seconds=number))
        known = look.store.raw(RUNS, "shop", run.name)
        if what == "drop":
            if known is not None:
                look.store.cache(RUNS).remove(look.body(run, uid=known["metadata"]["uid"]))
            continue
        phases = {"pod": RunPhase.RUNNING, "end": RunPhase.COMPLETED}
        retry = NOW - timedelta(seconds=number) if what == "later" else None
        tries = (Try(number=1, sandbox="s"),) if what == "pod" else ()
        run = queued(run, phase=phases.get(what, RunPhase.QUEUED), retry_time=retry, tries=tries)
        uid = known["metadata"]["uid"] if known is not None else f"uid-{look.version}"
        look.store.cache(RUNS).apply(look.body(run, uid=uid))
    fresh = Look(look.project)
    for obj in look.store.cache(RUNS):
        fresh.store.cache(RUNS).apply(obj)
    assert look.look() == fresh.look()
