"""The operator uses every right that it has, needs no other, and names a right that it lacks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.controller.operator import LEASE_NAME
from codecourier.core.project.network_policy import POLICY_NAME
from codecourier.core.shared.naming import (
    ANNOTATION_RUN_NOW,
    ANNOTATION_TOKEN_EXPIRY,
    ANNOTATION_TRASHED_TIME,
    LABEL_MANAGED,
    LABEL_TRASHED,
    binding_name,
)
from codecourier.kinds.api_resources import (
    DAILY_STATS,
    ISSUE_SESSIONS,
    LEARNINGS,
    MERGE_JOBS,
    NOTIFICATIONS,
    PROJECTS,
    RECURRING_TASKS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.kube.access import load_access
from codecourier.kube.api import (
    CONTROLLER_REVISIONS,
    LEASES,
    NETWORK_POLICIES,
    PODS,
    ROLE_BINDINGS,
    SECRETS,
    Json,
    KubeApi,
    Resource,
)
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import NotFound
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE
from codecourier.resources.member import Member, MemberKind, MemberRole
from tests.support.audit import Right, read_requests
from tests.support.operator_access import OPERATOR
from tests.support.tasks import seal_days
from tests.support.team import CHANGE, HELD, PERMISSIONS, Team, condition, make_team, operator_process

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

CREATE_PODS: Right = ("", "pods", "create")

AFTER_LOST_ANSWER = "Asked only when a create finds its name taken, as after an answer that was lost."

LONG_AGO = "2020-01-01T12:00:00Z"

UNUSED: Mapping[Right, str] = {
    ("", "pods", "get"): AFTER_LOST_ANSWER,
    ("apps", "controllerrevisions", "delete"): "Asked an hour after a revision was made, once no Run uses it.",
    ("codecourier.dev", "dailystats", "get"): AFTER_LOST_ANSWER,
    ("codecourier.dev", "learnings", "get"): AFTER_LOST_ANSWER,
    ("codecourier.dev", "notifications", "get"): AFTER_LOST_ANSWER,
    ("codecourier.dev", "usagerecords", "get"): AFTER_LOST_ANSWER,
    ("rbac.authorization.k8s.io", "clusterroles", "bind"): "No request: asked for where a RoleBinding is made.",
}
"""Rights that the operator needs and that the cases here do not lead to, each with its reason."""


@pytest_asyncio.fixture
async def api(cluster: LocalCluster) -> AsyncIterator[KubeApi]:
    """Return the API server, as its administrator sees it; no operator runs, and none has led before."""
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as connected:
        with suppress(NotFound):
            await connected.delete(LEASES, OPERATOR_NAMESPACE, LEASE_NAME)
        yield connected


async def chain_becomes_a_pull_request(team: Team) -> None:
    await team.workflow(CHANGE)
    await team.sprint_chain()
    chain = await team.ended("chain", SPRINT_CHAINS)
    assert chain["status"]["phase"] == "Completed", chain["status"]


async def chain_with_a_personal_token_is_deleted(team: Team) -> None:
    token = team.forge.create_token(team.namespace, [team.repository], PERMISSIONS)
    await team.create_credential("forge", token=token)
    entry = {"url": team.url, "isDefault": True, "credentialRef": {"name": "forge"}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
    await team.workflow(HELD + CHANGE)
    await team.sprint_chain()
    pod = await team.running_pod("agent")
    await team.delete(SPRINT_CHAINS, "chain", propagation="Foreground")
    team.release(pod)
    await team.wait_gone(SPRINT_CHAINS, "chain")


async def run_is_cancelled(team: Team) -> None:
    await team.workflow(HELD + CHANGE)
    await team.run()
    await team.running_pod("agent")
    await team.patch(RUNS, "run", {"spec": {"cancelled": True}})
    assert (await team.ended())["status"]["phase"] == "Cancelled"


async def run_is_deleted_in_the_foreground(team: Team) -> None:
    await team.workflow(HELD + CHANGE)
    await team.run()
    await team.running_pod("agent")
    await team.delete(RUNS, "run", propagation="Foreground")
    await team.wait_gone(RUNS, "run")


async def revision_of_a_workflow_is_deleted(team: Team) -> None:
    """The try that goes on does without it; after an edit of the Workflow it is looked for at the server, in vain."""
    await team.workflow(HELD + CHANGE)
    await team.run()
    pod = await team.running_pod("agent")
    await team.patch(WORKFLOWS, "work", {"spec": {"image": "other"}})
    (name,) = await team.names(CONTROLLER_REVISIONS)
    await team.delete(CONTROLLER_REVISIONS, name)
    await team.delete(PODS, pod["metadata"]["name"])
    status = (await team.ended())["status"]
    assert (status["phase"], status["workflowRevision"]) == ("Failed", name)
    assert f"ControllerRevision '{name}'" in status["message"]


async def agent_proposes_a_lesson(team: Team) -> None:
    await team.workflow("""echo '{"text":"Run make db first."}' >>"$CODECOURIER_LEARNINGS_FILE"\n""")
    await team.run()
    await team.ended()
    assert len(await team.names(LEARNINGS)) == 1


async def session_works_on_an_issue(team: Team) -> None:
    number = team.forge.create_issue(team.repository)
    await team.workflow(CHANGE)
    spec = {"issueUrl": f"{team.url}/issues/{number}", "workflowRef": {"name": "work"}}
    await team.create(ISSUE_SESSIONS, "total", spec=spec)
    assert (await team.ended("total", ISSUE_SESSIONS))["status"]["phase"] == "Completed"


async def merge_is_cancelled(team: Team) -> None:
    await team.workflow(CHANGE)
    spec = {
        "mode": "Combine",
        "pullRequests": [f"{team.url}/pull/1"],
        "workflowRef": {"name": "work"},
        "cancelled": True,
    }
    await team.create(MERGE_JOBS, "release", spec=spec)
    assert (await team.ended("release", MERGE_JOBS))["status"]["phase"] == "Cancelled"


async def task_runs_now_and_keeps_no_run(team: Team) -> None:
    await team.workflow("true\n")
    spec = {"frequency": "Daily", "timeZone": "UTC", "hour": 0, "minute": 0, "completedRunsHistoryLimit": 0}
    metadata = {"annotations": {ANNOTATION_RUN_NOW: "once"}}
    body = {**spec, "workflowRef": {"name": "work"}, "prompt": "Look around."}
    await seal_days(team.api, team.namespace, datetime.now(UTC))
    await team.create(RECURRING_TASKS, "task", metadata=metadata, spec=body)
    task = await team.wait(RECURRING_TASKS, "task", lambda task: task["status"].get("lastResult") == "Completed")
    await team.wait_gone(RUNS, task["status"]["history"][0]["run"])


async def retention_seals_a_day_and_deletes_what_is_old(team: Team) -> None:
    await team.workflow("true\n")
    await team.run()
    await team.ended()
    (sandbox,) = await team.names(SANDBOXES)
    trashed = {
        "labels": {LABEL_TRASHED: "true"},
        "annotations": {ANNOTATION_TRASHED_TIME: LONG_AGO},
    }
    await team.patch(SANDBOXES, sandbox, {"metadata": trashed})
    unused = {"image": "codecourier.dev/any", "agent": {"command": ["true"]}}
    session = {"issueUrl": f"{team.url}/issues/1", "workflowRef": {"name": "work"}}
    entity = {"kind": "Run", "name": "gone", "uid": "gone"}
    told = {"type": "RunFailed", "title": "Failed", "message": "It failed.", "eventTime": LONG_AGO, "entity": entity}
    times = {"startTime": LONG_AGO, "finishTime": LONG_AGO}
    used = {"run": "gone", "runUid": "gone", "attempt": 1, "tryNumber": 1, "workflow": "work", **times}
    made: tuple[tuple[Resource, str, Json, Json], ...] = (
        (LEARNINGS, "old", {"text": "Test.", "repositoryUrl": team.url}, trashed),
        (WORKFLOWS, "old", unused, trashed),
        (ISSUE_SESSIONS, "old", session, trashed),
        (NOTIFICATIONS, "old", told, {}),
        (USAGE_RECORDS, "old", used, {}),
        (DAILY_STATS, "stats-2020-01-02", {"day": "2020-01-02", "sealTime": LONG_AGO}, {}),
    )
    for resource, name, spec, metadata in made:
        await team.create(resource, name, spec=spec, metadata=metadata)
    await team.wait(PROJECTS, "default", lambda project: "dayEnd" in project["status"])
    await team.until_written(PROJECTS, "default", _end_long_ago)
    for resource, name, _, _ in made:
        await team.wait_gone(resource, name)
    await team.wait_gone(SANDBOXES, sandbox)
    assert await team.names(RUNS) == ["run"]


def _end_long_ago(project: Json) -> None:
    """Let the operator have seen the end of yesterday hours ago."""
    project["status"]["dayEnd"]["time"] = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def tokens_are_about_to_expire(team: Team) -> None:
    """A pod that still works is given others."""
    await team.workflow(HELD + CHANGE)
    await team.run()
    pod = await team.running_pod("agent")
    name = f"{pod['metadata']['name']}-token"
    expiry = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    await team.patch(SECRETS, name, {"metadata": {"annotations": {ANNOTATION_TOKEN_EXPIRY: expiry}}})
    await team.wait(SECRETS, name, lambda secret: "previous-read" in secret["data"])
    team.release(pod)
    assert (await team.ended())["status"]["phase"] == "Completed"


async def sandbox_leaves_its_pod_behind(team: Team) -> None:
    """A user takes its finalizer off, so that it goes before its pod; the operator deletes the pod all the same."""
    await team.workflow(HELD + CHANGE)
    await team.run()
    name = (await team.running_pod("agent"))["metadata"]["name"]
    await team.patch(RUNS, "run", {"spec": {"cancelled": True}})
    await team.delete(SANDBOXES, name, propagation="Orphan")
    await team.patch(SANDBOXES, name, {"metadata": {"finalizers": None}})
    await team.wait_gone(PODS, name)


async def network_policy_is_edited(team: Team) -> None:
    await team.wait(NETWORK_POLICIES, POLICY_NAME, bool)
    await team.patch(NETWORK_POLICIES, POLICY_NAME, {"spec": {"egress": []}})
    await team.wait(NETWORK_POLICIES, POLICY_NAME, lambda policy: bool(policy["spec"].get("egress")))


async def name_of_the_network_policy_is_taken(team: Team) -> None:
    """A policy that is no longer marked as the operator's own is looked at, and left alone."""
    made = await team.wait(NETWORK_POLICIES, POLICY_NAME, bool)
    await team.patch(NETWORK_POLICIES, POLICY_NAME, {"metadata": {"labels": {LABEL_MANAGED: None}}})
    await team.until(lambda: ("networking.k8s.io", "networkpolicies", "get") in used_in(team))
    assert (await team.get(NETWORK_POLICIES, POLICY_NAME))["metadata"]["uid"] == made["metadata"]["uid"]


