"""Ten pull requests become one with nine of them, by an operator that is killed before and after each of its writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.kinds.api_resources import MERGE_JOBS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.access import load_access
from codecourier.kube.api import Json
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE
from codecourier.local.demo.stage import ensure_namespace
from tests.support.main_job import wait_for
from tests.support.merges import ALL_TESTS, BOTH, ask_forge, open_pull, outcomes, read_file, start_merge
from tests.support.mortal import mortal_operator
from tests.support.team import Team, make_team

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

DEADLY = (
    "patch MergeJob release",
    "replace status of MergeJob release",
    "create Run release-",
    "replace status of Run Completed",
    "replace status of Run Failed",
    "create UsageRecord release-",
    "MintTokenPair",
    "RevokeToken",
    "CreateBranch",
    "CreatePullRequest",
)
"""Beginnings of what the operator has to be killed at, or the test shows less than it says."""

DEADLY_KINDS = ("MergeJob", "Run", "UsageRecord")
"""Whose writes are deadly, beside those to the host; `killed_operator_test.py` has those to pods and their Secrets."""

LIMIT_SECONDS = 240
"""Each life takes the time that an operator takes to start."""

BASE = {"a.txt": "first\nlast\n", "b.txt": "first\nlast\n"}
LEFT_OUT = 4


@pytest_asyncio.fixture
async def team(cluster: LocalCluster) -> AsyncIterator[Team]:
    """Return a team with ten pull requests, whose operator is not started yet."""
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
        await ensure_namespace(api, OPERATOR_NAMESPACE)
        async with make_team(api, cluster) as ready:
            open_ten(ready)
            await ready.workflow(BOTH, verify=[ALL_TESTS])
            yield ready


def open_ten(team: Team) -> None:
    """Open pull requests 1 to 10: 3 conflicts with 2, 4 does and forbids what 2 wants, 10 conflicts with 9."""
    base = team.forge.commit(team.repository, "main", BASE)
    lines = {2: "a", 3: "a", 4: "a", 9: "b", 10: "b"}
    for number in range(1, 11):
        files = {f"p{number}_txt": f"{number}\n"}
        if (name := lines.get(number)) is not None:
            files[f"{name}_txt"] = f"first\nline {number}\nlast\n"
            files[f"p{number}_sh"] = f"grep -q 'line {number}' {name}.txt\n"
        if number == LEFT_OUT:
            files["p4_sh"] = "! grep -q 'line 2' a.txt\n"
        open_pull(team, f"p{number}", base, **files)


def is_over(jobs: dict[str, Json]) -> bool:
    """Tell whether the merge has ended, by its status."""
    return (jobs["release"].get("status") or {}).get("phase") in {"Completed", "Failed", "Cancelled"}


async def test_nine_of_ten_are_combined_once_whenever_the_operator_dies(team: Team, tmp_path: Path) -> None:
    with mortal_operator(team, tmp_path, *DEADLY_KINDS) as deaths:
        await start_merge(team, "Combine", *range(1, 11), maxAttempts=1)
        jobs = await wait_for(team.api, MERGE_JOBS, team.namespace, is_over, seconds=LIMIT_SECONDS)
    job = jobs["release"]
    assert job["status"]["phase"] == "Completed", job["status"]
    assert deaths.find_missed(*DEADLY) == set()
    expected = dict.fromkeys(range(1, 11), "Clean") | {3: "Resolved", 4: "Excluded", 10: "Resolved"}
    assert dict(outcomes(job)) == expected
    assert_listed(team, job)
    assert_combined(team, job)
    await assert_done_once(team, job)


def assert_listed(team: Team, job: Json) -> None:
    """Check that the one new pull request says of each of the ten what became of it."""
    assert team.pulls() == 11
    pull = ask_forge(team, "GET", f"/pulls/{job['status']['result']['number']}")
    assert (pull["head"]["ref"], pull["base"]["ref"]) == (job["status"]["result"]["branch"], "main")
    rows = [line for line in pull["body"].splitlines() if line.startswith("| #")]
    said = dict.fromkeys(range(1, 11), "merged without a conflict")
    said |= dict.fromkeys((3, 10), "merged; the agent resolved its conflicts in 1 attempt")
    left_out = next(source for source in job["status"]["sources"] if source["number"] == LEFT_OUT)
    assert left_out["reason"] == "VerifyFailed"
    for (number, words), row in zip(said.items(), rows, strict=True):
        assert row.startswith(f"| #{number} Change p{number} | ")
        assert row.endswith(f" | {words} |") is (number != LEFT_OUT)
    assert "| **left out**: " in rows[LEFT_OUT - 1]
    assert left_out["message"][:60] in rows[LEFT_OUT - 1]
    assert "combines 9 of 10 pull requests" in pull["body"]


def assert_combined(team: Team, job: Json) -> None:
    """Check that the branch has what nine pull requests bring, and nothing of the tenth."""
    branch = job["status"]["result"]["branch"]
    for number in set(range(1, 11)) - {LEFT_OUT}:
        assert read_file(team, branch, f"p{number}.txt") == f"{number}\n"
    assert read_file(team, branch, "a.txt").split("\n") == ["first", "line 2", "line 3", "last", ""]
    assert read_file(team, branch, "b.txt").split("\n") == ["first", "line 9", "line 10", "last", ""]


async def assert_done_once(team: Team, job: Json) -> None:
    """Check that each step had one Run, pod and usage record, each push happened once, and the branch was made once."""
    steps = job["status"]["steps"]
    assert [step["phase"] for step in steps] == ["Completed", "Failed", "Completed"]
    runs = (await team.api.list(RUNS, team.namespace)).items
    assert sorted(run["metadata"]["name"] for run in runs) == sorted(step["run"] for step in steps)
    records = (await team.api.list(USAGE_RECORDS, team.namespace)).items
    assert sorted(record["spec"]["run"] for record in records) == sorted(step["run"] for step in steps)
    assert len(await team.names(SANDBOXES)) == team.agents.count == len(steps)
    progress = f"refs/codecourier/merge/{job['metadata']['uid']}"
    assert team.pushes() == [progress, progress]
    created = f"{team.repository} create refs/heads/{job['status']['result']['branch']}"
    assert team.forge.counters().ref_writes[created] == 1
    await team.assert_tokens_ended()
