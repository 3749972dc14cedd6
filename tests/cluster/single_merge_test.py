"""One pull request behind its gate on the embedded cluster: what stops it, what has it tried again, what lands."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
import pytest

from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.merges import ask_forge, open_pull, read_file, start_merge, tip_of
from tests.support.team import CHANGE, PERMISSIONS, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()
RBAC = "rbac.authorization.k8s.io"


async def open_gated(team: Team, *required: str, branches: tuple[str, ...] = ("main",)) -> str:
    """Let the operator read checks, require some, and open pull request 1; return its head."""
    installation = team.forge.install_app(team.namespace, {**PERMISSIONS, "checks": "read", "statuses": "read"})
    entry = {"url": team.url, "isDefault": True, "app": {"installationId": installation}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
    head = open_pull(team, "one", tip_of(team), one_txt="one\n")
    if required:
        for branch in branches:
            team.forge.add_rules(team.repository, branch, required_checks=list(required))
    await team.workflow(CHANGE, verify=["test -f one.txt"])
    return head


def report(team: Team, head: str, name: str, **check: Any) -> None:
    """Report a check as CI does."""
    team.forge.set_check(team.repository, head, name=name, **check)


async def waiting_for(team: Team, *checks: tuple[str, str]) -> Json:
    """Wait until the merge waits for exactly these checks, each with its state; return it."""
    wanted = [{"name": name, "state": state} for name, state in checks]

    def waits(job: Json) -> bool:
        return reason(job) == "WaitingForChecks" and job["status"].get("checks", []) == wanted

    return await team.wait(MERGE_JOBS, "release", waits)


async def merged(team: Team, head: str, *, steps: int = 1) -> Json:
    """Wait for the end of the merge; check that the verified merge of this head landed, once."""
    job = await team.ended("release", MERGE_JOBS)
    status = job["status"]
    assert (status["phase"], reason(job)) == ("Completed", "Completed"), status
    landing = status["landing"]
    assert (landing["headCommit"], landing["tree"]) == (head, status["headTree"])
    assert landing["commit"] == tip_of(team, status["baseBranch"])
    assert [step["phase"] for step in status["steps"]] == ["Completed"] * steps
    runs = (await team.api.list(RUNS, team.namespace)).items
    assert [run["spec"]["merge"]["sources"] for run in runs] == [[{"number": 1, "headCommit": head}]] * steps
    assert ask_forge(team, "GET", "/pulls/1")["merged"] is True
    assert team.forge.counters().merges[f"{team.repository}#1"] == 1
    await team.assert_tokens_ended()
    return job


async def refused(team: Team, *names: str) -> None:
    """Wait until the merge has failed because of these checks, and nothing was merged."""
    job = await team.ended("release", MERGE_JOBS)
    assert (job["status"]["phase"], reason(job)) == ("Failed", "ChecksFailed"), job["status"]
    assert [check["name"] for check in job["status"]["checks"]] == list(names)
    assert all(name in job["status"]["message"] for name in names)
    assert ask_forge(team, "GET", "/pulls/1")["state"] == "open"
    assert f"{team.repository}#1" not in team.forge.counters().merge_requests


@CASES.case
async def a_check_that_fails_stops_the_merge(team: Team) -> None:
    head = await open_gated(team, "test")
    report(team, head, "test", status="in_progress")
    await start_merge(team, "Single", 1)
    await waiting_for(team, ("test", "in_progress"))
    report(team, head, "test", conclusion="failure")
    await refused(team, "test")


@CASES.case
async def a_required_check_that_comes_late_is_waited_for(team: Team) -> None:
    head = await open_gated(team, "lint", "slow")
    report(team, head, "lint", conclusion="success")
    await start_merge(team, "Single", 1)
    await waiting_for(team, ("slow", "missing"))
    report(team, head, "slow", status="in_progress")
    await waiting_for(team, ("slow", "in_progress"))
    report(team, head, "slow", conclusion="success")
    await merged(team, head)


@CASES.case
async def a_check_that_comes_late_counts_where_none_is_required(team: Team) -> None:
    head = await open_gated(team)
    report(team, head, "lint", conclusion="success")
    await start_merge(team, "Single", 1)
    job = await waiting_for(team)
    assert "must stay green for 60 seconds" in job["status"]["waitingFor"]
    report(team, head, "slow", conclusion="failure")
    await refused(team, "slow")


@CASES.case
async def a_base_that_moves_has_the_merge_verified_again(team: Team) -> None:
    head = await open_gated(team, "test")
    report(team, head, "test", status="in_progress")
    await start_merge(team, "Single", 1)
    await waiting_for(team, ("test", "in_progress"))
    moved = team.forge.commit(team.repository, "main", {"other.txt": "other\n"})
    report(team, head, "test", conclusion="success")
    job = await merged(team, head, steps=2)
    assert job["status"]["landing"]["baseCommit"] == moved
    assert read_file(team, "main", "other.txt") == "other\n"


@CASES.case
async def a_pull_request_that_is_retargeted_is_verified_on_its_new_base(team: Team) -> None:
    before = tip_of(team)
    ask_forge(team, "POST", "/git/refs", ref="refs/heads/stable", sha=before)
    stable = team.forge.commit(team.repository, "stable", {"stable.txt": "stable\n"})
    head = await open_gated(team, "test", branches=("main", "stable"))
    report(team, head, "test", status="in_progress")
    await start_merge(team, "Single", 1)
    await waiting_for(team, ("test", "in_progress"))
    ask_forge(team, "PATCH", "/pulls/1", base="stable")
    report(team, head, "test", conclusion="success")
    job = await merged(team, head, steps=2)
    assert (job["status"]["baseBranch"], job["status"]["landing"]["baseCommit"]) == ("stable", stable)
    assert tip_of(team) == before


def bind(team: Team, user: str, role: str) -> None:
    """Give a user a role in the team's namespace."""
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"codecourier-{role}"}
    subject = {"apiGroup": RBAC, "kind": "User", "name": user}
    body = {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
    team.admin.fetch("POST", f"/apis/{RBAC}/v1/namespaces/{team.namespace}/rolebindings", orjson.dumps(body))


def apply_merge(team: Team, user: str, name: str) -> tuple[int, str]:
    """Create a MergeJob as a user with kubectl does that does not wait for checks; return the answer."""
    spec = {
        "mode": "Single",
        "pullRequests": [f"{team.url}/pull/1"],
        "workflowRef": {"name": "work"},
        "skipCiCheck": True,
    }
    body = {
        "apiVersion": MERGE_JOBS.api_version,
        "kind": MERGE_JOBS.kind,
        "metadata": {"name": name, "namespace": team.namespace},
        "spec": spec,
    }
    path = f"{MERGE_JOBS.path(team.namespace, name)}?fieldManager=kubectl"
    headers = {"Content-Type": "application/apply-patch+yaml", "Impersonate-User": user}
    answer = team.admin.request("PATCH", path, orjson.dumps(body), headers)
    return answer.status, str(answer.json.get("message", ""))


@CASES.case
async def checks_are_skipped_by_users_with_the_right_only(team: Team) -> None:
    head = await open_gated(team)
    report(team, head, "slow", status="in_progress")
    bind(team, "editor", "editor")
    bind(team, "chief", "admin")
    # Roles and policies are in force a moment after they were applied.
    assert wait_until(lambda: "bypass-ci" in apply_merge(team, "editor", "by-editor")[1], timeout_seconds=20)
    assert apply_merge(team, "editor", "by-editor")[0] == 403
    assert wait_until(lambda: apply_merge(team, "chief", "release")[0] in {200, 201}, timeout_seconds=20)
    assert await team.names(MERGE_JOBS) == ["release"]
    job = await merged(team, head)
    assert job["status"]["landing"]["skippedChecks"] is True
    assert "without a look at its checks" in job["status"]["message"]


async def an_answer_of_502_after_the_merge(team: Team, *, path: str, has_async: bool) -> None:
    head = await open_gated(team, "test")
    report(team, head, "test", conclusion="success")
    team.forge.set_merging(team.repository, has_async_merges=has_async)
    fault = team.forge.answer_after(502, method="PUT", path=f"^/api/v3/repos/{team.repository}/pulls/1/{path}$")
    await start_merge(team, "Single", 1)
    await merged(team, head)
    assert fault not in {left["id"] for left in team.forge.pending_faults()}


for word, is_async in (("merge-async", True), ("merge", False)):
    CASES.add(f"502-after-{word}", partial(an_answer_of_502_after_the_merge, path=word, has_async=is_async))


@pytest.mark.parametrize("case", CASES.names)
async def test_a_single_merge(played: Played, case: str) -> None:
    await played[case]