async def members_join_and_leave(team: Team) -> None:
    """The name of a RoleBinding is taken at first, by one that is not marked as the operator's own."""
    member = Member(kind=MemberKind.USER, name="alice", role=MemberRole.EDITOR)
    name, role = binding_name(member), {"apiGroup": ROLE_BINDINGS.group, "kind": "ClusterRole", "name": "view"}
    await team.create(ROLE_BINDINGS, name, roleRef=role)
    await team.patch(PROJECTS, "default", {"spec": {"members": [member.to_json()]}})
    await team.wait(PROJECTS, "default", lambda obj: name in condition(obj, "MembersBound").get("message", ""))
    await team.delete(ROLE_BINDINGS, name)
    await team.wait(PROJECTS, "default", lambda obj: condition(obj, "MembersBound").get("status") == "True")
    assert (await team.get(ROLE_BINDINGS, name))["roleRef"]["name"] == "codecourier-editor"
    await team.wait(PROJECTS, "default", lambda obj: obj["status"]["members"][0].get("isNotified", False))
    await team.patch(PROJECTS, "default", {"spec": {"members": []}})
    await team.wait_gone(ROLE_BINDINGS, name)


CASES: tuple[Callable[[Team], Awaitable[None]], ...] = (
    chain_becomes_a_pull_request,
    chain_with_a_personal_token_is_deleted,
    run_is_cancelled,
    run_is_deleted_in_the_foreground,
    revision_of_a_workflow_is_deleted,
    agent_proposes_a_lesson,
    session_works_on_an_issue,
    merge_is_cancelled,
    task_runs_now_and_keeps_no_run,
    retention_seals_a_day_and_deletes_what_is_old,
    tokens_are_about_to_expire,
    sandbox_leaves_its_pod_behind,
    network_policy_is_edited,
    name_of_the_network_policy_is_taken,
    members_join_and_leave,
)


