"""The row of MergeJob."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime

from codecourier.core.merge_job.lane import lane_key
from codecourier.core.merge_job.origin import MergeJobOrigin
from codecourier.core.merge_job.plan import needs_references, plan_merge_job
from codecourier.core.merge_job.world import LaneMember, MergeJobWorld
from codecourier.kinds.kind import Kind, Machine, Planning, Reader, Use, phases
from codecourier.kinds.makers import MAKERS
from codecourier.kinds.relation import OriginKind
from codecourier.kinds.relations import marked, named_by, through
from codecourier.kinds.secrets import AGENT_SECRETS, PROJECT_CREDENTIALS, of_another
from codecourier.kinds.shared import NAMESPACE_ENDING, NOTIFICATION_NAMES, PROJECT, READ_REFERENCES
from codecourier.kinds.sharing import sharing
from codecourier.kinds.sources import MERGE_JOB_SOURCE, NOTIFICATION_SOURCE, PROJECT_SOURCE, RUN_SOURCE, WORKFLOW_SOURCE
from codecourier.kube.api import Json
from codecourier.resources.merge_job import MergeJob, MergeJobPhase, MergeMode
from codecourier.resources.run import RunPhase

__all__ = ["LANE", "MERGE_JOB", "lane_of", "view_lane"]

_FINISHED = frozenset(phase.value for phase in MergeJobPhase if phase.is_finished)


def _is_unfinished(job: Json) -> bool:
    return (job.get("status") or {}).get("phase") not in _FINISHED


def _awaited(job: MergeJob) -> tuple[str, ...]:
    """Return the Run whose end the merge waits for."""
    return tuple(step.run for step in job.status.steps if step.phase is RunPhase.RUNNING)


def view_lane(job: Json) -> tuple[Hashable, LaneMember] | None:
    """Return a MergeJob as the others of its lane see it, with the key of the lane; None: it takes no part in one.

    It is read without the model: one of a newer version counts as well.
    """
    metadata, status = job["metadata"], job.get("status") or {}
    lane, url, branch = status.get("lane"), status.get("repositoryUrl"), status.get("baseBranch")
    if not (lane and url and branch) or status.get("phase") in _FINISHED:
        return None
    return lane_key(url, branch), LaneMember(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        creation_time=datetime.fromisoformat(metadata["creationTimestamp"]),
        until=datetime.fromisoformat(lane["until"]),
        is_holder=bool(lane.get("isHolder")),
        is_landing=bool(status.get("landing")),
    )


def lane_of(job: MergeJob) -> Hashable | None:
    """Return the key of the lane of a MergeJob; None: its branch is not known yet."""
    status = job.status
    return None if status.base_branch is None else lane_key(status.repository_url or "", status.base_branch)


_WORKFLOW = named_by("spec.workflowRef.name", WORKFLOW_SOURCE, is_reader=_is_unfinished)
_MERGE_WORKFLOW = through(PROJECT, PROJECT_SOURCE, named_by("spec.mergeWorkflowRef.name", WORKFLOW_SOURCE))
_AGENT_SECRETS = of_another(_WORKFLOW, WORKFLOW_SOURCE, AGENT_SECRETS)
_MERGE_AGENT_SECRETS = of_another(_MERGE_WORKFLOW, WORKFLOW_SOURCE, AGENT_SECRETS)
LANE = sharing("lane", MERGE_JOB_SOURCE, view_lane, lane_of)
"""The others of its lane, of all namespaces."""

_RUNS = marked("spec.origin.uid", "spec.origin.name", RUN_SOURCE, kind="spec.origin.kind", awaited=_awaited)


def _gather(read: Reader[MergeJob], job: MergeJob) -> MergeJobWorld:
    is_named, is_needed = job.spec.workflow_ref is not None, needs_references(job)
    workflow = _WORKFLOW if is_named else _MERGE_WORKFLOW
    return MergeJobWorld(
        job=job,
        project=read(PROJECT) if is_needed else read.unless_unreadable(PROJECT),
        workflow=read(workflow) if is_needed else read.unless_unreadable(workflow),
        runs=read(_RUNS),
        is_namespace_ending=read(NAMESPACE_ENDING),
        credentials=read(PROJECT_CREDENTIALS),
        agent_secrets=read(_AGENT_SECRETS if is_named else _MERGE_AGENT_SECRETS),
        notifications=read(NOTIFICATION_NAMES),
        makers=read(MAKERS) if job.status.start_time is None else {},
        lane=read(LANE) if job.spec.mode is MergeMode.SINGLE else (),
    )


def _steps(job: Json) -> Mapping[Hashable, str]:
    return {step["index"]: step["phase"] for step in (job.get("status") or {}).get("steps") or ()}


MERGE_JOB: Kind[MergeJob, MergeJobWorld] = Kind(
    MergeJob,
    Planning(
        _gather,
        plan_merge_job,
        reads=(
            PROJECT,
            _WORKFLOW,
            _MERGE_WORKFLOW,
            _RUNS,
            NAMESPACE_ENDING,
            PROJECT_CREDENTIALS,
            _AGENT_SECRETS,
            _MERGE_AGENT_SECRETS,
            LANE,
            NOTIFICATION_NAMES,
            MAKERS,
        ),
    ),
    is_unfinished=_is_unfinished,
    machines=(
        phases(
            "MergeJob",
            ("Pending", "Running"),
            ("Pending", "Cancelled"),
            ("Running", "Completed"),
            ("Running", "Failed"),
            ("Running", "Cancelled"),
        ),
        Machine(
            "MergeStep",
            _steps,
            frozenset(
                {("", "Running"), ("Running", "Completed"), ("Running", "Failed"), ("Running", "Cancelled")},
            ),
        ),
    ),
    uses=(
        Use(MERGE_JOB_SOURCE.resource, ("patch",)),
        Use(RUN_SOURCE.resource, ("create", "get")),
        Use(NOTIFICATION_SOURCE.resource, ("create", "get")),
        READ_REFERENCES,
    ),
    origin=OriginKind(MERGE_JOB_SOURCE, MergeJobOrigin, reports_ends=True),
    has_kopf_events=True,
)
