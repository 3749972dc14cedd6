"""The kinds of Kubernetes itself, as far as CodeCourier uses them: how the API server treats their objects."""

from __future__ import annotations

from collections.abc import Sequence

from codecourier.kube import api
from codecourier.kube.api import Json, Propagation, Resource
from tests.simulation.schema import Definition, binding_errors, event_errors, lease_errors, revision_errors

__all__ = ["BUILT_IN", "FOREGROUND", "ORPHAN", "complete_new", "deletion_finalizers", "deletion_grace"]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

_GRACE_SECONDS = 30
"""Between SIGTERM and SIGKILL, where a pod names no other time."""

BUILT_IN = (
    Definition(api.PODS, has_status=True, has_generation=True),
    Definition(api.SECRETS),
    Definition(api.CONFIG_MAPS),
    Definition(api.CONTROLLER_REVISIONS, rules=revision_errors),
    Definition(api.NAMESPACES, has_status=True),
    Definition(api.NODES, has_status=True),
    Definition(api.EVENTS, rules=event_errors),
    Definition(api.NETWORK_POLICIES, has_generation=True),
    Definition(api.ROLE_BINDINGS, rules=binding_errors),
    Definition(api.ENDPOINT_SLICES, has_generation=True),
    Definition(api.LEASES, needs_version=True, is_made_by_update=True, rules=lease_errors),
    Definition(api.CUSTOM_RESOURCE_DEFINITIONS, has_status=True, has_generation=True, needs_version=True),
)


def complete_new(resource: Resource, obj: Json) -> None:
    """Add to a new object what its kind has from the start, in place."""
    if resource == api.PODS:
        obj["spec"].setdefault("restartPolicy", "Always")
        obj["spec"].setdefault("terminationGracePeriodSeconds", _GRACE_SECONDS)
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    elif resource == api.NAMESPACES:
        obj["spec"] = {"finalizers": ["kubernetes"]}
        obj["status"] = {"phase": "Active"}


def deletion_grace(resource: Resource, obj: Json, asked: int | None) -> int:
    """Return how many seconds a deletion waits: only pods that are bound and not over take any time."""
    if resource != api.PODS:
        return 0
    pending: int | None = obj["metadata"].get("deletionGracePeriodSeconds")
    if pending is not None:
        return pending if asked is None else min(pending, asked)
    if not obj["spec"].get("nodeName") or (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    default = obj["spec"].get("terminationGracePeriodSeconds", _GRACE_SECONDS)
    return int(default if asked is None else asked)


def deletion_finalizers(finalizers: Sequence[str], propagation: Propagation | None) -> Sequence[str]:
    """Return the finalizers that a deletion leaves an object with."""
    if propagation is None:
        return finalizers
    kept = [name for name in finalizers if name not in (FOREGROUND, ORPHAN)]
    added = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN], "Background": []}[propagation]
    return kept + added
