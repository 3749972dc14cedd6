"""The row of Run."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from codecourier.cache.store import Store
from codecourier.core.run.origin import RunOrigin
from codecourier.core.run.plan import needs_references, plan_run
from codecourier.core.run.status import attempt_status
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.revisions import WorkflowRevision, revision_name
from codecourier.kinds.kind import Kind, Machine, Planning, Reader, Use, phases
from codecourier.kinds.learnings import LEARNINGS
from codecourier.kinds.relation import Edge, OriginKind, Relation, View
from codecourier.kinds.relations import marked, named_by, names_marked, through
from codecourier.kinds.secrets import AGENT_SECRETS, CREDENTIALS, of_another
from codecourier.kinds.shared import (
    NAMESPACE_ENDING,
    NOTIFICATION_NAMES,
    ORIGIN,
    READ_REFERENCES,
    REVISION,
    is_run_unfinished,
    project_of,
)
from codecourier.kinds.sources import (
    LEARNING_SOURCE,
    NOTIFICATION_SOURCE,
    PROJECT_SOURCE,
    REVISION_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    USAGE_RECORD_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube.api import CONTROLLER_REVISIONS, Json, Resource
from codecourier.kube.cache import Key
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.workflow import Workflow

__all__ = ["RUN"]

_is_unfinished = is_run_unfinished


def _admitted(project: Json | None) -> dict[tuple[str, int, int, str], str]:
    """Return the names of the admitted Runs by their places.

    Each try of a Run has a place of its own, and so has one that waits for a host: it gives its place back and gets
    another one, which may be one write.
    """
    entries = ((project or {}).get("status") or {}).get("admitted") or ()
    places = (((e["uid"], e["attempt"], e["tryNumber"], e["admissionTime"]), e["name"]) for e in entries)
    return dict(places)


def _newly_admitted(_store: Store, _reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
    before = _admitted(old)
    for place, name in _admitted(new).items():
        if new is not None and place not in before:
            yield new["metadata"]["namespace"], name


def _awaited(run: Run) -> tuple[str, ...]:
    """Return the Sandbox whose end the Run waits for."""
    is_running = run.status.phase is RunPhase.RUNNING and run.status.tries
    return (run.status.tries[-1].sandbox,) if is_running else ()


def _awaited_follow_ups(run: Run) -> tuple[str, ...]:
    """Return the Run whose end the ledger of follow-ups waits for."""
    return tuple(entry.run for entry in run.status.follow_ups if not entry.phase.is_finished)


def _present_revision(view: View, workflow: Workflow) -> WorkflowRevision | None:
    """Return the revision that holds a Workflow as it is now. It is read to save its creation, so it wakes no Run."""
    return view.store.get(REVISION_SOURCE, workflow.namespace, revision_name(workflow))


_PROJECT = project_of(Edge(PROJECT_SOURCE, _newly_admitted))
_WORKFLOW = named_by("spec.workflowRef.name", WORKFLOW_SOURCE, is_reader=_is_unfinished)
_CREDENTIALS = of_another(_PROJECT, PROJECT_SOURCE, CREDENTIALS)
_AGENT_SECRETS = of_another(_WORKFLOW, WORKFLOW_SOURCE, AGENT_SECRETS)
_PRESENT_REVISION = through(_WORKFLOW, WORKFLOW_SOURCE, Relation(_present_revision, lambda _origins: ()))
_SANDBOXES = marked("spec.runRef.uid", "spec.runRef.name", SANDBOX_SOURCE, awaited=_awaited)
_FOLLOW_UPS = marked(
    "spec.origin.uid", "spec.origin.name", RUN_SOURCE, kind="spec.origin.kind", awaited=_awaited_follow_ups
)
_RECORDS = names_marked("spec.runUid", "spec.run", USAGE_RECORD_SOURCE)


def _gather(read: Reader[Run], run: Run) -> RunWorld:
    origin = read(ORIGIN)
    is_needed = needs_references(run, origin)
    return RunWorld(
        run=run,
        project=read(_PROJECT) if is_needed else read.unless_unreadable(_PROJECT),
        workflow=read(_WORKFLOW) if is_needed else read.unless_unreadable(_WORKFLOW),
        origin=origin,
        sandboxes=read(_SANDBOXES),
        records=read(_RECORDS),
        notifications=read(NOTIFICATION_NAMES),
        revision=read(REVISION if attempt_status(run).workflow_revision is not None else _PRESENT_REVISION),
        is_namespace_ending=read(NAMESPACE_ENDING),
        credentials=read(_CREDENTIALS),
        agent_secrets=read(_AGENT_SECRETS),
        follow_ups=read(_FOLLOW_UPS),
        learnings=read(LEARNINGS),
    )


def _pull_requests(run: Json) -> Mapping[Hashable, str]:
    status = run.get("status") or {}
    return {status.get("attempt"): (status.get("pullRequest") or {}).get("phase", "")}


RUN: Kind[Run, RunWorld] = Kind(
    Run,
    Planning(
        _gather,
        plan_run,
        reads=(
            _PROJECT,
            _WORKFLOW,
            REVISION,
            _PRESENT_REVISION,
            ORIGIN,
            _SANDBOXES,
            _RECORDS,
            NOTIFICATION_NAMES,
            NAMESPACE_ENDING,
            _CREDENTIALS,
            _AGENT_SECRETS,
            _FOLLOW_UPS,
            LEARNINGS,
        ),
    ),
    is_unfinished=_is_unfinished,
    machines=(
        phases(
            "Run",
            ("Pending", "Queued"),
            ("Pending", "Running"),
            ("Pending", "Cancelled"),
            ("Queued", "Running"),
            ("Queued", "Cancelled"),
            ("Queued", "Pending"),
            ("Running", "Queued"),
            ("Running", "Completed"),
            ("Running", "Failed"),
            ("Running", "Cancelled"),
            ("Completed", "Pending"),
            ("Failed", "Pending"),
            ("Cancelled", "Pending"),
        ),
        Machine(
            "PullRequest",
            _pull_requests,
            frozenset(
                {
                    ("", "Creating"),
                    ("", "Skipped"),
                    ("Creating", "Created"),
                    ("Creating", "Failed"),
                    ("Created", "BlockedOnCI"),
                    ("BlockedOnCI", "Created"),
                    ("Created", "Merged"),
                    ("BlockedOnCI", "Merged"),
                }
            ),
        ),
    ),
    mark="origin",
    uses=(
        Use(RUN_SOURCE.resource, ("create", "get", "patch")),
        Use(SANDBOX_SOURCE.resource, ("create", "get")),
        Use(CONTROLLER_REVISIONS, ("create", "get")),
        Use(USAGE_RECORD_SOURCE.resource, ("create", "get")),
        Use(NOTIFICATION_SOURCE.resource, ("create", "get")),
        Use(LEARNING_SOURCE.resource, ("create", "get")),
        READ_REFERENCES,
    ),
    origin=OriginKind(RUN_SOURCE, RunOrigin, reports_ends=False),
)
