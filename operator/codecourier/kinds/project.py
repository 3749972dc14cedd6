"""The row of Project."""

from __future__ import annotations

from collections.abc import Hashable

from codecourier.core.project.plan import plan_project
from codecourier.core.project.world import ProjectWorld
from codecourier.core.run.status import attempt_status
from codecourier.core.shared.naming import PROJECT_NAME
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.kinds.kind import Kind, Planning, Reader, Use
from codecourier.kinds.relations import all_in_namespace
from codecourier.kinds.shared import API_SERVER, NAMESPACE_ENDING, NOTIFICATION_NAMES, POLICY, READ_REFERENCES
from codecourier.kinds.sources import NOTIFICATION_SOURCE, RUN_SOURCE, WORKFLOW_SOURCE
from codecourier.kube import api
from codecourier.kube.api import Json
from codecourier.resources.project import Project

__all__ = ["PROJECT"]


def _place(run: Json | None) -> Hashable:
    """Return what admission reads of a Run."""
    if run is None:
        return ()
    status = run.get("status") or {}
    metadata = run["metadata"]
    return (
        metadata["uid"],
        bool(metadata.get("deletionTimestamp")),
        run["spec"].get("cancelled", False),
        status.get("phase"),
        status.get("attempt"),
        run["spec"].get("attempt"),
        status.get("retryTime"),
        len(status.get("tries") or ()),
    )


_RUNS = all_in_namespace(RUN_SOURCE, PROJECT_NAME, _place)
_WORKFLOWS = all_in_namespace(WORKFLOW_SOURCE, PROJECT_NAME)


def _gather(read: Reader[Project], project: Project) -> ProjectWorld:
    """Read a Project with its unfinished and admitted Runs, and the Workflows that these name."""
    all_runs = read(_RUNS)
    unfinished, unreadable = all_runs.unfinished()
    found = (*unfinished, *all_runs.named(entry.name for entry in project.status.admitted))
    runs = tuple({run.name: run for run in found}.values())
    named = {run.spec.workflow_ref.name for run in runs if not has_recorded_workflow(attempt_status(run))}
    return ProjectWorld(
        project=project,
        runs=runs,
        unreadable_runs=unreadable,
        workflows={workflow.name: workflow for workflow in read(_WORKFLOWS).named(named)},
        notifications=read(NOTIFICATION_NAMES),
        policy=read(POLICY),
        api_server=read(API_SERVER),
        is_namespace_ending=read(NAMESPACE_ENDING),
    )


PROJECT: Kind[Project, ProjectWorld] = Kind(
    Project,
    Planning(
        _gather,
        plan_project,
        reads=(_RUNS, _WORKFLOWS, NOTIFICATION_NAMES, POLICY, API_SERVER, NAMESPACE_ENDING),
    ),
    uses=(
        Use(NOTIFICATION_SOURCE.resource, ("create", "get")),
        Use(api.NETWORK_POLICIES, ("create", "get", "update")),
        READ_REFERENCES,
    ),
    has_kopf_events=True,
)
