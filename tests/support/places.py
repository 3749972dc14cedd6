"""Admission for tests: Runs given as models, all repositories of the Project reached."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from codecourier.core.project import admission
from codecourier.core.project.places import UsableWorkflows
from codecourier.core.shared.consent import RepositoryKey, repository_key
from codecourier.kinds.admission import RunsInNamespace
from codecourier.kinds.api_resources import RUNS
from codecourier.resources.project import AdmittedRun, Project
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow
from tests.support.views import make_store

__all__ = ["admit", "runs_of"]


def runs_of(*runs: Run) -> RunsInNamespace:
    """Return what admission reads of these Runs, all of namespace `shop`."""
    store = make_store()
    for version, run in enumerate(runs, start=1):
        body = run.to_json()
        body["metadata"]["resourceVersion"] = str(version)
        store.cache(RUNS).apply(body)
    return RunsInNamespace(store, "shop")


def admit(
    project: Project,
    runs: Iterable[Run],
    workflows: Mapping[str, Workflow],
    now: datetime,
    reached: Collection[RepositoryKey | None] | None = None,
) -> tuple[AdmittedRun, ...]:
    """Return the list of admitted Runs; without `reached` all of the Project's repositories are."""
    if reached is None:
        reached = {None, *(repository_key(repository.url) for repository in project.spec.repositories)}
    return admission.admit(project, runs_of(*runs), reached, UsableWorkflows(workflows), now)
