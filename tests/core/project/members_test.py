"""The plan of a Project's members: one RoleBinding each, no other touched, one Notification each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.core.project.bindings import BindingView, build_binding, gives_role, view_binding
from codecourier.core.project.members import plan_members
from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.facts import Facts, Problem, RepositoryAsk, RepositoryFact
from codecourier.core.shared.intents import Create, CreateBinding, Failures, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.resources.member import Member, MemberKind, MemberRole
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.project import Project, ProjectStatus
from tests.support.places import runs_of
from tests.support.plans import plan_project
from tests.support.worlds import ACCESS, NOW, make_project

FACTS = Facts({RepositoryAsk(ACCESS, REACHED_SECONDS): RepositoryFact("main")})
ALICE = Member(kind=MemberKind.USER, name="alice@example.com", role=MemberRole.EDITOR)
BOB = Member(kind=MemberKind.SERVICE_ACCOUNT, name="bob", role=MemberRole.ADMIN)
TEAM = Member(kind=MemberKind.GROUP, name="a team", role=MemberRole.VIEWER)
LATER = NOW + timedelta(seconds=7)

MEMBERS = st.lists(
    st.builds(Member, kind=st.sampled_from(MemberKind), name=st.sampled_from("abc"), role=st.sampled_from(MemberRole)),
    unique_by=lambda member: (member.kind, member.name),
)


def with_members(*members: Member, project: Project | None = None) -> Project:
    """Return a Project with these members."""
    project = project or make_project()
    return project.updated(spec=project.spec.updated(members=members))


def made(project: Project, member: Member) -> BindingView:
    """Return the RoleBinding of a member as the cluster shows it."""
    manifest = build_binding(project, member)
    metadata = {**manifest["metadata"], "uid": "uid", "resourceVersion": "1", "creationTimestamp": LATER.isoformat()}
    return view_binding({**manifest, "metadata": metadata})


def bound(project: Project) -> dict[str, BindingView]:
    """Return the RoleBindings of all members of a Project by name."""
    views = (made(project, member) for member in project.spec.members)
    return {view.name: view for view in views}


def planned(project: Project, bindings: dict[str, BindingView], notifications: Iterable[str] = ()) -> Plan:
    """Plan a Project with these RoleBindings."""
    known = frozenset(notifications)
    return plan_project(ProjectWorld(project, runs_of(), bindings=bindings, notifications=known, facts=FACTS), NOW)


def news(plan: Plan) -> list[Notification]:
    """Return the Notifications that a plan makes."""
    made = [create.resource for create in plan.creates if isinstance(create, Create)]
    return [resource for resource in made if isinstance(resource, Notification)]


def bindings_of(plan: Plan) -> list[str]:
    """Return the names of the subjects of the RoleBindings that a plan makes."""
    return [c.manifest["subjects"][0]["name"] for c in plan.creates if isinstance(c, CreateBinding)]


def with_status(project: Project, plan: Plan) -> Project:
    """Return the Project with the status of a plan."""
    assert isinstance(plan.status, ProjectStatus)
    return project.updated(status=plan.status)


def test_each_member_is_given_a_binding_with_its_role() -> None:
    project = with_members(ALICE, BOB, TEAM)
    manifests = [c.manifest for c in planned(project, {}).creates if isinstance(c, CreateBinding)]
    given_ = [(m["roleRef"]["name"], m["subjects"][0]["kind"], m["subjects"][0].get("namespace")) for m in manifests]
    assert given_ == [
        ("codecourier-editor", "User", None),
        ("codecourier-admin", "ServiceAccount", project.namespace),
        ("codecourier-viewer", "Group", None),
    ]
    assert {m["metadata"]["ownerReferences"][0]["uid"] for m in manifests} == {project.uid}


def test_a_binding_that_gives_something_else_is_deleted_first() -> None:
    project = with_members(ALICE)
    ((name, binding),) = bound(project).items()
    wrong = replace(binding, subjects=({**binding.subjects[0], "name": "mallory"},))
    plan = planned(project, {name: wrong})
    assert ([d.name for d in plan.deletes if hasattr(d, "kind")], bindings_of(plan)) == ([name], [])
    assert bindings_of(planned(project, {})) == [ALICE.name]


def test_a_binding_that_is_going_is_waited_for() -> None:
    project = with_members(ALICE)
    ((name, binding),) = bound(project).items()
    plan = planned(project, {name: replace(binding, is_deleting=True)})
    assert (plan.deletes, bindings_of(plan)) == ((), [])


def test_another_role_is_another_binding_and_the_old_one_goes() -> None:
    before = with_members(ALICE)
    after = with_members(ALICE.updated(role=MemberRole.VIEWER))
    plan = planned(after, bound(before))
    assert [d.name for d in plan.deletes if hasattr(d, "kind")] == list(bound(before))
    assert bindings_of(plan) == [ALICE.name]


def test_a_former_member_loses_its_binding_and_others_keep_theirs() -> None:
    project = with_members(BOB)
    foreign = replace(made(project, ALICE), name="of-a-user")
    bindings = {**bound(with_members(ALICE, BOB)), foreign.name: foreign}
    (delete,) = planned(project, bindings).deletes
    assert (delete.name, delete.uid) == (made(project, ALICE).name, "uid")


def test_nothing_is_made_in_a_namespace_that_is_going_away() -> None:
    world = ProjectWorld(with_members(ALICE), runs_of(), is_namespace_ending=True, facts=FACTS)
    assert (plan_members(world).creates, plan_members(world).deletes) == ((), ())


@given(MEMBERS, MEMBERS)
def test_from_any_members_to_any_others_in_one_step(before: list[Member], after: list[Member]) -> None:
    bindings = bound(with_members(*before))
    project = with_members(*after)
    plan = planned(project, bindings)
    left = {name: view for name, view in bindings.items() if name not in {d.name for d in plan.deletes}}
    for create in plan.creates:
        if isinstance(create, CreateBinding):
            (member,) = (m for m in after if build_binding(project, m) == create.manifest)
            left[create.manifest["metadata"]["name"]] = made(project, member)
    assert left == bound(project)
    rest = planned(project, left)
    assert (rest.deletes, bindings_of(rest)) == ((), [])


def test_people_are_notified_once_of_a_member_that_joined() -> None:
    project = with_members(ALICE)
    assert news(planned(project, {})) == []
    project = with_status(project, planned(project, bound(project)))
    assert [(e.name, e.join_time, e.is_notified) for e in project.status.members] == [(ALICE.name, LATER, False)]
    plan = planned(project, bound(project))
    (notification,) = news(plan)
    assert (notification.spec.type, notification.spec.event_time) == (NotificationType.MEMBER_JOINED, LATER)
    assert "role Editor" in notification.spec.message
    # Not seen yet, as after a crash: it is made again under the same name.
    assert news(planned(project, bound(project))) == [notification]
    project = with_status(project, planned(project, bound(project), [notification.name]))
    assert project.status.members[0].is_notified
    assert news(planned(project, bound(project))) == []


def test_a_lost_status_makes_no_second_notification() -> None:
    project = with_members(ALICE)
    project = with_status(project, planned(project, bound(project)))
    (notification,) = news(planned(project, bound(project)))
    restored = with_status(with_members(ALICE), planned(with_members(ALICE), bound(project), [notification.name]))
    assert news(planned(restored, bound(project), [notification.name])) == []


def test_a_member_with_another_role_is_no_news() -> None:
    project = with_members(ALICE)
    project = with_status(project, planned(project, bound(project)))
    (first,) = news(planned(project, bound(project)))
    project = with_status(project, planned(project, bound(project), [first.name]))
    promoted = with_members(ALICE.updated(role=MemberRole.ADMIN), project=project)
    for bindings in ({}, bound(project), bound(promoted)):
        plan = planned(promoted, bindings, [first.name])
        assert news(plan) == []
        assert with_status(promoted, plan).status.members == project.status.members


def test_a_former_member_leaves_the_list() -> None:
    project = with_members(ALICE)
    project = with_status(project, planned(project, bound(project)))
    assert with_status(project, planned(with_members(project=project), {})).status.members == ()


def test_the_condition_says_which_member_waits_for_what() -> None:
    project = with_members(ALICE, BOB)
    creates = plan_members(ProjectWorld(project, runs_of())).creates
    failures = Failures({creates[1]: Problem(Reason.CREATION_REFUSED, "The cluster refuses it.")})
    world = ProjectWorld(project, runs_of(), bindings=bound(with_members(ALICE)), facts=FACTS, failures=failures)
    status = plan_project(world, NOW).status
    assert isinstance(status, ProjectStatus)
    condition = status.condition("MembersBound")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "MembersMissing")
    assert "yet: ServiceAccount bob." in condition.message
    assert condition.message.endswith("The cluster refuses it.")
    ready = status.condition("Ready")
    assert ready is not None
    assert ready.status == "True"


def test_the_condition_is_there_while_there_are_members() -> None:
    project = with_status(with_members(ALICE), planned(with_members(ALICE), bound(with_members(ALICE))))
    condition = project.status.condition("MembersBound")
    assert condition is not None
    assert condition.status == "True"
    assert with_status(project, planned(with_members(project=project), {})).status.condition("MembersBound") is None


@pytest.mark.parametrize("member", [ALICE, BOB, TEAM], ids=lambda member: member.kind.value)
def test_a_binding_counts_only_for_its_member(member: Member) -> None:
    project = with_members()
    others = [m for m in (ALICE, BOB, TEAM) if m != member]
    assert gives_role(project, member, made(project, member))
    assert not any(gives_role(project, other, made(project, member)) for other in others)
