"""Which kinds the operator caches, and by what it finds their objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codecourier.core.shared.naming import (
    ANNOTATION_TASK,
    LABEL_MANAGED,
    LABEL_ORIGIN_UID,
    LABEL_RUN_UID,
    LABEL_SANDBOX_UID,
)
from codecourier.kube.api import (
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    SECRETS,
    Json,
    Resource,
    custom_resource,
)
from codecourier.kube.cache import IndexFunction, Trim, by_label
from codecourier.resources.notification import Notification
from codecourier.resources.project import Project
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.sandbox import Sandbox
from codecourier.resources.sprint_chain import SprintChain, SprintChainPhase
from codecourier.resources.usage_record import UsageRecord
from codecourier.resources.workflow import Workflow

__all__ = [
    "ACTIVE_BY_NAMESPACE",
    "BY_ENTITY_UID",
    "BY_ORIGIN_UID",
    "BY_RUN_UID",
    "BY_SANDBOX_UID",
    "CACHED",
    "NOTIFICATIONS",
    "PROJECTS",
    "RUNS",
    "SANDBOXES",
    "SPRINT_CHAINS",
    "USAGE_RECORDS",
    "WORKFLOWS",
    "CachedKind",
    "trim_pod",
    "trim_secret",
]

PROJECTS = custom_resource(Project.info)
WORKFLOWS = custom_resource(Workflow.info)
RUNS = custom_resource(Run.info)
SPRINT_CHAINS = custom_resource(SprintChain.info)
SANDBOXES = custom_resource(Sandbox.info)
NOTIFICATIONS = custom_resource(Notification.info)
USAGE_RECORDS = custom_resource(UsageRecord.info)

ACTIVE_BY_NAMESPACE = "active"
"""Index of Runs and SprintChains that are not finished, so that thousands of finished ones cost nothing."""

BY_ORIGIN_UID = "origin"
BY_RUN_UID = "run"
BY_SANDBOX_UID = "sandbox"
BY_ENTITY_UID = "entity"

_FINISHED = frozenset(phase.value for phase in (*RunPhase, *SprintChainPhase) if phase.is_finished)


def _active(obj: Json) -> list[str]:
    status = obj.get("status") or {}
    asked = (obj.get("spec") or {}).get("attempt", 1)
    if status.get("phase") in _FINISHED and status.get("attempt", 0) >= asked:
        return []
    return [obj["metadata"]["namespace"]]


def _entity(obj: Json) -> list[str]:
    return [obj["spec"]["entity"]["uid"]]


def trim_pod(pod: Json) -> None:
    """Keep of a pod what its view reads: five containers with their mounts, and the task, are most of its bytes."""
    (pod["metadata"].get("annotations") or {}).pop(ANNOTATION_TASK, None)
    spec = pod["spec"]
    kept = {"nodeName": spec["nodeName"]} if "nodeName" in spec else {}
    names = {key: [{"name": c["name"]} for c in spec.get(key, ())] for key in ("initContainers", "containers")}
    pod["spec"] = kept | names


def trim_secret(secret: Json) -> None:
    """Keep of a Secret that it is there: its tokens are read when they are needed, and lie in no cache."""
    secret.pop("data", None)


@dataclass(frozen=True)
class CachedKind:
    """A kind that the operator caches."""

    resource: Resource
    indexes: Mapping[str, IndexFunction] = field(default_factory=dict)
    label_selector: str | None = None
    """Which of its objects; None: all."""

    namespace: str | None = None
    """Where; None: everywhere."""

    trim: Trim | None = None
    """What is not kept of them; None: everything is kept."""


CACHED: tuple[CachedKind, ...] = (
    CachedKind(NAMESPACES),
    CachedKind(PROJECTS),
    CachedKind(WORKFLOWS),
    CachedKind(RUNS, {ACTIVE_BY_NAMESPACE: _active, BY_ORIGIN_UID: by_label(LABEL_ORIGIN_UID)}),
    CachedKind(SPRINT_CHAINS, {ACTIVE_BY_NAMESPACE: _active}),
    CachedKind(SANDBOXES, {BY_RUN_UID: by_label(LABEL_RUN_UID)}),
    CachedKind(NOTIFICATIONS, {BY_ENTITY_UID: _entity}),
    CachedKind(USAGE_RECORDS, {BY_RUN_UID: by_label(LABEL_RUN_UID)}),
    CachedKind(PODS, {BY_SANDBOX_UID: by_label(LABEL_SANDBOX_UID)}, f"{LABEL_MANAGED}=true", trim=trim_pod),
    CachedKind(NETWORK_POLICIES, label_selector=f"{LABEL_MANAGED}=true"),
    CachedKind(ENDPOINT_SLICES, label_selector="kubernetes.io/service-name=kubernetes", namespace="default"),
    CachedKind(SECRETS, {BY_SANDBOX_UID: by_label(LABEL_SANDBOX_UID)}, f"{LABEL_MANAGED}=true", trim=trim_secret),
)
"""Every kind that the operator lists and watches."""
