"""The row of Project."""

from __future__ import annotations

from codecourier.core.project.plan import plan_project
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.naming import PROJECT_NAME, role_name
from codecourier.kinds.admission import runs_in_namespace
from codecourier.kinds.kept import KEPT
from codecourier.kinds.kind import Kind, Planning, Reader, Use
from codecourier.kinds.relations import all_in_namespace, unnamed
from codecourier.kinds.secrets import CREDENTIALS
from codecourier.kinds.shared import API_SERVER, NAMESPACE_ENDING, NOTIFICATION_NAMES, POLICY, READ_REFERENCES, REVISION
from codecourier.kinds.sources import (
    DAILY_STATS_SOURCE,
    ISSUE_SESSION_SOURCE,
    LEARNING_SOURCE,
    NOTIFICATION_SOURCE,
    PROJECT_SOURCE,
    REVISION_SOURCE,
    ROLE_BINDING_SOURCE,
    RUN_SOURCE,
    SANDBOX_SOURCE,
    USAGE_RECORD_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kube import api
from codecourier.resources.member import MemberRole
from codecourier.resources.project import Project

__all__ = ["PROJECT"]


_RUNS = runs_in_namespace(PROJECT_NAME)
_WORKFLOWS = all_in_namespace(WORKFLOW_SOURCE, PROJECT_NAME)
_BINDINGS = all_in_namespace(ROLE_BINDING_SOURCE, PROJECT_NAME)
_UNUSED_REVISIONS = unnamed(REVISION_SOURCE, REVISION, RUN_SOURCE, PROJECT_NAME)
_COLLECTED = (
    RUN_SOURCE,
    USAGE_RECORD_SOURCE,
    LEARNING_SOURCE,
    SANDBOX_SOURCE,
    WORKFLOW_SOURCE,
    ISSUE_SESSION_SOURCE,
)
"""What retention deletes beside Notifications and DailyStats."""


def _gather(read: Reader[Project], project: Project) -> ProjectWorld:
    return ProjectWorld(
        project=project,
        runs=read(_RUNS),
        workflows=read(_WORKFLOWS),
        unused_revisions=read(_UNUSED_REVISIONS),
        notifications=read(NOTIFICATION_NAMES),
        bindings=read(_BINDINGS),
        policy=read(POLICY),
        api_server=read(API_SERVER),
        is_namespace_ending=read(NAMESPACE_ENDING),
        credentials=read(CREDENTIALS),
        kept=read(KEPT),
    )


PROJECT: Kind[Project, ProjectWorld] = Kind(
    Project,
    Planning(
        _gather,
        plan_project,
        reads=(
            _RUNS,
            _WORKFLOWS,
            _UNUSED_REVISIONS,
            NOTIFICATION_NAMES,
            _BINDINGS,
            POLICY,
            API_SERVER,
            NAMESPACE_ENDING,
            CREDENTIALS,
            KEPT,
        ),
    ),
    uses=(
        Use(PROJECT_SOURCE.resource, ("patch",)),
        Use(NOTIFICATION_SOURCE.resource, ("create", "get", "delete")),
        Use(DAILY_STATS_SOURCE.resource, ("create", "get", "delete")),
        *(Use(source.resource, ("delete",)) for source in _COLLECTED),
        Use(api.NETWORK_POLICIES, ("create", "get", "update")),
        Use(api.CONTROLLER_REVISIONS, ("delete",)),
        Use(api.ROLE_BINDINGS, ("create", "delete", "get")),
        # Without it the cluster would take the operator's own rights for the most that it may give to others.
        Use(api.CLUSTER_ROLES, ("bind",), names=tuple(role_name(role) for role in MemberRole)),
        READ_REFERENCES,
    ),
    has_kopf_events=True,
)
