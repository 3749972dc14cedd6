"""Worlds: what belongs together by UID, and nothing else."""

from __future__ import annotations

from codecourier.cache.store import Store
from codecourier.core.origin import AbsentOrigin
from codecourier.core.project.bindings import build_binding
from codecourier.core.project.places import UsableWorkflows
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.naming import (
    ANNOTATION_TOKEN_EXPIRY,
    LABEL_MANAGED,
    LABEL_ORIGIN_UID,
    LABEL_RUN_UID,
    LABEL_SANDBOX_UID,
    LABEL_TRASHED,
    token_secret_name,
)
from codecourier.core.shared.revisions import build_revision, revision_name
from codecourier.kinds.api_resources import (
    ISSUE_SESSIONS,
    LEARNINGS,
    NOTIFICATIONS,
    RECURRING_TASKS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.kinds.issue_session import ISSUE_SESSION
from codecourier.kinds.project import PROJECT
from codecourier.kinds.recurring_task import RECURRING_TASK
from codecourier.kinds.registry import REGISTRY, WorkKey
from codecourier.kinds.run import RUN
from codecourier.kinds.sandbox import SANDBOX
from codecourier.kinds.sources import (
    ISSUE_SESSION_SOURCE,
    PROJECT_SOURCE,
    RECURRING_TASK_SOURCE,
    SPRINT_CHAIN_SOURCE,
    WORKFLOW_SOURCE,
)
from codecourier.kinds.sprint_chain import SPRINT_CHAIN
from codecourier.kinds.workflow import WORKFLOW
from codecourier.kube.api import CONTROLLER_REVISIONS, NAMESPACES, ROLE_BINDINGS, SECRETS, Json, Resource
from codecourier.resources.member import Member, MemberKind, MemberRole
from codecourier.resources.meta import CustomResource
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.workflow import Workflow
from tests.simulation.clock import EPOCH, virtual
from tests.support.desk import NAMESPACE, Desk
from tests.support.places import admit
from tests.support.runs import make_sandbox, running
from tests.support.views import make_store, world_of
from tests.support.worlds import NOW, make_project, make_run, make_workflow, queued


def make_sprint_chain(desk: Desk, name: str = "nightly") -> Json:
    spec = {
        "workflowRef": {"name": "scripted"},
        "sprintRange": {"first": 1, "last": 3},
        "prompt": "Build it.",
        "baseBranch": "main",
    }
    return desk.make(SPRINT_CHAINS, name, spec)


def make_run_of(desk: Desk, chain: Json, name: str) -> Json:
    metadata = chain["metadata"]
    run = desk.make_run(
        name,
        origin={"kind": "SprintChain", "name": metadata["name"], "uid": metadata["uid"], "index": 0},
        baseBranch="main",
    )
    labels = {"metadata": {"labels": {LABEL_ORIGIN_UID: metadata["uid"]}}}
    return desk.server.store.patch(RUNS, NAMESPACE, run["metadata"]["name"], labels).copy()


def end(desk: Desk, name: str) -> None:
    status = {"phase": "Completed", "attempt": 1}
    desk.server.edit(RUNS, NAMESPACE, name, lambda obj: obj.update(status=obj["status"] | status))


def notify(desk: Desk, name: str, kind: str, entity: Json) -> None:
    spec = {
        "event": "RunFailed",
        "entity": {"kind": kind, "name": entity["metadata"]["name"], "uid": entity["metadata"]["uid"]},
        "message": "It failed.",
        "time": "2026-01-01T00:00:00Z",
    }
    body = {"metadata": {"name": name, "namespace": NAMESPACE, "uid": name, "resourceVersion": "1000"}, "spec": spec}
    desk.store.cache(NOTIFICATIONS).apply(body | {"kind": "Notification"})


def waiting_names(world: ProjectWorld) -> list[str]:
    """Return the names of the Runs of the default repository that wait for a place."""
    workflows = UsableWorkflows({"scripted": make_workflow()})
    return [run.name for run in world.runs.waiting({None}, workflows, NOW)]


@virtual
async def test_a_project_has_its_runs_that_are_not_finished() -> None:
    desk = Desk()
    desk.make_project()
    for name in ("waiting", "ended"):
        desk.make_run(name)
    end(desk, "ended")
    desk.refresh()
    project = desk.store.get(PROJECT_SOURCE, NAMESPACE, "default")
    assert project is not None
    assert waiting_names(world_of(desk.store, PROJECT, project)) == ["waiting"]


@virtual
async def test_a_run_asked_for_once_more_is_not_finished() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_run("again", attempt=2)
    end(desk, "again")
    desk.refresh()
    project = desk.store.get(PROJECT_SOURCE, NAMESPACE, "default")
    assert project is not None
    assert waiting_names(world_of(desk.store, PROJECT, project)) == ["again"]


@virtual
async def test_a_run_has_what_belongs_to_its_uid() -> None:
    desk = Desk()
    desk.make_project()
    desk.make_workflow()
    chain = make_sprint_chain(desk)
    run = make_run_of(desk, chain, "fix")
    other = desk.make_run("other")
    for owner, name in ((run, "fix-1"), (run, "fix-2"), (other, "other-1")):
        desk.make_sandbox(owner, name, labels={LABEL_RUN_UID: owner["metadata"]["uid"]})
    desk.refresh()
    notify(desk, "run-failed-fix", "Run", run)
    notify(desk, "run-failed-other", "Run", other)
    record = {"metadata": {"name": "fix-1", "namespace": NAMESPACE, "uid": "r", "resourceVersion": "1000"}}
    record["spec"] = {"run": "fix", "runUid": run["metadata"]["uid"]}
    desk.store.cache(USAGE_RECORDS).apply(record)
    world = world_of(desk.store, RUN, desk.run()[1])
    assert world.project is not None
    assert world.workflow is not None
    assert world.origin is not None
    assert [sandbox.name for sandbox in world.sandboxes] == ["fix-1", "fix-2"]
    assert world.notifications == {"run-failed-fix"}
    assert world.records == {"fix-1"}
    assert not world.is_namespace_ending


@virtual
async def test_a_run_finds_the_learnings_of_its_repository_and_workflow() -> None:
    desk = Desk()
    desk.make_run("fix")
    url, other = "https://forge.test/example/shop", "https://forge.test/example/other"
    proposed = {"run": {"name": "fix", "uid": "uid-fix"}}
    specs: dict[str, Json] = {
        "repository": {"repositoryUrl": f"{url}.git", "accepted": True},
        "workflow": {"workflowRef": {"name": "scripted"}, "accepted": True},
        "both": {"repositoryUrl": url, "workflowRef": {"name": "scripted"}, "accepted": True},
        "elsewhere": {"repositoryUrl": other, "workflowRef": {"name": "scripted"}, "accepted": True},
        "undecided": {"repositoryUrl": url} | proposed,
        "undecided-elsewhere": {"repositoryUrl": other} | proposed,
        "draft": {"repositoryUrl": url},
    }
    for name, spec in specs.items():
        desk.make(LEARNINGS, name, spec | {"text": "Run make db first."})
    foreign = {"name": "foreign", "namespace": "another", "uid": "foreign", "resourceVersion": "1000"}
    desk.store.cache(LEARNINGS).apply({"metadata": foreign, "spec": specs["repository"] | {"text": "Obey."}})
    trashed = {"metadata": {"labels": {LABEL_TRASHED: "true"}}}
    desk.make(LEARNINGS, "trashed", specs["repository"] | {"text": "Do not."})
    desk.server.store.patch(LEARNINGS, NAMESPACE, "trashed", trashed)
    desk.refresh()
    known = world_of(desk.store, RUN, desk.run()[1]).learnings
    assert {item.name for item in known.accepted(url, "scripted")} == {"repository", "workflow", "both"}
    assert [item.name for item in known.accepted(url, "other")] == ["repository"]
    assert known.count_undecided(url) == 1
    said = [(url, "other"), (other, "scripted"), (other, "other")]
    assert [known.says(*place, "run make DB  first") for place in said] == [True, True, False]
    assert not known.says(url, "scripted", "Run make db last.")
    has = [known.has(*case) for case in (("trashed", url), ("repository", url), ("elsewhere", url), ("absent", url))]
    assert has == [True, True, False, False]
    assert [item.name for item in known.find(("both", "absent", "draft"))] == ["both", "draft"]


@virtual
async def test_accepted_learnings_are_found_newest_first() -> None:
    desk = Desk()
    desk.make_run("fix")
    desk.refresh()
    times = {
        "b": "2026-01-02T00:00:00Z",
        "old": "2026-01-01T23:59:59Z",
        "a": "2026-01-02T00:00:00Z",
        "new": "2026-02-01T00:00:00Z",
    }
    url = "https://forge.test/example/shop"
    for number, (name, time) in enumerate(times.items()):
        names: Json = {"repositoryUrl": url} if name == "old" else {"workflowRef": {"name": "scripted"}}
        metadata = {"name": name, "namespace": NAMESPACE, "uid": name, "creationTimestamp": time}
        spec = names | {"text": name, "accepted": True}
        desk.store.cache(LEARNINGS).apply(
            {"metadata": metadata | {"resourceVersion": str(1000 + number)}, "spec": spec}
        )
    leaving = {"name": "leaving", "namespace": NAMESPACE, "uid": "leaving", "deletionTimestamp": times["new"]}
    obeyed = {"text": "Obey.", "repositoryUrl": url, "accepted": True}
    desk.store.cache(LEARNINGS).apply({"metadata": leaving | {"resourceVersion": "2000"}, "spec": obeyed})
    known = world_of(desk.store, RUN, desk.run()[1]).learnings
    assert not known.says(url, "scripted", "Obey.")
    assert [item.name for item in known.accepted(url, "scripted")] == ["new", "a", "b", "old"]


@virtual
async def test_a_chain_made_again_is_not_a_runs_origin() -> None:
    desk = Desk()
    run = make_run_of(desk, make_sprint_chain(desk), "fix")
    desk.server.store.delete(SPRINT_CHAINS, NAMESPACE, "nightly")
    make_sprint_chain(desk)
    desk.refresh()
    assert run["spec"]["origin"]["name"] == "nightly"
    world = world_of(desk.store, RUN, desk.run()[1])
    assert isinstance(world.origin, AbsentOrigin)
    assert (world.project, world.workflow) == (None, None)
    chain = desk.store.get(SPRINT_CHAIN_SOURCE, NAMESPACE, "nightly")
    assert chain is not None
    assert world_of(desk.store, SPRINT_CHAIN, chain).runs == ()


@virtual
async def test_a_task_has_its_own_runs_and_its_zones() -> None:
    desk = Desk()
    spec = {"frequency": "Daily", "timeZone": "Europe/Berlin", "hour": 8, "minute": 0}
    task = desk.make(RECURRING_TASKS, "audit", {**spec, "workflowRef": {"name": "scripted"}, "prompt": "Audit it."})
    slot = "2026-01-01T07:00:00Z"
    origin = {"kind": "RecurringTask", "name": "audit", "uid": task["metadata"]["uid"], "slot": slot}
    desk.make_run("mine", origin=origin)
    desk.make_run("others", origin={**origin, "uid": "another-task"})
    desk.refresh()
    model = desk.store.get(RECURRING_TASK_SOURCE, NAMESPACE, "audit")
    assert model is not None
    world = world_of(desk.store, RECURRING_TASK, model)
    assert [run.name for run in world.runs] == ["mine"]
    assert (str(world.zones.declared), world.zones.anchored) == ("Europe/Berlin", None)


@virtual
async def test_a_session_has_its_own_runs_and_knows_its_issue() -> None:
    desk = Desk()
    url = "https://forge.test/example/shop/issues/12"
    session = desk.make(ISSUE_SESSIONS, "total", {"issueUrl": url, "workflowRef": {"name": "scripted"}})
    origin = {"kind": "IssueSession", "name": "total", "uid": session["metadata"]["uid"], "index": 0}
    desk.make_run("mine", origin=origin)
    desk.make_run("others", origin={**origin, "uid": "another-session"})
    desk.refresh()
    model = desk.store.get(ISSUE_SESSION_SOURCE, NAMESPACE, "total")
    assert model is not None
    world = world_of(desk.store, ISSUE_SESSION, model)
    assert [run.name for run in world.runs] == ["mine"]
    assert (world.repository_url, world.number) == ("https://forge.test/example/shop", 12)


@virtual
async def test_a_chain_has_its_own_runs() -> None:
    desk = Desk()
    chain = make_sprint_chain(desk)
    make_run_of(desk, chain, "s1")
    make_run_of(desk, make_sprint_chain(desk, "other"), "s2")
    desk.make_run("alone")
    desk.refresh()
    model = desk.store.get(SPRINT_CHAIN_SOURCE, NAMESPACE, "nightly")
    assert model is not None
    assert [run.name for run in world_of(desk.store, SPRINT_CHAIN, model).runs] == ["s1"]


@virtual
async def test_a_namespace_that_is_going_is_known() -> None:
    desk = Desk()
    desk.make_run()
    desk.server.store.delete(NAMESPACES, None, NAMESPACE)
    desk.refresh()
    assert world_of(desk.store, RUN, desk.run()[1]).is_namespace_ending


@virtual
async def test_a_sandbox_has_its_own_pod_and_secret() -> None:
    desk = Desk()
    run = desk.make_run()
    sandbox = desk.make_sandbox(run)
    desk.make_pod("fix-1", labels={LABEL_MANAGED: "true", LABEL_SANDBOX_UID: sandbox["metadata"]["uid"]})
    secret = token_secret_name("fix-1")
    desk.make_secret(secret, {LABEL_MANAGED: "true"}, read="a")
    metadata = {
        "labels": {LABEL_SANDBOX_UID: sandbox["metadata"]["uid"]},
        "annotations": {ANNOTATION_TOKEN_EXPIRY: EPOCH.isoformat()},
    }
    written = desk.server.store.patch(SECRETS, NAMESPACE, secret, {"metadata": metadata})
    desk.refresh()
    world = world_of(desk.store, SANDBOX, desk.sandbox()[1])
    assert world.run is not None
    assert world.pod is not None
    assert world.secret is not None
    assert world.secret.resource_version == written.metadata["resourceVersion"]
    assert world.secret.expiry_time == EPOCH


@virtual
async def test_what_only_has_the_name_is_not_the_sandboxs() -> None:
    desk = Desk()
    old_run = desk.make_run()
    old = desk.make_sandbox(old_run)
    desk.make_pod("fix-1", labels={LABEL_MANAGED: "true", LABEL_SANDBOX_UID: old["metadata"]["uid"]})
    desk.make_secret(token_secret_name("fix-1"), {LABEL_MANAGED: "true"}, read="a")
    desk.server.store.delete(SANDBOXES, NAMESPACE, "fix-1")
    desk.make_sandbox(old_run)
    desk.server.store.delete(RUNS, NAMESPACE, "fix")
    desk.make_run()
    desk.refresh()
    world = world_of(desk.store, SANDBOX, desk.sandbox()[1])
    assert (world.run, world.pod, world.secret, world.origin) == (None, None, None, None)


@virtual
async def test_a_workflow_is_its_whole_world() -> None:
    desk = Desk()
    desk.make_workflow()
    desk.refresh()
    workflow = desk.store.get(WORKFLOW_SOURCE, NAMESPACE, "scripted")
    assert workflow is not None
    assert world_of(desk.store, WORKFLOW, workflow).workflow is workflow


def caching(*objects: tuple[Resource, CustomResource]) -> Store:
    """Return caches that hold these objects."""
    store = make_store()
    for version, (resource, model) in enumerate(objects, start=1):
        body = model.to_json()
        body["metadata"]["resourceVersion"] = str(version)
        store.cache(resource).apply(body)
    return store


def finished(name: str) -> Run:
    """Return a Run that is over."""
    return queued(make_run(name), phase=RunPhase.COMPLETED)


def test_a_project_knows_its_unfinished_runs_those_it_lists_and_what_pending_ones_name() -> None:
    listed = queued(make_run("listed"))
    project = make_project()
    project = project.updated(status=project.status.updated(admitted=admit(project, [listed], {}, NOW)))
    ended = listed.updated(status=finished("listed").status)
    store = caching((RUNS, make_run("pending")), (RUNS, ended), (RUNS, finished("other")), (WORKFLOWS, make_workflow()))
    world = world_of(store, PROJECT, project)
    assert waiting_names(world) == ["pending"]
    listed_view = world.runs.named("listed")
    assert (listed_view is not None and listed_view.phase) is RunPhase.COMPLETED
    assert world.runs.named("none") is None
    assert set(world.workflows) == {"scripted"}


def revision_of(workflow: Workflow, version: int) -> Json:
    """Return the revision of a Workflow as the API server gives it."""
    body = build_revision(workflow)
    metadata = {"uid": f"uid-{version}", "resourceVersion": str(version), "creationTimestamp": NOW.isoformat()}
    return body | {"metadata": body["metadata"] | metadata}


def test_a_run_and_its_sandbox_have_the_revision_that_the_status_names() -> None:
    first, edited = make_workflow(), make_workflow(image="edited")
    run = running()
    sandbox = make_sandbox(run)
    store = caching((RUNS, run), (SANDBOXES, sandbox), (WORKFLOWS, edited))
    for version, workflow in enumerate((first, edited), start=10):
        store.cache(CONTROLLER_REVISIONS).apply(revision_of(workflow, version))
    for world in (world_of(store, RUN, run), world_of(store, SANDBOX, sandbox)):
        assert (world.revision and world.revision.spec) == first.spec
    new = make_run("new")
    revision = world_of(store, RUN, new).revision
    assert (revision and revision.spec) == edited.spec, "one that has not started would take the Workflow as it is"
    again = run.updated(spec=run.spec.updated(attempt=2), status=run.status.updated(phase=RunPhase.FAILED))
    revision = world_of(store, RUN, again).revision
    assert (revision and revision.spec) == edited.spec


def test_a_project_has_the_revisions_that_no_unfinished_run_names() -> None:
    first, edited = make_workflow(), make_workflow(image="edited")
    over = queued(make_run("over"), phase=RunPhase.COMPLETED, workflow_revision=revision_name(edited))
    store = caching((RUNS, running()), (RUNS, over), (WORKFLOWS, edited))
    for version, workflow in enumerate((first, edited), start=10):
        store.cache(CONTROLLER_REVISIONS).apply(revision_of(workflow, version))
    project = make_project()
    assert [r.name for r in world_of(store, PROJECT, project).unused_revisions] == [revision_name(edited)]


def test_a_project_has_the_role_bindings_with_our_label_and_a_change_of_one_wakes_it() -> None:
    store = make_store()
    project = make_project()
    manifest = build_binding(project, Member(kind=MemberKind.USER, name="alice", role=MemberRole.EDITOR))
    made = {"uid": "1", "resourceVersion": "1", "creationTimestamp": "2026-03-01T12:00:00Z"}
    binding = {**manifest, "metadata": {**manifest["metadata"], **made}}
    store.cache(ROLE_BINDINGS).apply(binding)
    assert list(world_of(store, PROJECT, project).bindings) == [binding["metadata"]["name"]]
    assert set(REGISTRY.wakes(store, ROLE_BINDINGS, binding, None)) == {
        WorkKey(PROJECT.resource, project.namespace, project.name)
    }


def test_a_change_of_a_revision_wakes_the_unfinished_runs_that_name_it_and_their_sandboxes() -> None:
    run, over = running(), queued(make_run("over"), phase=RunPhase.COMPLETED)
    store = caching((RUNS, run), (RUNS, over), (SANDBOXES, make_sandbox(run)))
    found = set(REGISTRY.wakes(store, CONTROLLER_REVISIONS, revision_of(make_workflow(), 10), None))
    assert {(key.resource.kind, key.name) for key in found} == {
        ("Project", "default"),
        ("Run", run.name),
        ("Sandbox", make_sandbox(run).name),
    }
