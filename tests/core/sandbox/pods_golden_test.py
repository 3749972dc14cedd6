"""What holds of the pod of every Workflow, and the pods of some of them as they were read."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier import layout
from codecourier.core.run.start import build_sandbox
from codecourier.core.sandbox.pods import build_pod
from codecourier.core.shared.naming import ANNOTATION_TASK, LABEL_MANAGED, LABEL_RUN_UID, LABEL_SANDBOX_UID
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.resources.workflow import WorkflowSpec
from tests.resources.samples import crds, schema_of
from tests.resources.strategies import values
from tests.support.golden import check_golden
from tests.support.pods import CASES, case_pod
from tests.support.worlds import make_run, queued

PROMPT = "canary prompt: mend the shop"
TOKEN_VOLUMES = {"token-read", "token-write"}
OURS = {"checkout", "publish"}
WITH_AGENT_SECRETS = {"agent", "verify", "collect"}
ALLOWED_VOLUMES = {"downwardAPI", "emptyDir", "secret"}

WORKFLOWS = values(schema_of(crds()["Workflow"])["properties"]["spec"]).map(WorkflowSpec.model_validate)
SETTINGS = st.builds(PodSettings, st.just("courier"), has_ca=st.booleans())


@pytest.mark.parametrize("name", CASES)
def test_the_pod_is_as_it_was_read(name: str, *, update_golden: bool) -> None:
    check_golden(f"core/pods/{name}.yaml", case_pod(name, namespace="shop"), update=update_golden)


def pod_of(workflow: WorkflowSpec, settings: PodSettings) -> dict[str, Any]:
    """Return the pod of a Workflow."""
    sandbox = build_sandbox(queued(make_run()), 1, 1)
    sandbox = sandbox.updated(metadata=sandbox.metadata.updated(uid="uid-sandbox"))
    return build_pod(sandbox, workflow, f'{{"prompt":"{PROMPT}"}}', "tokens", settings)


def containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the containers by name, in their order."""
    return {c["name"]: c for c in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])}


def mounted(container: dict[str, Any]) -> set[str]:
    """Return the volumes of a container."""
    return {mount["name"] for mount in container["volumeMounts"]}


def secrets_of(container: dict[str, Any]) -> list[tuple[str, str]]:
    """Return name and key of each Secret in a container's environment."""
    references = [e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e]
    return [(reference["name"], reference["key"]) for reference in references]


@given(workflow=WORKFLOWS, settings=SETTINGS)
def test_credentials_are_divided_for_every_workflow(workflow: WorkflowSpec, settings: PodSettings) -> None:
    pod = pod_of(workflow, settings)
    steps = containers(pod)
    for name, container in steps.items():
        volumes = mounted(container)
        assert volumes & TOKEN_VOLUMES == {"checkout": {"token-read"}, "publish": {"token-write"}}.get(name, set())
        assert ("courier" in volumes) == (name in OURS)
        assert ("ca" in volumes) == (name in OURS and settings.has_ca)
        wanted = [(v.secret_key_ref.name, v.secret_key_ref.key) for v in workflow.secret_env]
        assert secrets_of(container) == (wanted if name in WITH_AGENT_SECRETS else [])
        assert "envFrom" not in container
    assert not mounted(steps["publish"]) & {"workspace", "reports", "home", "tmp-agent", "control"}
    token_secrets = {v["name"] for v in pod["spec"]["volumes"] if "secret" in v}
    assert token_secrets == TOKEN_VOLUMES | ({"ca"} if settings.has_ca else set())


@given(workflow=WORKFLOWS, settings=SETTINGS)
def test_the_prompt_is_in_the_annotation_alone(workflow: WorkflowSpec, settings: PodSettings) -> None:
    pod = pod_of(workflow, settings)
    assert PROMPT in pod["metadata"]["annotations"].pop(ANNOTATION_TASK)
    assert PROMPT not in repr(pod)
    readers = {name for name, container in containers(pod).items() if "task" in mounted(container)}
    assert readers == {"checkout", "collect", "publish"}


@given(workflow=WORKFLOWS, settings=SETTINGS)
def test_every_pod_is_restricted_and_bounded(workflow: WorkflowSpec, settings: PodSettings) -> None:
    pod = pod_of(workflow, settings)
    spec = pod["spec"]
    assert set(pod["metadata"]["labels"]) == {LABEL_MANAGED, LABEL_RUN_UID, LABEL_SANDBOX_UID}
    for field in ("automountServiceAccountToken", "enableServiceLinks", "shareProcessNamespace"):
        assert spec[field] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostAliases", "serviceAccountName"} & set(spec)
    assert spec.get("runtimeClassName") == workflow.runtime_class_name
    assert 0 < spec["activeDeadlineSeconds"] < 2**31
    assert spec["activeDeadlineSeconds"] > workflow.agent.timeout_seconds + workflow.start_timeout_seconds
    for name, container in containers(pod).items():
        context, limits = container["securityContext"], container["resources"]["limits"]
        assert context["runAsNonRoot"]
        assert context["runAsUser"] in {layout.AGENT_UID, layout.COURIER_UID}
        assert (context["runAsGroup"], context["readOnlyRootFilesystem"]) == (layout.SHARED_GID, True)
        # What our own steps ask for does not count, as a pod asks for the most that one of its steps asks for.
        asked = limits if name in {"agent", "verify"} else {"cpu": "50m", "memory": "64Mi"}
        assert container["resources"]["requests"] == asked
        assert is_positive(limits["cpu"])
        assert is_positive(limits["memory"])


@given(workflow=WORKFLOWS, settings=SETTINGS)
def test_every_volume_is_declared_used_and_bounded(workflow: WorkflowSpec, settings: PodSettings) -> None:
    pod = pod_of(workflow, settings)
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert set().union(*(mounted(container) for container in containers(pod).values())) == set(volumes)
    for volume in volumes.values():
        (kind,) = set(volume) - {"name"}
        assert kind in ALLOWED_VOLUMES
        if kind == "emptyDir":
            assert is_positive(volume[kind]["sizeLimit"])


def is_positive(quantity: str) -> bool:
    """Tell whether a quantity bounds anything: Kubernetes takes a limit of zero for none."""
    match = re.match("[0-9]+", quantity)
    return match is not None and int(match[0]) > 0
