"""The forge breaks down, asks to wait, loses answers or says no: nothing happens twice, and the status says why."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from codecourier.core.shared.naming import branch_name
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import Json
from tests.support.team import CHANGE, HELD, Team
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()


def rest(team: Team, path: str = "") -> str:
    """Return the pattern of a path of the repository in the REST API."""
    return f"^/api/v3/repos/{team.repository}{path}$"


def minting(team: Team) -> str:
    """Return the pattern of the path at which tokens are minted."""
    return f"/app/installations/{team.installation}/access_tokens$"


async def completed(team: Team, *reasons: str) -> Json:
    """Wait for the end of the Run; check its tries' reasons and that the work was done once."""
    run = await team.ended()
    assert run["status"]["phase"] == "Completed", run["status"]
    assert [entry["reason"] for entry in run["status"]["tries"]] == [*reasons, "Completed"]
    assert len(team.pushes()) == team.pulls() == 1
    await team.assert_tokens_ended()
    return run


async def failed(team: Team) -> str:
    """Wait until the Run has failed without a push of ours; return its message."""
    run = await team.ended()
    assert run["status"]["phase"] == "Failed"
    assert (len(run["status"]["tries"]), team.pushes(), team.pulls()) == (1, [], 0)
    await team.assert_tokens_ended()
    return str(run["status"]["message"])


async def failing_lookup(team: Team, reason_: str, **answer: Any) -> str:
    """Let lookups of the repository fail until the Run says why it waits; return what it says."""
    # The Project's plan looks, too, and may be the first or the second.
    fault = team.forge.answer_with(method="GET", path=rest(team), times=1000, **answer)
    await team.workflow(CHANGE)
    await team.run()
    said = await team.seen(reason_)
    team.forge.clear_faults(fault)
    return said


@CASES.case
async def lookup_answers_500(team: Team) -> None:
    said = await failing_lookup(team, "ForgeUnavailable", status=500, message="unicorns")
    assert said.startswith(f"{team.url} does not answer as it should: ")
    assert "500" in said
    await completed(team)


@CASES.case
async def lookup_answers_429(team: Team) -> None:
    said = await failing_lookup(team, "RateLimited", status=429, message="slow down", retry_after_seconds=3)
    assert said.startswith(f"The host of {team.url} asks to wait: ")
    await completed(team)


async def minting_fails(team: Team, *, status: int, reason: str, words: str) -> None:
    # The first token is the operator's own.
    team.forge.answer_with(status, method="POST", path=minting(team), passes=1, retry_after_seconds=2)
    await team.workflow(CHANGE)
    await team.run()
    sandbox = await team.sandbox_says(reason)
    assert words in sandbox
    await completed(team)


CASES.add("minting_answers_500", partial(minting_fails, status=500, reason="ForgeUnavailable", words="as it should"))
CASES.add("minting_answers_429", partial(minting_fails, status=429, reason="RateLimited", words="asks to wait"))


@CASES.case
async def minted_token_is_lost(team: Team) -> None:
    team.forge.lose_answer(method="POST", path=minting(team), passes=1)
    await team.workflow(CHANGE)
    await team.run()
    assert "does not answer as it should" in await team.sandbox_says("ForgeUnavailable")
    await completed(team)
    assert team.agents.count == 1


async def pull_request_fails(team: Team, *, status: int, reason: str, words: str) -> None:
    team.forge.answer_with(status, method="POST", path=rest(team, "/pulls"), retry_after_seconds=2)
    await team.workflow(CHANGE)
    await team.run()
    assert words in await team.seen(reason)
    run = await completed(team)
    assert run["status"]["pullRequest"]["phase"] == "Created"
    assert team.agents.count == 1


CASES.add(
    "opening_answers_500", partial(pull_request_fails, status=500, reason="ForgeUnavailable", words="as it should")
)
CASES.add("opening_answers_429", partial(pull_request_fails, status=429, reason="RateLimited", words="asks to wait"))


