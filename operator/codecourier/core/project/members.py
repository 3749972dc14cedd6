"""What is to be done for a Project's members: RoleBindings, and the news that a member has joined.

There is one RoleBinding for each member, named by member and role. The role of a RoleBinding cannot be changed, so a
wrong one is deleted and made again; those that are not ours are never touched.

A member has joined once its RoleBinding was seen. That is written first, without `isNotified`; then the Notification is
made, and another write notes that it was seen. Its name follows from the member alone, so that a lost status makes no
second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from codecourier.core.project.bindings import BindingView, build_binding, gives_role
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.conditions import with_condition
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, CreateBinding, Delete
from codecourier.core.shared.naming import binding_name, member_hash
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.member import JoinedMember, Member
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.project import Project, ProjectStatus

__all__ = ["Membership", "plan_members", "settle_members"]

_MOST_NAMES = 5


@dataclass(frozen=True)
class Membership:
    """What is wrong with the RoleBindings of a Project, and what puts it right."""

    creates: tuple[CreateBinding, ...] = ()
    deletes: tuple[Delete, ...] = ()
    missing: tuple[Member, ...] = ()
    """Members without a RoleBinding that gives them their role."""

    problem: Problem | None = None
    """Why the first of the RoleBindings that failed was not made; None: none failed."""


def plan_members(world: ProjectWorld) -> Membership:
    """Return which RoleBindings are to be made and which to be deleted."""
    project, bindings = world.project, world.bindings
    members = {binding_name(member): member for member in project.spec.members}
    wrong = [b for b in bindings.values() if b.is_ours and not _is_wanted(project, members.get(b.name), b)]
    missing = tuple(m for name, m in members.items() if not gives_role(project, m, bindings.get(name)))
    if world.is_namespace_ending:
        return Membership(missing=missing)
    creates = tuple(CreateBinding(build_binding(project, m)) for m in missing if binding_name(m) not in bindings)
    return Membership(
        creates,
        tuple(_delete(project, binding) for binding in wrong if not binding.is_deleting),
        missing,
        next(filter(None, map(world.failures.get, creates)), None),
    )


def settle_members(
    world: ProjectWorld, status: ProjectStatus, membership: Membership, now: datetime
) -> tuple[ProjectStatus, tuple[Create, ...]]:
    """Return the status that says who has joined, and the Notifications that the written status calls for."""
    joined = tuple(_settle(world, entry) for entry in _joined(world, membership.missing))
    owed = (_build_notification(world.project, e) for e in world.project.status.members if not e.is_notified)
    creates = tuple(Create(n) for n in owed if n.name not in world.notifications and not world.is_namespace_ending)
    return _with_condition(world.project, status.updated(members=joined), membership, now), creates


def _is_wanted(project: Project, member: Member | None, binding: BindingView) -> bool:
    return member is not None and gives_role(project, member, binding)


def _delete(project: Project, binding: BindingView) -> Delete:
    return Delete("RoleBinding", project.namespace, binding.name, binding.uid, binding.resource_version)


def _joined(world: ProjectWorld, missing: Sequence[Member]) -> list[JoinedMember]:
    """Return the members that have joined; one whose RoleBinding is being replaced stays among them."""
    known = {(entry.kind, entry.name): entry for entry in world.project.status.members}
    joined = []
    for member in world.project.spec.members:
        entry = known.get((member.kind, member.name))
        if entry is None and member not in missing:
            time = world.bindings[binding_name(member)].creation_time
            entry = JoinedMember(kind=member.kind, name=member.name, join_time=time)
        if entry is not None:
            joined.append(entry)
    return joined


def _settle(world: ProjectWorld, entry: JoinedMember) -> JoinedMember:
    if entry.is_notified or _build_notification(world.project, entry).name not in world.notifications:
        return entry
    return entry.updated(is_notified=True)


def _build_notification(project: Project, entry: JoinedMember) -> Notification:
    member = next((m for m in project.spec.members if (m.kind, m.name) == (entry.kind, entry.name)), None)
    role = f" with the role {member.role.value}" if member is not None else ""
    return build_notification(
        project,
        NotificationType.MEMBER_JOINED,
        member_hash(entry),
        title=f"{entry.kind.value} {entry.name} joined the project",
        message=f"{entry.kind.value} {entry.name} is a member of project {project.namespace}{role}.",
        event_time=entry.join_time,
    )


def _with_condition(project: Project, status: ProjectStatus, membership: Membership, now: datetime) -> ProjectStatus:
    type_, missing = ConditionType.MEMBERS_BOUND, membership.missing
    if not project.spec.members:
        return status.updated(conditions=tuple(c for c in status.conditions if c.type != type_))
    reason, text = Reason.MEMBERS_BOUND, sentence(Reason.MEMBERS_BOUND)
    if missing:
        names = ", ".join(f"{member.kind.value} {member.name}" for member in missing[:_MOST_NAMES])
        more = f" and {len(missing) - _MOST_NAMES} more" if missing[_MOST_NAMES:] else ""
        detail = "" if membership.problem is None else membership.problem.message
        reason, text = Reason.MEMBERS_MISSING, sentence(Reason.MEMBERS_MISSING, members=names + more, detail=detail)
    conditions = with_condition(
        status.conditions,
        type_,
        ConditionStatus.FALSE if missing else ConditionStatus.TRUE,
        reason,
        text,
        now=now,
        generation=project.metadata.generation,
    )
    return status.updated(conditions=conditions)
