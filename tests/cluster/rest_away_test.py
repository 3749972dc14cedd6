"""The REST API while kube-apiserver is away, and kube-apiserver while the REST API is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from codecourier.kinds.api_resources import RECURRING_TASKS
from codecourier.kube.api import NAMESPACES
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.errors import LocalError
from codecourier.local.processes import wait_until
from codecourier.local.rest_api import register_rest_api, unregister_rest_api
from tests.support.cluster import admin_server
from tests.support.rest import CLOSED_PORT, EDITOR, REPOSITORY, known, rest_server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

PROJECT = "rest-away"
LEAVING = "rest-leaving"
MAPS = f"/api/v1/namespaces/{PROJECT}-gc/configmaps"
TASK = {
    "title": "Look around",
    "prompt": "Look.",
    "frequency": "daily",
    "targetWorkflowId": "wf_build",
    "timezone": "UTC",
    "scheduledHour": 8,
    "scheduledMinute": 5,
}


def test_restarted_kube_apiserver_makes_no_answer_stale(cluster: LocalCluster, tmp_path: Path) -> None:
    with rest_server(cluster, tmp_path) as rest:
        rest.project(PROJECT, REPOSITORY)
        key = known(rest, rest.key(PROJECT, "editor", EDITOR).key)
        first = rest.ask("POST", "/recurring-tasks", key, TASK).data["id"]
        cluster.stop("kube-apiserver")
        try:
            read, write = rest.ask("GET", "/recurring-tasks", key), rest.ask("POST", "/recurring-tasks", key, TASK)
        finally:
            cluster.start("kube-apiserver")
        if read.status == 200:
            assert [task["id"] for task in read.data] == [first]
        else:
            assert (read.status, "Retry-After" in read.headers) == (503, True)
        assert (write.status, "Retry-After" in write.headers) == (503, True)
        spec = rest.admin.fetch("GET", RECURRING_TASKS.path(PROJECT))["items"][0]["spec"]
        rest.create(RECURRING_TASKS, PROJECT, "later", spec)

        def is_seen() -> bool:
            answer = rest.ask("GET", "/recurring-tasks", key)
            return answer.status == 200 and "rt_later" in {task["id"] for task in answer.data}

        assert wait_until(is_seen, timeout_seconds=30)
        assert rest.is_ready()
        rest.admin.fetch("DELETE", NAMESPACES.path(name=PROJECT))
    assert "Traceback" not in rest.log.read_text(encoding="utf-8")


@pytest.fixture
def registered(cluster: LocalCluster) -> Iterator[LoopbackServer]:
    """Register a REST API at whose port no server listens."""
    api = admin_server(cluster)
    for name in (LEAVING, f"{PROJECT}-gc"):
        api.fetch("POST", NAMESPACES.path(), orjson.dumps({"metadata": {"name": name}}))
    register_rest_api(api, cluster.layout, CLOSED_PORT)
    try:
        yield api
    finally:
        # Where the test fails before it takes the registration back, every later namespace would stay as well.
        with suppress(LocalError):
            unregister_rest_api(api)
        for name in (LEAVING, f"{PROJECT}-gc"):
            api.request("DELETE", NAMESPACES.path(name=name))


def test_away_rest_api_holds_namespaces_until_it_is_taken_back(registered: LoopbackServer) -> None:
    def failure() -> str:
        found = registered.fetch("GET", NAMESPACES.path(name=LEAVING))["status"].get("conditions", [])
        kind = "NamespaceDeletionDiscoveryFailure"
        return "".join(one["message"] for one in found if (one["type"], one["status"]) == (kind, "True"))

    owner = registered.fetch("POST", MAPS, orjson.dumps({"metadata": {"name": "owner"}}))["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner}
    registered.fetch("POST", MAPS, orjson.dumps({"metadata": {"name": "owned", "ownerReferences": [reference]}}))
    registered.fetch("DELETE", NAMESPACES.path(name=LEAVING))
    assert wait_until(lambda: "ops.codecourier.dev" in failure(), timeout_seconds=30)
    registered.fetch("DELETE", f"{MAPS}/owner")
    assert wait_until(lambda: registered.request("GET", f"{MAPS}/owned").status == 404, timeout_seconds=30)
    unregister_rest_api(registered)
    assert wait_until(
        lambda: registered.request("GET", NAMESPACES.path(name=LEAVING)).status == 404, timeout_seconds=60
    )
