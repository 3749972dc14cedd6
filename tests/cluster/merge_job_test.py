"""Merges on the embedded cluster: many pull requests become one, and one is merged behind its checks."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from typing import Any

import pytest

from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS
from codecourier.kube.api import NAMESPACES, SECRETS, Json
from codecourier.local.demo.forge_user import ForgeUser
from codecourier.local.demo.merge_play import find_disappointment, watch_merges
from codecourier.local.demo.merge_stage import CAREFUL, LAZY, PULL_REQUESTS, MergeStage, set_merge_stage
from codecourier.local.demo.merge_view import MergeScene
from codecourier.local.forge.address import ForgeAddress
from codecourier.text import marker
from tests.support.team import CHANGE, PERMISSIONS, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()


def ask_forge(team: Team, method: str, path: str, **body: Any) -> Json:
    """Ask the forge for something as a user of the repository."""
    granted = {"contents": "write", "pull_requests": "write"}
    token = team.forge.create_token(team.namespace, [team.repository], granted)  # type: ignore[arg-type]
    address = ForgeAddress.read(team.cluster.layout.forge)
    context = ssl.create_default_context(cafile=str(address.ca_path))
    connection = http.client.HTTPSConnection(address.host, context=context, timeout=20)
    headers = {"Authorization": f"token {token}"}
    connection.request(method, f"/api/v3/repos/{team.repository}{path}", json.dumps(body), headers)
    response = connection.getresponse()
    answer: Json = json.loads(response.read())
    connection.close()
    assert response.status < 300, answer
    return answer


def tip_of(team: Team, branch: str = "main") -> str:
    return str(ask_forge(team, "GET", f"/git/ref/heads/{branch}")["object"]["sha"])


def open_pull(team: Team, branch: str, base: str, *, into: str = "main", body: str = "", **files: str) -> str:
    """Open a pull request that starts from a commit and changes files; return its head."""
    ask_forge(team, "POST", "/git/refs", ref=f"refs/heads/{branch}", sha=base)
    named = {name.replace("_", "."): text for name, text in files.items()}
    head = team.forge.commit(team.repository, branch, named)
    ask_forge(team, "POST", "/pulls", title=f"Change {branch}", head=branch, base=into, body=body)
    return head


def read_file(team: Team, repository: str, branch: str, name: str) -> str:
    """Return a file's content at the head of a branch."""
    bare = team.cluster.layout.forge / "repositories" / f"{repository}.git"
    done = subprocess.run(
        ["git", "--git-dir", str(bare), "show", f"{branch}:{name}"], capture_output=True, text=True, check=True
    )
    return done.stdout


async def let_checks_be_read(team: Team) -> None:
    """Give the Project an App that may read checks."""
    installation = team.forge.install_app(team.namespace, {**PERMISSIONS, "checks": "read", "statuses": "read"})
    entry = {"url": team.url, "isDefault": True, "app": {"installationId": installation}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})


async def start(team: Team, mode: str, *numbers: int, **spec: Any) -> None:
    urls = [f"{team.url}/pull/{number}" for number in numbers]
    body = {"mode": mode, "pullRequests": urls, "workflowRef": {"name": "work"}, **spec}
    await team.create(MERGE_JOBS, "release", spec=body)


@CASES.case
async def the_demonstration_resolves_one_conflict_and_refuses_a_result_that_loses_a_side(team: Team) -> None:
    stage = MergeStage(f"{team.namespace}-demo", f"{team.namespace}-demo/shop")
    user = await set_merge_stage(team.api, team.forge, team.cluster.forge_url, stage)
    try:
        scenes: list[MergeScene] = []
        scene = await watch_merges(team.api, stage.namespace, scenes.append, lambda: True)
        assert find_disappointment(scene) is None, [job["status"] for job in scene.jobs]
        assert scenes[-1] is scene
        check_results(team, user, scene)
        secrets = (await team.api.list(SECRETS, stage.namespace)).items
        assert [secret["metadata"]["name"] for secret in secrets] == ["repository-token"]
    finally:
        await team.api.delete(NAMESPACES, None, stage.namespace)