@CASES.case
async def opened_pull_request_is_lost(team: Team) -> None:
    team.forge.lose_answer(method="POST", path=rest(team, "/pulls"))
    await team.workflow(CHANGE)
    await team.run()
    run = await completed(team)
    assert run["status"]["pullRequest"]["number"] == 1
    assert team.agents.count == 1


@CASES.case
async def revocation_answers_500(team: Team) -> None:
    team.forge.answer_with(500, method="DELETE", path="^/api/v3/installation/token$", times=2)
    await team.workflow(CHANGE)
    await team.run()
    await completed(team)


@CASES.case
async def clone_answers_500(team: Team) -> None:
    team.forge.answer_with(500, method="GET", path=f"{team.git_path}info/refs")
    await team.workflow(CHANGE)
    await team.run()
    run = await completed(team, "ForgeUnavailable")
    said = run["status"]["tries"][0]["message"]
    assert "does not answer as it should" in said
    assert "(HTTP 500)" in said
    assert "(step checkout)" in said
    assert team.agents.count == 1


@CASES.case
async def clone_answers_429(team: Team) -> None:
    team.forge.answer_with(429, method="GET", path=f"{team.git_path}info/refs", retry_after_seconds=3)
    await team.workflow(CHANGE)
    await team.run()
    run = await completed(team, "RateLimited")
    assert "asks to wait" in run["status"]["tries"][0]["message"]
    assert team.agents.count == 1


@CASES.case
async def push_answers_500(team: Team) -> None:
    team.forge.answer_with(500, method="POST", path=f"{team.git_path}git-receive-pack$")
    await team.workflow(CHANGE)
    await team.run()
    run = await completed(team, "ForgeUnavailable")
    assert "(step publish)" in run["status"]["tries"][0]["message"]
    assert team.agents.count == 2


@CASES.case
async def answer_to_push_is_lost(team: Team) -> None:
    team.forge.lose_answer(method="POST", path=f"{team.git_path}git-receive-pack$")
    await team.workflow(CHANGE)
    await team.run()
    await completed(team)
    assert team.agents.count == 1


@CASES.case
async def push_is_lost(team: Team) -> None:
    # More than once: curl itself sends a request again when a connection that it kept turns out to be closed.
    lost = team.forge.lose_request(method="POST", path=f"{team.git_path}git-receive-pack$", times=9)
    await team.workflow(CHANGE)
    await team.run()
    await team.wait(RUNS, "run", lambda run: "retryTime" in (run.get("status") or {}))
    team.forge.clear_faults(lost)
    await completed(team, "ForgeUnavailable")


@CASES.case
async def hook_refuses_push(team: Team) -> None:
    team.forge.refuse_pushes(team.repository, "no pushes on Fridays")
    await team.workflow(CHANGE)
    await team.run()
    said = await failed(team)
    assert said.startswith("Step publish failed: PushRefused: The forge refused the push to 'codecourier/run-")
    assert "no pushes on Fridays" in said


@CASES.case
async def protected_branch_refuses_push(team: Team) -> None:
    await team.workflow(HELD + CHANGE)
    run = await team.run()
    pod = await team.running_pod("agent")
    team.forge.protect(team.repository, branch_name("run", run["metadata"]["uid"], 1))
    team.release(pod)
    said = await failed(team)
    assert "PushRefused: The forge refused the push to 'codecourier/run-" in said
    assert "protected" in said.lower()


@CASES.case
async def somebody_else_moved_the_branch(team: Team) -> None:
    await team.workflow(HELD + CHANGE)
    run = await team.run()
    pod = await team.running_pod("agent")
    branch = branch_name("run", run["metadata"]["uid"], 1)
    commit = team.forge.commit(team.repository, branch, {"theirs.txt": "theirs\n"})
    team.release(pod)
    said = await failed(team)
    assert f"PushRejected: Branch '{branch}' was changed by another push meanwhile (now {commit})" in said


@pytest.mark.parametrize("case", CASES.names)
async def test_forge(played: Played, case: str) -> None:
    await played[case]
