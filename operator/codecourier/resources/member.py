"""Members of a project: who has which role, and what is known of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import Model, Rule, Time

__all__ = ["JoinedMember", "Member", "MemberKind", "MemberName", "MemberRole"]


class MemberKind(StrEnum):
    """Kinds of members, as RBAC names its subjects."""

    USER = "User"
    GROUP = "Group"
    SERVICE_ACCOUNT = "ServiceAccount"


class MemberRole(StrEnum):
    """What a member may do; each role may also do what the ones before it may."""

    VIEWER = "Viewer"
    EDITOR = "Editor"
    ADMIN = "Admin"


MemberName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Name of a user or group as the cluster knows it, or of a service account; 1 to 253 characters without controls."""


class Member(Model):
    """A user, group or service account with a role in the project."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.kind != 'ServiceAccount' || self.name.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
            "must be the name of a ServiceAccount of this namespace: lower-case letters, digits, '-' and '.'",
            field_path=".name",
        ),
    )

    kind: MemberKind
    """User, Group, or ServiceAccount of this namespace."""

    name: Annotated[
        MemberName,
        Rule(
            "!self.startsWith('system:')",
            "must not begin with 'system:', which is for Kubernetes' own users and groups",
        ),
    ]
    """Name as the cluster knows it: `alice@example.com`, a group of your login service, or
    `codecourier:NAMESPACE:OWNER` for the keys of an owner. 1 to 253 characters."""

    role: MemberRole
    """Viewer: read. Editor: also runs, chains, tasks, workflows and their trash. Admin: also the Project, its members,
    keys, branches and merges without CI."""


class JoinedMember(Model):
    """A member that has its role."""

    kind: MemberKind
    """User, Group or ServiceAccount."""

    name: MemberName
    """Its name."""

    join_time: Time
    """When it was given its first role."""

    is_notified: bool = False
    """Whether the Notification that it joined was made, so that none is made twice."""
