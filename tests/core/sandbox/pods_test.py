"""The division of credentials, read off the pod: who sees a token, who can write what others parse."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier import layout
from codecourier.core.run.start import build_sandbox
from codecourier.core.sandbox.pods import build_pod
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.resources.workflow import SecretKeyReference, SecretVariable
from tests.support.worlds import make_run, make_workflow, queued


@pytest.fixture
def pod() -> dict[str, Any]:
    """Return the pod of a Workflow with everything that a pod can have."""
    secret = SecretVariable(name="API_KEY", secret_key_ref=SecretKeyReference(name="model", key="key"))
    workflow = make_workflow(verify=("make test",), secret_env=(secret,)).spec
    sandbox = build_sandbox(queued(make_run()), 1, 1)
    return build_pod(sandbox, workflow, "{}", "tokens", PodSettings("courier", has_ca=True))


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the containers by name, in their order."""
    return {c["name"]: c for c in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])}


def mounted(container: dict[str, Any]) -> dict[str, bool]:
    """Return the volumes of a container and whether it can write them."""
    return {mount["name"]: not mount["readOnly"] for mount in container["volumeMounts"]}


def test_the_steps_are_in_order(pod: dict[str, Any]) -> None:
    assert list(containers(pod)) == ["checkout", "agent", "verify", "collect", "publish"]


def test_only_checkout_and_publish_see_a_token_and_each_its_own(pod: dict[str, Any]) -> None:
    seen = {name: {v for v in mounted(c) if v.startswith("token")} for name, c in containers(pod).items()}
    assert seen == {
        "checkout": {"token-read"},
        "agent": set(),
        "verify": set(),
        "collect": set(),
        "publish": {"token-write"},
    }


def test_steps_with_a_token_share_nothing_that_the_agent_writes(pod: dict[str, Any]) -> None:
    steps = containers(pod)
    agent_writes = {volume for volume, can_write in mounted(steps["agent"]).items() if can_write}
    assert agent_writes == {"workspace", "reports", "home", "tmp-agent"}
    assert not agent_writes & set(mounted(steps["publish"]))
    assert agent_writes & set(mounted(steps["checkout"])) == {"workspace"}  # checkout is over before the agent starts


def test_what_checkout_keeps_of_its_token_and_clone_is_in_no_container_of_its_user(pod: dict[str, Any]) -> None:
    steps = containers(pod)
    kept = set(mounted(steps["checkout"])) - {"workspace", "control", "task"}
    assert {"token-read", "courier", "tmp-courier"} <= kept
    for name in ("agent", "verify", "collect"):
        assert steps[name]["securityContext"]["runAsUser"] == steps["checkout"]["securityContext"]["runAsUser"]
        assert not kept & set(mounted(steps[name])), name


def test_collect_only_reads_what_the_agent_wrote(pod: dict[str, Any]) -> None:
    rights = mounted(containers(pod)["collect"])
    assert [volume for volume, can_write in rights.items() if can_write] == ["outbox", "tmp-collect"]


def test_users_differ_and_none_is_root(pod: dict[str, Any]) -> None:
    users = {name: c["securityContext"]["runAsUser"] for name, c in containers(pod).items()}
    agent, ours = layout.AGENT_UID, layout.COURIER_UID
    assert users == {"checkout": agent, "agent": agent, "verify": agent, "collect": agent, "publish": ours}
    assert agent != ours


def test_every_container_is_restricted(pod: dict[str, Any]) -> None:
    for container in containers(pod).values():
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"]
        assert context["allowPrivilegeEscalation"] is False
        assert container["resources"]["limits"]
    assert pod["spec"]["automountServiceAccountToken"] is False


def test_no_secret_and_no_prompt_is_an_environment_variable_of_ours(pod: dict[str, Any]) -> None:
    for name in ("checkout", "publish"):
        assert [e["name"] for e in containers(pod)[name]["env"]] == [layout.ROOT_ENV]
    names = [e["name"] for e in containers(pod)["collect"]["env"]]
    assert names == [layout.ROOT_ENV, f"{layout.CANARY_ENV_PREFIX}API_KEY"]
