"""What a MergeJob gathers, and what wakes it."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.cache.store import Store
from codecourier.core.origin import Origin
from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS, WORKFLOWS
from codecourier.kinds.merge_job import MERGE_JOB
from codecourier.kinds.registry import REGISTRY
from codecourier.kinds.run import RUN
from codecourier.kinds.sources import MERGE_JOB_SOURCE
from codecourier.kube.api import Json, Resource
from tests.simulation.clock import virtual
from tests.support.desk import NAMESPACE, Desk
from tests.support.views import make_store, world_of

ADDRESS = "https://forge.test/example/shop/pull/7"


def obj(name: str, *, spec: Json, **rest: Any) -> Json:
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1}
    return {"metadata": metadata, "spec": spec, **rest}


def woken(store: Store, resource: Resource, new: Json) -> set[str]:
    return {f"{key.resource.kind}/{key.name}" for key in REGISTRY.wakes(store, resource, None, new)}


def job(name: str, workflow: str | None = None, **status: Any) -> Json:
    spec: Json = {"mode": "Combine", "pullRequests": [ADDRESS]}
    return obj(name, spec=spec | ({} if workflow is None else {"workflowRef": {"name": workflow}}), status=status)


@pytest.fixture
def store() -> Store:
    made = make_store()
    for item in (
        job("named", "merger"),
        job("ended", "merger", phase="Completed"),
        job("unnamed"),
        job("past", phase="Failed"),
    ):
        made.cache(MERGE_JOBS).apply(item)
    made.cache(PROJECTS).apply(obj("default", spec={"mergeWorkflowRef": {"name": "usual"}}))
    return made


def test_a_workflow_wakes_the_unfinished_merges_that_name_it(store: Store) -> None:
    assert woken(store, WORKFLOWS, obj("merger", spec={})) == {"Workflow/merger", "Project/default", "MergeJob/named"}


def test_the_projects_workflow_wakes_the_unfinished_merges(store: Store) -> None:
    found = woken(store, WORKFLOWS, obj("usual", spec={}))
    assert found == {"Workflow/usual", "Project/default", "MergeJob/named", "MergeJob/unnamed"}


def test_a_project_wakes_the_unfinished_merges(store: Store) -> None:
    assert woken(store, PROJECTS, obj("default", spec={})) == {"Project/default", "MergeJob/named", "MergeJob/unnamed"}


def test_a_run_wakes_the_merge_that_made_it(store: Store) -> None:
    origin = {"kind": "MergeJob", "name": "named", "uid": "uid-named"}
    made = obj("m0", spec={"workflowRef": {"name": "merger"}, "origin": origin})
    assert woken(store, RUNS, made) == {"Run/m0", "MergeJob/named", "Project/default"}


@virtual
async def test_a_merge_has_its_own_runs_and_the_workflow_that_it_uses() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_workflow()
    made = desk.make(MERGE_JOBS, "release", job("release", "scripted")["spec"])
    origin = {"kind": "MergeJob", "name": "release", "uid": made["metadata"]["uid"], "index": 0}
    desk.make_run("own", origin=origin)
    desk.make_run("others", origin={**origin, "uid": "another"})
    desk.refresh()
    model = desk.store.get(MERGE_JOB_SOURCE, NAMESPACE, "release")
    assert model is not None
    world = world_of(desk.store, MERGE_JOB, model)
    assert [run.name for run in world.runs] == ["own"]
    assert world.workflow is not None
    assert world.workflow.name == "scripted"
    seen: Origin | None = world_of(desk.store, RUN, world.runs[0]).origin
    assert seen is not None
    assert (seen.kind, seen.name, seen.uid, seen.reports_ends) == ("MergeJob", "release", model.uid, True)
