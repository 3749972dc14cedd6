"""Merges on the embedded cluster: many pull requests become one, and one is merged behind its checks."""

from __future__ import annotations

import pytest

from codecourier.kinds.api_resources import MERGE_JOBS, PROJECTS, RUNS
from codecourier.kube.api import NAMESPACES, SECRETS
from codecourier.local.demo.forge_user import ForgeUser
from codecourier.local.demo.merge_play import find_disappointment, watch_merges
from codecourier.local.demo.merge_stage import CAREFUL, LAZY, PULL_REQUESTS, MergeStage, set_merge_stage
from codecourier.local.demo.merge_view import MergeScene
from codecourier.text import marker
from tests.support.merges import ask_forge, open_pull, read_file, start_merge, tip_of
from tests.support.team import CHANGE, PERMISSIONS, Team, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()


async def let_checks_be_read(team: Team) -> None:
    """Give the Project an App that may read checks."""
    installation = team.forge.install_app(team.namespace, {**PERMISSIONS, "checks": "read", "statuses": "read"})
    entry = {"url": team.url, "isDefault": True, "app": {"installationId": installation}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})


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
    price = read_file(team, resolved["head"]["ref"], "price.sh", user.repository)
    assert price.index("Shipping costs") < price.index("A coupon takes")
    assert "Shipping" not in read_file(team, rest["head"]["ref"], "price.sh", user.repository)
    assert team.forge.counters().pulls_created[user.repository] == len(PULL_REQUESTS) + 2


@CASES.case
async def one_pull_request_waits_for_its_check_and_is_merged_as_it_was_verified(team: Team) -> None:
    await let_checks_be_read(team)
    head = open_pull(team, "one", tip_of(team), one_txt="one\n")
    team.forge.add_rules(team.repository, "main", required_checks=["test"])
    team.forge.set_check(team.repository, head, name="test", status="in_progress")
    await team.workflow(CHANGE, verify=["test -f one.txt"])
    await start_merge(team, "Single", 1)
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
    await start_merge(team, "Single", 2)
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
