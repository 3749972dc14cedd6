"""What real quotas and policies refuse is said, and goes on once they let it; each case has a namespace of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import pytest

from codecourier.kinds.api_resources import RUNS, SPRINT_CHAINS
from codecourier.kube.api import EVENTS, Json, Resource
from codecourier.kube.errors import ApiError
from tests.support.team import CHANGE, Team, condition, reason
from tests.support.together import Played, Together

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

CASES = Together()

QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
POLICIES, BINDINGS = (
    Resource("admissionregistration.k8s.io", "v1", plural, kind, namespaced=False)
    for plural, kind in (
        ("validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
        ("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding"),
    )
)


_TOO_LARGE = 413


async def limit(team: Team, counted: Mapping[str, int]) -> None:
    """Let a quota allow so many objects more than there are; no controller counts them here, so the test does."""
    hard = {name: str(left) for name, left in counted.items()}
    if "few" not in await team.names(QUOTAS):
        await team.create(QUOTAS, "few", spec={"hard": hard})
    used = dict.fromkeys(hard, "0")
    await team.api.patch(QUOTAS, team.namespace, "few", {"spec": {"hard": hard}})
    body = {"status": {"hard": hard, "used": used}}
    await team.api.patch(QUOTAS, team.namespace, "few", body, subresource="status")


async def forbid(team: Team, plural: str) -> None:
    """Let a policy refuse core objects of a kind in the namespace, with a code that is no 403."""
    name = f"no-{plural}-{team.namespace}"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    rules = [{**rule, "resources": [plural]}, {**rule, "resources": ["configmaps"]}]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}
    constraints = {"resourceRules": rules, "namespaceSelector": selector}
    validation = {"expression": "false", "message": "not in this namespace", "reason": "RequestEntityTooLarge"}
    spec: Json = {"matchConstraints": constraints, "validations": [validation]}
    await team.api.create(POLICIES, _object(POLICIES, name, spec))
    await team.api.create(BINDINGS, _object(BINDINGS, name, {"policyName": name, "validationActions": ["Deny"]}))
    async with asyncio.timeout(60):
        while not await _is_refused(team):  # noqa: ASYNC110  the API server does not say when it knows a policy
            await asyncio.sleep(0.2)


def _object(resource: Resource, name: str, spec: Json) -> Json:
    metadata = {"name": name}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}


async def _is_refused(team: Team) -> bool:
    """Tell whether the API server knows the policy, by a kind that nothing depends on."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe", "namespace": team.namespace}}
    try:
        await team.api.create(CONFIG_MAPS, body, is_dry_run=True)
    except ApiError as error:
        return error.status == _TOO_LARGE
    return False


async def warnings(team: Team) -> str:
    """Return what the namespace's Warning Events say."""
    events = (await team.api.list(EVENTS, team.namespace)).items
    return "\n".join(event["note"] for event in events if event["type"] == "Warning")


def _says(words: str, run: Json) -> bool:
    return words in (run.get("status") or {}).get("message", "")


@CASES.case
async def quota_refuses_one_kind_after_the_other(team: Team) -> None:
    full = {
        "count/sandboxes.codecourier.dev": 0,
        "count/secrets": 0,
        "pods": 0,
        "count/notifications.codecourier.dev": 0,
    }
    await limit(team, full)
    await team.workflow(CHANGE)
    await team.run()
    for kind, name in (("Sandbox", next(iter(full))), ("Secret", "count/secrets"), ("Pod", "pods")):
        run = await team.wait(RUNS, "run", partial(_says, f"refuses {kind} "))
        assert (run["status"]["phase"], reason(run)) == ("Running", "QuotaExceeded")
        full[name] = 9
        await limit(team, full)
    owing = await team.wait(RUNS, "run", lambda run: bool(condition(run, "RecordsOwed").get("message")))
    assert (owing["status"]["phase"], condition(owing, "RecordsOwed")["reason"]) == ("Completed", "QuotaExceeded")
    await limit(team, {"count/notifications.codecourier.dev": 9})
    assert condition(await team.ended(), "RecordsOwed") == {}
    said = await warnings(team)
    assert [kind for kind in ("Sandbox", "Secret", "Pod", "Notification") if f"refuses {kind} " not in said] == []
    await team.assert_done_once()


@CASES.case
async def quota_refuses_the_run_of_a_chain(team: Team) -> None:
    await limit(team, {"count/runs.codecourier.dev": 0})
    await team.workflow(CHANGE)
    await team.sprint_chain()
    chain = await team.wait(SPRINT_CHAINS, "chain", lambda chain: reason(chain) == "QuotaExceeded")
    assert "refuses Run chain" in chain["status"]["message"]
    await limit(team, {"count/runs.codecourier.dev": 9})
    assert (await team.ended("chain", SPRINT_CHAINS))["status"]["phase"] == "Completed"


@CASES.case
async def policy_refuses_a_pod_with_a_code_of_its_own(team: Team) -> None:
    await forbid(team, "pods")
    await team.workflow(CHANGE)
    await team.run()
    run = await team.ended()
    assert (run["status"]["phase"], reason(run)) == ("Failed", "PodRefused")
    assert "not in this namespace" in run["status"]["message"]
    assert await team.tries() == [("Failed", "PodRefused")]


@pytest.mark.parametrize("case", CASES.names)
async def test_refusals(played: Played, case: str) -> None:
    await played[case]
