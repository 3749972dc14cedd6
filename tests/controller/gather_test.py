"""What a plan is given of the caches."""

from __future__ import annotations

from codecourier.controller.gather import gather_project
from codecourier.controller.kinds import RUNS, WORKFLOWS
from codecourier.controller.store import Store
from codecourier.core.admission import admit
from codecourier.kube.api import Resource
from codecourier.resources.meta import Resource as Model
from codecourier.resources.run import Run, RunPhase
from tests.support.worlds import NOW, make_project, make_run, make_workflow, queued


def caching(*objects: tuple[Resource, Model]) -> Store:
    """Return caches that hold these objects."""
    store = Store()
    for version, (resource, model) in enumerate(objects, start=1):
        body = model.to_json()
        body["metadata"]["resourceVersion"] = str(version)
        store.cache(resource).apply(body)
    return store


def finished(name: str) -> Run:
    """Return a Run that is over."""
    return queued(make_run(name), phase=RunPhase.COMPLETED)


def test_a_project_knows_its_unfinished_runs_those_it_lists_and_what_pending_ones_name() -> None:
    listed = queued(make_run("listed"))
    project = make_project()
    project = project.updated(status=project.status.updated(admitted=admit(project, [listed], {}, NOW)))
    ended = listed.updated(status=finished("listed").status)
    store = caching((RUNS, make_run("pending")), (RUNS, ended), (RUNS, finished("other")), (WORKFLOWS, make_workflow()))
    world = gather_project(store, project, {})
    assert {run.name for run in world.runs} == {"pending", "listed"}
    assert set(world.workflows) == {"scripted"}
