"""RoleBindings of members: how one is built, and which of those that are there are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codecourier.core.shared.naming import BINDING_PREFIX, LABEL_MANAGED, binding_name, role_name
from codecourier.resources.member import Member, MemberKind
from codecourier.resources.meta import API_VERSION
from codecourier.resources.project import Project

__all__ = ["BindingView", "build_binding", "gives_role", "view_binding"]

_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class BindingView:
    """A RoleBinding with our label."""

    name: str
    uid: str
    resource_version: str
    creation_time: datetime
    is_deleting: bool
    role: Mapping[str, Any]
    """Its `roleRef`."""

    subjects: tuple[Mapping[str, Any], ...]

    @property
    def is_ours(self) -> bool:
        """Whether the operator made it for a member; others may carry the label too."""
        return self.name.startswith(BINDING_PREFIX)


def view_binding(binding: Mapping[str, Any]) -> BindingView:
    """Read a RoleBinding's manifest as the API server gives it."""
    metadata = binding["metadata"]
    return BindingView(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        creation_time=datetime.fromisoformat(metadata["creationTimestamp"]),
        is_deleting=metadata.get("deletionTimestamp") is not None,
        role=binding["roleRef"],
        subjects=tuple(binding.get("subjects") or ()),
    )


def build_binding(project: Project, member: Member) -> dict[str, Any]:
    """Return the manifest of the RoleBinding that gives a member its role; it goes with the Project."""
    owner = {"apiVersion": API_VERSION, "kind": project.kind, "name": project.name, "uid": project.uid}
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {
            "name": binding_name(member),
            "namespace": project.namespace,
            "labels": {LABEL_MANAGED: "true"},
            "ownerReferences": [owner],
        },
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role_name(member.role)},
        "subjects": [_subject(project, member)],
    }


def gives_role(project: Project, member: Member, binding: BindingView | None) -> bool:
    """Tell whether a RoleBinding gives a member its role, and nothing to others."""
    if binding is None or binding.is_deleting:
        return False
    wanted = build_binding(project, member)
    return (binding.role, list(binding.subjects)) == (wanted["roleRef"], wanted["subjects"])


def _subject(project: Project, member: Member) -> dict[str, str]:
    if member.kind is MemberKind.SERVICE_ACCOUNT:
        return {"kind": member.kind.value, "name": member.name, "namespace": project.namespace}
    return {"apiGroup": _RBAC, "kind": member.kind.value, "name": member.name}
