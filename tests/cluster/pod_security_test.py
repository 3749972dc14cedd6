"""Sandbox pods in a namespace that enforces the restricted Pod Security profile, on the real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from codecourier.local.cluster import LocalCluster
from tests.resources.api import Answer, Api, connect
from tests.support.pods import CASES, case_pod

pytestmark = pytest.mark.cluster


@pytest.fixture
async def api(cluster: LocalCluster) -> AsyncIterator[Api]:
    """Return a connection to the shared cluster."""
    async with connect(cluster.kubeconfig_path) as connected:
        yield connected


async def create(api: Api, namespace: str, pod: dict[str, Any]) -> Answer:
    """Ask the API server for a pod without keeping it."""
    return await api.ask("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All", fieldValidation="Strict")


async def restrict(api: Api, namespace: str) -> None:
    """Have the API server refuse pods that are not restricted; pods need a service account to name."""
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    body = {"metadata": {"name": namespace, "labels": labels}}
    path = f"/api/v1/namespaces/{namespace}"
    # A service account is made by a controller as well; the second of the two gets a 409.
    made = await api.ask("POST", f"{path}/serviceaccounts", {"metadata": {"name": "default"}})
    assert made.code in {201, 409}, made.body
    current = (await api.ask("GET", path)).body
    answer = await api.ask("PUT", path, {**current, "metadata": {**current["metadata"], **body["metadata"]}})
    assert answer.code == 200, answer.body


@pytest.mark.parametrize("name", [name for name in CASES if name != "runtime-class"])
async def test_a_restricted_namespace_takes_the_pod(api: Api, name: str) -> None:
    async with api.namespace() as namespace:
        await restrict(api, namespace)
        answer = await create(api, namespace, case_pod(name, namespace))
    assert answer.code == 201, answer.body["message"]


async def test_the_namespace_refuses_what_is_not_restricted(api: Api) -> None:
    pod_name = "everything"
    async with api.namespace() as namespace:
        await restrict(api, namespace)
        pod = case_pod(pod_name, namespace)
        del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
        answer = await create(api, namespace, pod)
    assert answer.code == 403
    assert "violates PodSecurity" in answer.body["message"]


async def test_a_runtime_class_that_is_missing_fails_closed(api: Api) -> None:
    async with api.namespace() as namespace:
        await restrict(api, namespace)
        answer = await create(api, namespace, case_pod("runtime-class", namespace))
    assert answer.code == 403
    assert 'RuntimeClass "gvisor" not found' in answer.body["message"]
