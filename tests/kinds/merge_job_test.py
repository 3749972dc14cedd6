"""What a MergeJob gathers, and what wakes it."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.cache.store import Store
from codecourier.core.merge_job.lane import lane_key
from codecourier.core.origin import Origin
from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS, WORKFLOWS
from codecourier.kinds.merge_job import LANE, MERGE_JOB, view_lane
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


def single(name: str, namespace: str, *, lane: Json | None, url: str = "https://forge.test/example/shop") -> Json:
    status = {"phase": "Running", "repositoryUrl": url, "baseBranch": "main"} | ({} if lane is None else {"lane": lane})
    made = job(name) | {"status": status}
    stamp = {"namespace": namespace, "uid": f"uid-{namespace}-{name}", "creationTimestamp": "2026-03-01T12:00:00Z"}
    return made | {"metadata": made["metadata"] | stamp}


HOLDER: Json = {"isHolder": True, "since": "2026-03-01T12:00:00Z", "until": "2026-03-01T13:00:00Z"}
IN_LINE: Json = {"since": "2026-03-01T12:00:00Z", "until": "2026-03-01T12:20:00Z"}


def test_a_change_of_a_lane_wakes_its_merges_of_all_namespaces_and_no_others() -> None:
    store = make_store()
    cache = store.cache(MERGE_JOBS)
    holder = single("first", "shop", lane=HOLDER)
    waiting = single("second", "bakery", lane=IN_LINE, url="https://FORGE.test/Example/Shop.git")
    others = [single(f"other-{n}", "shop", lane=None) for n in range(20)]
    elsewhere = single("third", "dairy", lane=IN_LINE, url="https://forge.test/example/bakery")
    for made in (holder, waiting, elsewhere, *others):
        cache.note_write(made)
    version = {"metadata": holder["metadata"] | {"resourceVersion": "2"}}
    given_up = single("first", "shop", lane=None) | version
    changes: list[tuple[Json, Json | None]] = [(holder, given_up), (holder, None)]
    for old, new in changes:
        keys = {(key.namespace, key.name) for key in REGISTRY.wakes(store, MERGE_JOBS, old, new)}
        assert keys == {("shop", "first"), ("bakery", "second")}
    unchanged = holder | version
    assert {key.name for key in REGISTRY.wakes(store, MERGE_JOBS, holder, unchanged)} == {"first"}
    assert {key.name for key in REGISTRY.wakes(store, MERGE_JOBS, others[0], others[0])} == {"other-0"}


def test_finished_merges_take_no_part_in_a_lane() -> None:
    made = single("first", "shop", lane=HOLDER)
    assert view_lane(made) is not None
    assert view_lane(made | {"status": made["status"] | {"phase": "Completed"}}) is None


def test_thousands_of_other_merges_cost_a_lane_nothing() -> None:
    store = make_store()
    cache = store.cache(MERGE_JOBS)
    for number in range(3000):
        cache.note_write(single(f"other-{number}", "shop", lane=HOLDER, url=f"https://forge.test/example/r{number}"))
    cache.note_write(single("own", "bakery", lane=IN_LINE))
    (index,) = (edge.indexes[0].name for edge in LANE.edges({}))
    key = lane_key("https://forge.test/example/shop", "main")
    assert list(cache.keys_by_index(index, key)) == [("bakery", "own")]


def test_the_runs_of_the_namespace_that_made_its_pull_requests_are_found() -> None:
    store = make_store()
    made = {"repositoryUrl": "https://FORGE.test/Example/shop.git", "pullRequest": {"number": 7, "phase": "Created"}}
    spec = {"workflowRef": {"name": "scripted"}, "prompt": "Fix it."}
    elsewhere = obj("elsewhere", spec=spec, status=made)
    for run in (
        obj("fix-total", spec=spec, status=made),
        obj("other", spec=spec, status=made | {"pullRequest": {"number": 8, "phase": "Created"}}),
        elsewhere | {"metadata": elsewhere["metadata"] | {"namespace": "bakery"}},
    ):
        store.cache(RUNS).note_write(run)
    store.cache(MERGE_JOBS).note_write(job("release"))
    model = store.get(MERGE_JOB_SOURCE, NAMESPACE, "release")
    assert model is not None
    assert world_of(store, MERGE_JOB, model).makers == {7: "fix-total"}
