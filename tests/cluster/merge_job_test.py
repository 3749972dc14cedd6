"""Merges on the embedded cluster: many pull requests become one, and one is merged behind its checks."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from typing import Any

import pytest

from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS
from codecourier.kube.api import Json
from codecourier.local.forge.address import ForgeAddress
from tests.support.team import CHANGE, PERMISSIONS, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()
BOTH = "sed -i -e '/^<<<<<<</d' -e '/^=======$/d' -e '/^>>>>>>>/d' list.txt\n"
"""An agent that keeps both sides of a conflict."""

OURS = "git checkout --ours list.txt\n"
"""A lazy agent that takes one side of a conflict."""

ALL_TESTS = "for test in *.sh; do if test -e $test; then sh $test || exit 1; fi; done"


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


def open_pull(team: Team, branch: str, base: str, **files: str) -> str:
    """Open a pull request that starts from a commit and changes files; return its head."""
    ask_forge(team, "POST", "/git/refs", ref=f"refs/heads/{branch}", sha=base)
    named = {name.replace("_", "."): text for name, text in files.items()}
    head = team.forge.commit(team.repository, branch, named)
    ask_forge(team, "POST", "/pulls", title=f"Change {branch}", head=branch, base="main")
    return head


def open_three(team: Team) -> None:
    """Open two clean pull requests, and one that conflicts with the second; both of these bring a test."""
    base = team.forge.commit(team.repository, "main", {"list.txt": "first\nlast\n"})
    open_pull(team, "one", base, one_txt="one\n")
    for name in ("two", "three"):
        files = {"list_txt": f"first\n{name}\nlast\n", f"{name}_sh": f"grep -q {name} list.txt\n"}
        open_pull(team, name, base, **files)


def read_file(team: Team, branch: str, name: str) -> str:
    """Return a file's content at the head of a branch."""
    bare = team.cluster.layout.forge / "repositories" / f"{team.repository}.git"
    done = subprocess.run(
        ["git", "--git-dir", str(bare), "show", f"{branch}:{name}"], capture_output=True, text=True, check=True
    )
    return done.stdout


async def start(team: Team, mode: str, *numbers: int, **spec: Any) -> None:
    urls = [f"{team.url}/pull/{number}" for number in numbers]
    body = {"mode": mode, "pullRequests": urls, "workflowRef": {"name": "work"}, **spec}
    await team.create(MERGE_JOBS, "release", spec=body)


def outcomes(job: Json) -> list[tuple[int, str]]:
    return [(source["number"], source["result"]) for source in job["status"]["sources"]]


@CASES.case
async def three_pull_requests_of_which_two_conflict_become_one(team: Team) -> None:
    open_three(team)
    await team.workflow(BOTH, verify=[ALL_TESTS])
    await start(team, "Combine", 1, 2, 3)
    job = await team.ended("release", MERGE_JOBS)
    assert (job["status"]["phase"], outcomes(job)) == (
        "Completed",
        [(1, "Clean"), (2, "Clean"), (3, "Resolved")],
    ), job["status"]
    result = job["status"]["result"]
    pull = ask_forge(team, "GET", f"/pulls/{result['number']}")
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (result["branch"], "main")
    assert "| #1 Change one |" in pull["body"]
    assert "| merged; the agent resolved its conflicts in 1 attempt |" in pull["body"]
    combined = read_file(team, result["branch"], "list.txt")
    assert sorted(combined.split()) == ["first", "last", "three", "two"]
    assert read_file(team, result["branch"], "one.txt") == "one\n"
    assert team.pulls() == 4
    await team.assert_tokens_ended()


@CASES.case
async def a_resolution_that_drops_a_side_is_left_out_and_the_rest_goes_on(team: Team) -> None:
    open_three(team)
    await team.workflow(OURS, verify=[ALL_TESTS])
    await start(team, "Combine", 1, 2, 3, maxAttempts=1)
    job = await team.ended("release", MERGE_JOBS)
    assert (job["status"]["phase"], outcomes(job)) == (
        "Completed",
        [(1, "Clean"), (2, "Clean"), (3, "Excluded")],
    ), job["status"]
    assert [step["phase"] for step in job["status"]["steps"]] == ["Failed", "Completed"]
    branch = job["status"]["result"]["branch"]
    assert read_file(team, branch, "list.txt") == "first\ntwo\nlast\n"
    assert "**left out**" in ask_forge(team, "GET", f"/pulls/{job['status']['result']['number']}")["body"]


@CASES.case
async def one_pull_request_waits_for_its_check_and_is_merged_as_it_was_verified(team: Team) -> None:
    installation = team.forge.install_app(team.namespace, {**PERMISSIONS, "checks": "read", "statuses": "read"})
    entry = {"url": team.url, "isDefault": True, "app": {"installationId": installation}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
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


@pytest.mark.parametrize("case", CASES.names)
async def test_a_merge(played: Played, case: str) -> None:
    await played[case]
