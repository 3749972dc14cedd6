"""What tools that apply from Git see on a real API server: manifests apply again, and all is observed and waits."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from codecourier.core.shared.naming import LABEL_AGENT_READABLE
from codecourier.kinds.api_resources import PROJECTS, RUNS, SPRINT_CHAINS, WORKFLOWS
from codecourier.kube.api import SECRETS, Json, Resource
from tests.resources.kstatus import kstatus
from tests.support.audit import read_requests
from tests.support.operator_access import OPERATOR
from tests.support.team import CHANGE, HELD, PERMISSIONS, Team, condition, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()

_ROUNDS = 2


def apply_server_side(team: Team, resource: Resource, name: str, spec: Json) -> None:
    """Apply a manifest as Flux does; fails where the API server refuses it."""
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name, "namespace": team.namespace},
        "spec": spec,
    }
    path = f"{resource.path(team.namespace, name)}?fieldManager=flux&force=true"
    team.admin.fetch("PATCH", path, orjson.dumps(body), content_type="application/apply-patch+yaml")


def is_observed(obj: Json) -> bool:
    """Tell whether the generation was observed by the status and by every condition."""
    generation, status = obj["metadata"]["generation"], obj["status"]
    observed = [status["observedGeneration"], *(c["observedGeneration"] for c in status["conditions"])]
    return set(observed) == {generation}


@CASES.case
async def chain_is_applied_again_after_a_resume(team: Team) -> None:
    spec: dict[str, Any] = {
        "workflowRef": {"name": "work"},
        "prompt": "Do it.",
        "sprintRange": {"first": 1, "last": 2},
        "resumeFromSprint": 1,
    }
    await team.workflow(CHANGE)
    apply_server_side(team, SPRINT_CHAINS, "chain", spec)
    chain = await team.ended("chain", SPRINT_CHAINS)
    assert [sprint["phase"] for sprint in chain["status"]["sprints"]] == ["Omitted", "Completed"]
    runs = await team.names(RUNS)
    await team.patch(SPRINT_CHAINS, "chain", {"spec": {"attempt": 2, "resumeFromSprint": None}})
    chain = await team.wait(SPRINT_CHAINS, "chain", lambda chain: chain["status"]["attempt"] == 2)
    assert (chain["status"]["phase"], reason(chain)) == ("Completed", "NothingLeft")
    apply_server_side(team, SPRINT_CHAINS, "chain", spec)
    await team.patch(SPRINT_CHAINS, "chain", {"spec": {**spec, "attempt": 1}})
    applied = await team.get(SPRINT_CHAINS, "chain")
    assert (applied["spec"]["attempt"], applied["spec"]["resumeFromSprint"]) == (1, 1)
    chain = await team.wait(SPRINT_CHAINS, "chain", is_observed)
    assert (chain["status"]["attempt"], chain["status"]["phase"], kstatus(chain)) == (2, "Completed", "Current")
    assert await team.names(RUNS) == runs


@CASES.case
async def run_is_applied_again_after_it_was_cancelled(team: Team) -> None:
    spec = {"workflowRef": {"name": "work"}, "prompt": "Do it."}
    await team.workflow(HELD + CHANGE)
    apply_server_side(team, RUNS, "run", spec)
    await team.running_pod("agent")
    await team.patch(RUNS, "run", {"spec": {"cancelled": True}})
    assert (await team.ended())["status"]["phase"] == "Cancelled"
    apply_server_side(team, RUNS, "run", spec)
    await team.patch(RUNS, "run", {"spec": {"cancelled": False, "attempt": 1}})
    run = await team.wait(RUNS, "run", is_observed)
    assert (run["status"]["phase"], run["status"]["attempt"], kstatus(run)) == ("Cancelled", 1, "Current")
    assert team.agents.count == 1


@CASES.case
async def generation_is_observed_while_an_agent_works_and_after_its_end(team: Team) -> None:
    await team.workflow(HELD + CHANGE)
    await team.run()
    pod = await team.running_pod("agent")
    await team.patch(RUNS, "run", {"spec": {"attempt": 2}})
    run = await team.wait(RUNS, "run", is_observed)
    assert (run["metadata"]["generation"], run["status"]["phase"], kstatus(run)) == (2, "Running", "Current")
    await team.patch(RUNS, "run", {"spec": {"attempt": 1}})
    await team.wait(RUNS, "run", is_observed)
    team.release(pod)
    assert (await team.ended())["status"]["phase"] == "Completed"
    await team.patch(RUNS, "run", {"spec": {"cancelled": True}})
    run = await team.wait(RUNS, "run", is_observed)
    succeeded = condition(run, "Succeeded")
    assert (succeeded["status"], succeeded["observedGeneration"]) == ("True", run["metadata"]["generation"])


@CASES.case
async def next_commits_fix_what_a_run_could_not_start_with(team: Team) -> None:
    await team.workflow(CHANGE, promptTemplate="{{ wrong }}")
    await team.run(baseBranch="feature")
    message = await team.seen("TemplateInvalid")
    assert "unknown placeholder 'wrong'" in message
    run = await team.get(RUNS, "run")
    assert (run["status"]["phase"], condition(run, "Ready")["status"], condition(run, "Stalled")) == (
        "Pending",
        "False",
        {},
    )
    await team.patch(WORKFLOWS, "work", {"spec": {"promptTemplate": "{{ prompt }}"}})
    message = await team.seen("BranchNotFound")
    assert "its default branch is 'main'" in message
    assert kstatus(await team.get(RUNS, "run")) == "InProgress"
    team.forge.commit(team.repository, "feature", {"feature.txt": "new\n"})
    run = await team.ended()
    assert (run["status"]["phase"], run["status"]["baseBranch"]) == ("Completed", "feature")
    await team.assert_done_once()


def count_reads(team: Team, secret: str) -> int:
    """Return how often the operator has read a Secret of the team."""
    path = SECRETS.path(team.namespace, secret)
    requests = read_requests(team.cluster.layout.audit_log, OPERATOR.user)
    return sum(request.path == path and request.verb == "get" for request in requests)


def is_ready(obj: Json) -> bool:
    """Tell whether an object says that it is accepted."""
    return bool(condition(obj, "Ready").get("status") == "True")


@CASES.case
async def project_and_workflow_wake_by_the_secrets_that_they_name(team: Team) -> None:
    """Nothing but the watch tells one that is Ready of a deletion: it plans no look. And each change is read once."""
    token = team.forge.create_token(team.namespace, [team.repository], PERMISSIONS)
    entry = {"url": team.url, "isDefault": True, "credentialRef": {"name": "later"}}
    await team.patch(PROJECTS, "default", {"spec": {"repositories": [entry]}})
    model = {"name": "KEY", "secretKeyRef": {"name": "model", "key": "key"}}
    await team.workflow(CHANGE, secretEnv=[model])
    names = ((PROJECTS, "default", "later"), (WORKFLOWS, "work", "model"))
    for resource, name, _ in names:
        await team.wait(resource, name, lambda obj: condition(obj, "Ready").get("status") == "False")
    before = {secret: count_reads(team, secret) for *_, secret in names}
    for _ in range(_ROUNDS):
        await team.create_credential("later", token=token)
        await team.create_secret("model", {LABEL_AGENT_READABLE: "true"}, key="value")
        for resource, name, _ in names:
            await team.wait(resource, name, is_ready)
        for resource, name, secret in names:
            await team.delete(SECRETS, secret)
            await team.wait(resource, name, lambda obj: not is_ready(obj))
    for *_, secret in names:
        assert 2 * _ROUNDS <= count_reads(team, secret) - before[secret] <= 2 * _ROUNDS + 2, secret
    await team.create_credential("later", token=token)
    await team.create_secret("model", {LABEL_AGENT_READABLE: "true"}, key="value")
    await team.run()
    assert (await team.ended())["status"]["phase"] == "Completed"


@pytest.mark.parametrize("case", CASES.names)
async def test_gitops(played: Played, case: str) -> None:
    await played[case]
