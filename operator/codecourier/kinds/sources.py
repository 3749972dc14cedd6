"""Sources of the kinds that plans read: our own and those of Kubernetes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from codecourier.cache.source import Source, custom, raw
from codecourier.core.project.bindings import BindingView, view_binding
from codecourier.core.project.network_policy import PolicyView, view_policy
from codecourier.core.sandbox.pod_view import PodView, view_pod
from codecourier.core.sandbox.tokens import TokenSecret
from codecourier.core.shared.naming import (
    ANNOTATION_TASK,
    ANNOTATION_TOKEN_EXPIRY,
    FINALIZER_TOKENS,
    LABEL_AGENT_READABLE,
    LABEL_MANAGED,
    LABEL_REPOSITORY_CREDENTIAL,
)
from codecourier.core.shared.revisions import WorkflowRevision, view_revision
from codecourier.kube import api
from codecourier.kube.api import Json
from codecourier.resources.api_key import APIKey
from codecourier.resources.daily_stats import DailyStats
from codecourier.resources.inbox import Inbox
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.learning import Learning
from codecourier.resources.merge_job import MergeJob
from codecourier.resources.notification import Notification
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.usage_record import UsageRecord
from codecourier.resources.workflow import Workflow

__all__ = [
    "AGENT_SECRET_SOURCE",
    "API_KEY_SOURCE",
    "API_SERVER_SOURCE",
    "CREDENTIAL_SOURCE",
    "DAILY_STATS_SOURCE",
    "INBOX_SOURCE",
    "ISSUE_SESSION_SOURCE",
    "LEARNING_SOURCE",
    "MERGE_JOB_SOURCE",
    "NAMESPACE_SOURCE",
    "NETWORK_POLICY_SOURCE",
    "NOTIFICATION_SOURCE",
    "POD_SOURCE",
    "PROJECT_SOURCE",
    "RECURRING_TASK_SOURCE",
    "REVISION_SOURCE",
    "ROLE_BINDING_SOURCE",
    "RUN_SOURCE",
    "SANDBOX_SOURCE",
    "SPRINT_CHAIN_SOURCE",
    "TOKEN_SECRET_SOURCE",
    "USAGE_RECORD_SOURCE",
    "WORKFLOW_SOURCE",
    "trim_pod",
    "trim_secret",
    "view_secret",
]

_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_DAMAGED_YEAR = 2000
"""No token expires in it or before; at the beginning of time no margin can be subtracted."""

_OURS = f"{LABEL_MANAGED}=true"


def trim_pod(pod: Json) -> None:
    """Keep of a pod only what its view reads: the task and five containers with their mounts are most of its bytes."""
    (pod["metadata"].get("annotations") or {}).pop(ANNOTATION_TASK, None)
    spec = pod["spec"]
    kept = {key: spec[key] for key in ("nodeName", "activeDeadlineSeconds") if key in spec}
    names = {key: [{"name": c["name"]} for c in spec.get(key, ())] for key in ("initContainers", "containers")}
    pod["spec"] = kept | names


def _has_ended(pod: Json) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def trim_secret(secret: Json) -> None:
    """Drop the data of a Secret: tokens are read when needed and never cached."""
    secret.pop("data", None)


def view_secret(secret: Json) -> TokenSecret | None:
    """Return a plan's view of a Secret; None for one that is being deleted and waits only for finalizers of others."""
    metadata = secret["metadata"]
    if metadata.get("deletionTimestamp") and FINALIZER_TOKENS not in (metadata.get("finalizers") or ()):
        return None
    expiry = (metadata.get("annotations") or {}).get(ANNOTATION_TOKEN_EXPIRY)
    return TokenSecret(
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
        expiry_time=_read_expiry(expiry) if expiry else None,
    )


def _read_expiry(text: str) -> datetime:
    """Return when tokens expire; where a user has damaged the annotation, the latest time, so that they are revoked."""
    try:
        expiry = datetime.fromisoformat(text)
    except ValueError:
        return _NEVER
    return expiry if expiry.tzinfo is not None and expiry.year > _DAMAGED_YEAR else _NEVER


def _identities(label: str) -> Source[Json]:
    return replace(raw(api.SECRETS.identities(f"{label}=true")), is_optional=True)


PROJECT_SOURCE = custom(Project)
WORKFLOW_SOURCE = custom(Workflow)
RUN_SOURCE = custom(Run)
RECURRING_TASK_SOURCE = custom(RecurringTask)
ISSUE_SESSION_SOURCE = custom(IssueSession)
MERGE_JOB_SOURCE = custom(MergeJob)
SPRINT_CHAIN_SOURCE = custom(SprintChain)
SANDBOX_SOURCE = custom(Sandbox)
NOTIFICATION_SOURCE = custom(Notification)
USAGE_RECORD_SOURCE = custom(UsageRecord)
DAILY_STATS_SOURCE = custom(DailyStats)
LEARNING_SOURCE = custom(Learning)
API_KEY_SOURCE = custom(APIKey)
"""Read by the API server alone: no plan of the operator needs one."""

INBOX_SOURCE = custom(Inbox)
"""Read and written by the API server alone."""

NAMESPACE_SOURCE = raw(api.NAMESPACES)
POD_SOURCE: Source[PodView] = Source(api.PODS, view_pod, _OURS, trim=trim_pod, is_settled=_has_ended)
TOKEN_SECRET_SOURCE: Source[TokenSecret | None] = Source(api.SECRETS, view_secret, _OURS, trim=trim_secret)
REVISION_SOURCE: Source[WorkflowRevision] = Source(api.CONTROLLER_REVISIONS, view_revision, _OURS)
NETWORK_POLICY_SOURCE: Source[PolicyView] = Source(api.NETWORK_POLICIES, view_policy, _OURS)
ROLE_BINDING_SOURCE: Source[BindingView] = Source(api.ROLE_BINDINGS, view_binding, _OURS)
CREDENTIAL_SOURCE: Source[Json] = _identities(LABEL_REPOSITORY_CREDENTIAL)
"""Which Secrets users have labelled for repositories, and nothing of what is in them."""

AGENT_SECRET_SOURCE: Source[Json] = _identities(LABEL_AGENT_READABLE)
"""Which Secrets users have labelled for agents, and nothing of what is in them."""

API_SERVER_SOURCE = raw(
    api.ENDPOINT_SLICES, label_selector="kubernetes.io/service-name=kubernetes", namespace="default"
)