def check_results(team: Team, user: ForgeUser, scene: MergeScene) -> None:
    """Check what the new pull requests of the demonstration hold, and what they say of each one."""
    careful, lazy = (scene.job(name)["status"] for name in (CAREFUL, LAZY))
    assert [step["phase"] for step in lazy["steps"]] == ["Failed", "Completed"]
    assert lazy["sources"][2]["reason"] == "VerifyFailed", lazy["sources"]
    resolved, rest = (user.read_pull(status["result"]["number"]) for status in (careful, lazy))
    assert (resolved["head"]["ref"], resolved["base"]["ref"]) == (careful["result"]["branch"], "main")
    assert "| #1 Say when the shop is open |" in resolved["body"]
    assert "| merged; the agent resolved its conflicts in 1 attempt |" in resolved["body"]
    assert "| #3 Charge for shipping |" in rest["body"]
    assert "**left out**" in rest["body"]
    price = read_file(team, user.repository, resolved["head"]["ref"], "price.sh")
    assert price.index("Shipping costs") < price.index("A coupon takes")
    assert "Shipping" not in read_file(team, user.repository, rest["head"]["ref"], "price.sh")
    assert team.forge.counters().pulls_created[user.repository] == len(PULL_REQUESTS) + 2


@CASES.case
async def one_pull_request_waits_for_its_check_and_is_merged_as_it_was_verified(team: Team) -> None:
    await let_checks_be_read(team)
    head = open_pull(team, "one", tip_of(team), one_txt="one\n")
    team.forge.add_rules(team.repository, "main", required_checks=["test"])
    team.forge.set_check(team.repository, head, name="test", status="in_progress")
    await team.workflow(CHANGE, verify=["test -f one.txt"])
    await start(team, "Single", 1)
    waiting = await team.wait(MERGE_JOBS, "release", lambda job: reason(job) == "WaitingForChecks")
    assert "test" in waiting["status"]["waitingFor"]
    assert waiting["status"]["checks"] == [{"name": "test", "state": "in_progress"}]
    assert ask_forge(team, "GET", "/pulls/1")["state"] == "open"
    team.forge.set_check(team.repository, head, name="test", conclusion="success")
    job = await team.ended("release", MERGE_JOBS)
    assert (job["status"]["phase"], reason(job)) == ("Completed", "Completed"), job["status"]
    landing = job["status"]["landing"]
    assert (landing["headCommit"], landing["tree"]) == (head, job["status"]["headTree"])
    assert ask_forge(team, "GET", "/pulls/1")["merged"] is True
    assert team.forge.counters().merges[f"{team.repository}#1"] == 1
    assert [run["spec"]["merge"]["sources"] for run in (await team.api.list(RUNS, team.namespace)).items] == [
        [{"number": 1, "headCommit": head}]
    ]


@CASES.case
async def a_sprint_waits_for_the_one_before_and_lands_in_the_queue_of_its_new_base(team: Team) -> None:
    await let_checks_be_read(team)
    below = open_pull(team, "one", tip_of(team), body=marker("one", 1), one_txt="one\n")
    head = open_pull(team, "two", below, into="one", body=marker("two", 1), two_txt="two\n")
    await team.workflow(CHANGE, verify=["test -f one.txt && test -f two.txt"])
    await start(team, "Single", 2)
    waiting = await team.wait(MERGE_JOBS, "release", lambda job: reason(job) == "StackBelow")
    assert f"{team.url}/pull/1" in waiting["status"]["waitingFor"]
    ask_forge(team, "PUT", "/pulls/1/merge", merge_method="squash")
    team.forge.add_rules(team.repository, "main", required_checks=["test"], merge_queue="squash")
    team.forge.set_status(team.repository, head, "success", context="test")
    await team.wait(MERGE_JOBS, "release", lambda job: reason(job) == "MergeQueued")
    (entry,) = team.forge.queue(team.repository)
    team.forge.set_status(team.repository, entry.sha, "success", context="test")
    job = await team.ended("release", MERGE_JOBS)
    assert (job["status"]["phase"], reason(job)) == ("Completed", "Completed"), job["status"]
    assert (job["status"]["baseBranch"], job["status"]["landing"]["commit"]) == ("main", entry.sha)
    assert team.forge.counters().enqueues[f"{team.repository}#2"] == 1


@pytest.mark.parametrize("case", CASES.names)
async def test_a_merge(played: Played, case: str) -> None:
    await played[case]
