"""A Project's credential is missing, wrong or gone in the middle: the Run says so, and goes on once it is repaired."""

from __future__ import annotations

import pytest

from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.kube.access import load_access
from codecourier.kube.api import NAMESPACES, SECRETS
from tests.support.team import CHANGE, CREDENTIAL, HELD, PERMISSIONS, Team, condition
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()


async def use_secret(team: Team) -> str:
    """Have the Project name a Secret `forge`; return a token that could stand in it."""
    entry = {"url": team.url, "isDefault": True, "credentialRef": {"name": "forge"}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
    return team.forge.create_token(team.namespace, [team.repository], PERMISSIONS)


async def assert_completed(team: Team) -> None:
    """Wait for the end of the Run, and check that one try did the work once."""
    run = await team.ended()
    assert run["status"]["phase"] == "Completed", run["status"]
    assert len(run["status"]["tries"]) == 1
    await team.assert_done_once()


@CASES.case
async def secret_is_missing(team: Team) -> None:
    token = await use_secret(team)
    await team.workflow(CHANGE)
    await team.run()
    assert await team.seen("CredentialsMissing") == (
        f"No usable credential for {team.url}: Secret 'forge' is not there. Create it with the key 'token'"
        " and the label codecourier.dev/repository-credential=true."
    )
    await team.create_credential("forge", token=token)
    await assert_completed(team)


@CASES.case
async def key_is_missing(team: Team) -> None:
    token = await use_secret(team)
    await team.create_credential("forge", tokens=token)
    await team.workflow(CHANGE)
    await team.run()
    assert await team.seen("CredentialsMissing") == (
        f"No usable credential for {team.url}: Secret 'forge' has no text in its key 'token'."
    )
    await team.patch(SECRETS, "forge", {"stringData": {"token": token}})
    await assert_completed(team)


@CASES.case
async def secret_is_not_meant_for_repositories(team: Team) -> None:
    """Its owner lets it go step by step: to repositories at all, to another one, to this one."""
    token = await use_secret(team)
    await team.create_secret("forge", token=token)
    await team.workflow(CHANGE)
    await team.run()
    assert "it is not meant for repositories" in await team.seen("SecretNotAllowed")
    elsewhere = {"codecourier.dev/repositories": f"{team.url}-of-others"}
    await team.patch(SECRETS, "forge", {"metadata": {"labels": CREDENTIAL, "annotations": elsewhere}})
    await team.wait(PROJECTS, "default", lambda p: "does not list" in condition(p, "Ready").get("message", ""))
    await team.patch(SECRETS, "forge", {"metadata": {"annotations": {"codecourier.dev/repositories": team.url}}})
    await assert_completed(team)


@CASES.case
async def namespace_may_not_use_the_app(team: Team) -> None:
    key = "codecourier.dev/app-repositories"
    right = (await team.api.get(NAMESPACES, None, team.namespace))["metadata"]["annotations"][key]
    await team.api.patch(NAMESPACES, None, team.namespace, {"metadata": {"annotations": {key: None}}})
    await team.workflow(CHANGE)
    await team.run()
    assert "codecourier.dev/app-repositories" in await team.seen("AppNotAllowed")
    await team.api.patch(NAMESPACES, None, team.namespace, {"metadata": {"annotations": {key: right}}})
    await assert_completed(team)


@CASES.case
async def host_is_not_allowed(team: Team) -> None:
    """The API server itself would answer there: nothing is asked of it, and nothing that it says is repeated."""
    server = f"{load_access(team.cluster.kubeconfig_path).address}/api/v1"
    right = (await team.get(PROJECTS, "default"))["spec"]
    entry = {"url": server, "isDefault": True, "credentialRef": {"name": "forge"}}
    await team.create_credential("forge", token="canary-never-sent")
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
    await team.workflow(CHANGE)
    await team.run()
    said = await team.seen("HostNotAllowed")
    assert said.startswith(f"The operator sends nothing to {server.split('/')[2]}, the host of {server}.")
    project = await team.wait(PROJECTS, "default", lambda project: condition(project, "Ready").get("status") == "False")
    assert condition(project, "Ready")["message"] == said
    await team.patch(PROJECTS, "default", {"spec": right})


@CASES.case
async def token_is_wrong(team: Team) -> None:
    token = await use_secret(team)
    await team.create_credential("forge", token="github_pat_never_made")
    await team.workflow(CHANGE)
    await team.run()
    said = await team.seen("CredentialsRefused")
    assert said.startswith(f"The credential for {team.url} was refused: ")
    assert "never_made" not in said
    await team.patch(SECRETS, "forge", {"stringData": {"token": token}})
    await assert_completed(team)


@CASES.case
async def token_may_not_push(team: Team) -> None:
    """The forge tells only at the push; the next tries take the token that was repaired meanwhile."""
    token = await use_secret(team)
    weak = team.forge.create_token(team.namespace, [team.repository], {"contents": "read", "pull_requests": "write"})
    await team.create_credential("forge", token=weak)
    await team.workflow(CHANGE)
    await team.run()
    run = await team.wait(RUNS, "run", lambda run: "retryTime" in (run.get("status") or {}))
    first = run["status"]["tries"][0]
    assert first["reason"] == "CredentialsRefused"
    assert "check what it may do" in first["message"]
    assert "(step publish)" in first["message"]
    await team.patch(SECRETS, "forge", {"stringData": {"token": token}})
    run = await team.ended()
    assert run["status"]["phase"] == "Completed", run["status"]
    assert len(team.pushes()) == team.pulls() == 1


@CASES.case
async def secret_goes_before_the_pull_request(team: Team) -> None:
    token = await use_secret(team)
    await team.create_credential("forge", token=token)
    await team.workflow(HELD + CHANGE)
    await team.run()
    pod = await team.running_pod("agent")
    await team.delete(SECRETS, "forge")
    team.release(pod)
    assert "Secret 'forge' is not there" in await team.seen("CredentialsMissing")
    run = await team.get(RUNS, "run")
    assert run["status"]["pullRequest"]["phase"] == "Creating"
    assert len(team.pushes()) == 1
    await team.create_credential("forge", token=token)
    await assert_completed(team)


@CASES.case
async def installation_is_wrong(team: Team) -> None:
    entry = {"url": team.url, "isDefault": True, "app": {"installationId": team.installation + 1_000_000}}
    right = (await team.get(PROJECTS, "default"))["spec"]
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
    await team.workflow(CHANGE)
    await team.run()
    run = await team.wait(RUNS, "run", lambda run: "installation" in (run.get("status") or {}).get("message", ""))
    assert run["status"]["phase"] == "Pending"
    assert str(team.installation + 1_000_000) in run["status"]["message"]
    await team.patch(PROJECTS, "default", {"spec": right})
    await assert_completed(team)


@CASES.case
async def agents_secret_is_missing(team: Team) -> None:
    """What the agent itself needs: absent, then not labelled as readable, then repaired."""
    variable = {"name": "API_KEY", "secretKeyRef": {"name": "model", "key": "key"}}
    await team.workflow(CHANGE, secretEnv=[variable])
    await team.run()
    said = await team.seen("SecretNotReadable")
    assert said.startswith("Secret 'model' must exist, have the key 'key' and carry the label")
    await team.create_secret("model", {"codecourier.dev/agent-readable": "true"}, key="a-key-of-a-model")
    await assert_completed(team)


@pytest.mark.parametrize("case", CASES.names)
async def test_run_goes_on_after_the_repair(played: Played, case: str) -> None:
    await played[case]
