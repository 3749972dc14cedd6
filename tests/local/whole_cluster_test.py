"""The embedded cluster with its node and its forge."""

import asyncio
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from codecourier.kube.access import load_access
from codecourier.kube.client import AiohttpKube
from codecourier.local.api import LoopbackServer, admin_of
from codecourier.local.cluster import Condition, LocalCluster
from codecourier.local.components import API_SERVER, COMPONENTS, NODE
from codecourier.local.demo.requests import make_key
from codecourier.local.options import ClusterOptions
from codecourier.local.processes import ProcessRecord, is_running, record_of, wait_until
from codecourier.local.state import StateStore

pytestmark = pytest.mark.cluster


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalCluster]:
    """Return a whole cluster of the test's own."""
    options = ClusterOptions(with_operator=True, with_rest_api=True)
    result = LocalCluster(tmp_path / ".codecourier", options)
    result.up()
    yield result
    result.down()


def run_pod(api: LoopbackServer, namespace: str, command: list[str]) -> None:
    container = {"name": "main", "image": "any", "command": command}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": spec}
    # A namespace can take pods once its service account is there.
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    assert wait_until(partial(api.is_answering, account), timeout_seconds=60)
    api.fetch("POST", f"/api/v1/namespaces/{namespace}/pods", orjson.dumps(pod))


def phase(api: LoopbackServer, namespace: str) -> str:
    pod: dict[str, Any] = api.fetch("GET", f"/api/v1/namespaces/{namespace}/pods/pod")
    return str(pod["status"].get("phase"))


def test_a_pod_runs_and_the_api_server_has_its_log(admin_api: LoopbackServer, namespace: str) -> None:
    run_pod(admin_api, namespace, ["sh", "-c", "echo hello"])
    assert wait_until(lambda: phase(admin_api, namespace) == "Succeeded", timeout_seconds=60)
    assert admin_api.fetch_bytes(f"/api/v1/namespaces/{namespace}/pods/pod/log") == b"hello\n"


def test_the_forge_answers_under_its_url(cluster: LocalCluster) -> None:
    port = int(cluster.forge_url.rpartition(":")[2])
    assert LoopbackServer(port, cluster.layout.forge / "ca.crt").is_serving("/")


def check_rest_api(own: LocalCluster) -> None:
    """Ask the REST API with a key, which no log, state or kubeconfig holds."""

    async def make() -> str:
        async with AiohttpKube(load_access(own.kubeconfig_path)) as api:
            return await make_key(api, "default")

    key = asyncio.run(make())
    headers = {"Authorization": f"Bearer {key}"}

    def status() -> int:
        url, authority = f"{own.rest_url}/recurring-tasks", str(own.rest_authority_path)
        return requests.get(url, headers=headers, timeout=30, verify=authority).status_code

    assert wait_until(lambda: status() == 403, timeout_seconds=30)
    files = [path for path in own.layout.root.rglob("*") if path.is_file() and "etcd" not in path.parts]
    assert [path for path in files if key.encode() in path.read_bytes()] == []
    assert own.layout.rest_kubeconfig.stat().st_mode & 0o077 == 0


def test_it_is_whole_and_down_also_ends_the_containers_of_a_node_that_crashed(
    own: LocalCluster, tmp_path: Path
) -> None:
    state = StateStore(own.layout).read()
    assert state is not None
    assert set(state.processes) == set(COMPONENTS)
    assert {item.condition for item in own.status()} == {Condition.READY}
    check_rest_api(own)
    api = admin_of(own.layout, state.ports[API_SERVER])
    assert api.fetch("GET", "/apis/ops.codecourier.dev/v1/namespaces/default/api/v1/recurring-tasks")["data"] == []
    # A number that no other process of this machine has among its arguments.
    canary = str(10_000_000 + os.getpid())
    run_pod(api, "default", ["sleep", canary])
    containers: list[ProcessRecord] = []

    def has_started() -> bool:
        containers[:] = _processes_with(canary)
        return bool(containers)

    assert wait_until(has_started, timeout_seconds=60)
    own.kill(NODE)
    assert any(is_running(record) for record in containers)
    own.down()
    assert wait_until(lambda: not any(map(is_running, containers)), timeout_seconds=30)
    assert not any(is_running(record) for record in state.processes.values())
    assert list(tmp_path.iterdir()) == []


def _processes_with(argument: str) -> list[ProcessRecord]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if arguments[:2] == [b"sleep", argument.encode("ascii")]:
            found.append(record_of(int(folder.name)))
    return found
