"""What people may do: the roles viewer, editor and admin, as one table of resources and verbs.

Each role has what the ones before it have. No role writes records, or a status: what the operator reports would be what
a member likes. Rights on pods and Secrets are left to the built-in roles: a user who has them owns the namespace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codecourier.core.shared.naming import role_name
from codecourier.kinds.policies import BYPASS_CI
from codecourier.resources.member import MemberRole
from codecourier.resources.meta import GROUP

__all__ = ["GRANTS", "OPERATIONS_GROUP", "Grant", "build_roles"]

OPERATIONS_GROUP = "ops.codecourier.dev"
"""API group of what is no object of the cluster: views of a repository, and the door to the REST API."""

_RBAC = "rbac.authorization.k8s.io"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "patch", "update")
_BUILT_IN = {MemberRole.VIEWER: "view", MemberRole.EDITOR: "edit", MemberRole.ADMIN: "admin"}


@dataclass(frozen=True)
class Grant:
    """What the roles may do with a resource; each role may also do what the ones before it may."""

    resource: str
    """Plural, with the subresource: `api/trash`."""

    viewer: tuple[str, ...] = ()
    editor: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    group: str = GROUP

    def verbs(self, role: MemberRole) -> tuple[str, ...]:
        """Return what a role may do, sorted."""
        steps = {MemberRole.VIEWER: self.viewer, MemberRole.EDITOR: self.editor, MemberRole.ADMIN: self.admin}
        order = tuple(MemberRole)
        held = (verb for step in order[: order.index(role) + 1] for verb in steps[step])
        return tuple(sorted(set(held)))


def _door(segment: str, viewer: str, editor: str = "", admin: str = "") -> Grant:
    """Return what the door through kube-apiserver lets pass below `api/v1/`, by the verbs of HTTP methods.

    Each operation then asks for the right on the kind by itself.
    """
    steps = tuple(viewer.split()), tuple(editor.split()), tuple(admin.split())
    return Grant(f"api/{segment}", *steps, group=OPERATIONS_GROUP)


GRANTS: tuple[Grant, ...] = (
    Grant("projects", _READ, (), _WRITE),
    Grant("workflows", _READ, _WRITE),
    Grant("runs", _READ, _WRITE),
    Grant("runs/log", ("get",)),
    Grant("sprintchains", _READ, _WRITE),
    Grant("recurringtasks", _READ, _WRITE),
    # Asked for where a merge is to ignore the checks of a pull request.
    Grant("mergejobs", _READ, _WRITE, (BYPASS_CI,)),
    Grant("issuesessions", _READ, _WRITE),
    Grant("learnings", _READ, _WRITE),
    # No role creates one: its pod would hold a token of the repository.
    Grant("sandboxes", _READ, (), ("delete", "patch", "update")),
    Grant("notifications", _READ),
    Grant("usagerecords", _READ),
    Grant("dailystats", _READ),
    # Which messages a user has read is for the API server alone.
    Grant("inboxes"),
    Grant("apikeys", (), (), _READ + _WRITE),
    Grant("branches", ("get", "list"), (), ("delete",), OPERATIONS_GROUP),
    Grant("pullrequests", ("get", "list"), group=OPERATIONS_GROUP),
    Grant("events", _READ, group=OPERATIONS_GROUP),
    _door("openapi.json", "get"),
    _door("notifications", "create delete get update"),
    _door("analytics", "get"),
    _door("events", "get"),
    _door("explain", "get"),
    _door("log", "get"),
    _door("branches", "get", admin="delete"),
    _door("pull-requests", "get", "create"),
    _door("merging", "get", "create delete"),
    _door("trash", "get", "create delete"),
    _door("sprint-chains", "get", "create delete patch update"),
    _door("recurring-tasks", "get", "create delete patch update"),
    _door("runs", "get", "create delete patch update"),
    _door("workflows", "get", "create delete patch update"),
    _door("issue-sessions", "get", "create delete patch update"),
    _door("learnings", "get", "create delete patch update"),
    _door("sandboxes", "get", admin="delete"),
    _door("project", "get", admin="create patch update"),
    _door("api-keys", "", admin="create delete get"),
)
"""The table, in the order of the files."""


def build_roles() -> Iterator[dict[str, Any]]:
    """Yield the ClusterRole of each role; the built-in role of the same strength takes its rules in."""
    for role in MemberRole:
        yield {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": role_name(role),
                "labels": {f"{_RBAC}/aggregate-to-{_BUILT_IN[role]}": "true"},
            },
            "rules": [*_rules(role), *_membership_rules(role)],
        }


def _rules(role: MemberRole) -> Iterator[dict[str, Any]]:
    resources: Mapping[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for grant in GRANTS:
        if verbs := grant.verbs(role):
            resources[grant.group, verbs].append(grant.resource)
    for (group, verbs), named in resources.items():
        yield {"apiGroups": [group], "resources": named, "verbs": list(verbs)}


def _membership_rules(role: MemberRole) -> Iterator[dict[str, Any]]:
    """Yield the right to give the roles to others, which a change of a Project's members needs."""
    if role is MemberRole.ADMIN:
        yield {
            "apiGroups": [_RBAC],
            "resources": ["clusterroles"],
            "resourceNames": [role_name(given) for given in MemberRole],
            "verbs": ["bind"],
        }