def used_in(team: Team) -> set[Right]:
    """Return the rights that the operator's account has used in a team's namespace."""
    requests = read_requests(team.cluster.layout.audit_log, OPERATOR.user)
    return {request.right for request in requests if request.namespace == team.namespace}


async def test_no_right_is_idle(cluster: LocalCluster, api: KubeApi, tmp_path: Path) -> None:
    """Each right is used, so none can be in a role that the operator would do without."""

    async def play(case: Callable[[Team], Awaitable[None]]) -> None:
        async with make_team(api, cluster) as team:
            await case(team)

    with operator_process(cluster, tmp_path / "operator.log"):
        async with asyncio.TaskGroup() as group:
            for case in CASES:
                group.create_task(play(case))
    requests = read_requests(cluster.layout.audit_log, OPERATOR.user)
    assert OPERATOR.rights - {request.right for request in requests} - UNUSED.keys() == set()
    assert UNUSED.keys() <= OPERATOR.rights
    assert OPERATOR.find_excess(requests) == []
    # Requests that the rules did not grant would be found.
    assert {request.right for request in OPERATOR.without(CREATE_PODS).find_excess(requests)} == {CREATE_PODS}


async def test_missing_right_is_named_in_the_status(cluster: LocalCluster, api: KubeApi, tmp_path: Path) -> None:
    account = OPERATOR.without(CREATE_PODS)
    async with make_team(api, cluster) as team:
        await team.workflow(CHANGE)
        await team.run()
        with operator_process(cluster, tmp_path / "operator.log", account=account):
            message = await team.sandbox_says("PodRefused")
    assert f'User "{account.user}" cannot create resource "pods" in API group ""' in message


async def test_missing_right_is_named_in_the_log(cluster: LocalCluster, api: KubeApi, tmp_path: Path) -> None:
    account, log = OPERATOR.without(("networking.k8s.io", "networkpolicies", "list")), tmp_path / "operator.log"
    words = f'User "{account.user}" cannot list resource "networkpolicies" in API group "networking.k8s.io"'
    async with make_team(api, cluster) as team:
        with operator_process(cluster, log, account=account):
            await team.until(lambda: words in log.read_text(encoding="utf-8").replace('\\"', '"'))
