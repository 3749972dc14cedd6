"""A node without isolation, as on a machine without root."""

from collections.abc import Iterator

import pytest

from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from tests.support.processnode import OwnNode, Pods, container, make_pod, running_node

pytestmark = pytest.mark.cluster


@pytest.fixture
def own_node(cluster: LocalCluster, admin_api: LoopbackServer) -> Iterator[OwnNode]:
    with running_node(cluster, admin_api, "--no-isolation") as node:
        yield node


def test_a_pod_runs_and_what_is_not_isolated_is_said(pods: Pods) -> None:
    mount = {"volumeMounts": [{"name": "work", "mountPath": "/codecourier/work"}]}
    ours = {
        "name": "ours",
        "image": "codecourier.dev/courier:1",
        "command": ["python3", "-I", "-c", "import codecourier.task, sys; open(sys.argv[1], 'w').write('hi')"],
        "args": ["/codecourier/work/x"],
        **mount,
    }
    read = container("main", "cat /codecourier/work/x; printf told > /dev/termination-log", **mount)
    pods.create(make_pod("plain", ours, read, volumes=[{"name": "work", "emptyDir": {}}]))
    pod = pods.wait_phase("plain", "Succeeded")
    assert pods.log("plain", "main") == "hi"
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == "told"
    assert "NOT isolated" in pods.node.log_file.read_text()
