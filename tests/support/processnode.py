"""A process node of the tests' own beside the shared cluster's: it can be killed, cut off and brought back.

A plugin: `own_node` takes only the pods that name it, so that tests that hurt their node do not hurt others.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.ports import choose_ports
from codecourier.local.processes import wait_until
from codecourier.local.processnode.orphans import stop_everything
from codecourier.local.processnode.settings import SOURCE_ROOT

__all__ = ["OwnNode", "Pods", "container", "is_root", "make_pod", "own_node", "pods", "running_node"]

_WAIT_SECONDS = 60
_CLOSE_AFTER_KILL_SECONDS = 30

Json = dict[str, Any]


def container(name: str, script: str, **fields: Any) -> Json:
    """Return a container that runs a script of the shell."""
    return {"name": name, "image": "any", "command": ["sh", "-c", script], **fields}


def make_pod(name: str, *containers: Json, **spec: Any) -> Json:
    """Return a pod; its last container is the main one and those before it are init containers."""
    *inits, main = containers
    content = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "initContainers": inits,
        "containers": [main],
        **spec,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": content}


class OwnNode:
    """A process node in a process of its own.

    Parameters
    ----------
    cluster
        The cluster that it joins.
    state_dir
        Its state folder.
    options
        Further words of its command line.
    """

    def __init__(self, cluster: LocalCluster, state_dir: Path, *options: str) -> None:
        self.name = f"node-{secrets.token_hex(4)}"
        self.port = choose_ports([self.name])[self.name]
        self.state_dir = state_dir
        self._cluster = cluster
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """The node's log."""
        return self.state_dir.parent / f"{self.name}.log"

    def start(self) -> None:
        """Start it, and wait until its log endpoint listens."""
        layout = self._cluster.layout
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "codecourier.local.processnode", "--no-bind"),
                    f"--kubeconfig={layout.node_kubeconfig}",
                    f"--state-dir={self.state_dir}",
                    f"--node-name={self.name}",
                    f"--port={self.port}",
                    f"--tls-cert={layout.certificate('node-serving')}",
                    f"--tls-key={layout.key('node-serving')}",
                    f"--client-ca={layout.certificate('ca')}",
                    *self._options,
                ],
                stderr=log,
                # The package need not be installed.
                env={**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
            )
        process = self._process
        wait_until(lambda: self._is_listening() or process.poll() is not None, timeout_seconds=_WAIT_SECONDS)
        assert process.poll() is None, self.log_file.read_text(encoding="utf-8")

    def kill(self) -> None:
        """Kill the node alone; its containers run on."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the node in good order, its containers with it."""
        self._end(signal.SIGTERM)

    def disappear(self) -> None:
        """Freeze the node: it sends and answers nothing, while its containers run on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)

    def come_back(self) -> None:
        """Let the frozen node go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=_CLOSE_AFTER_KILL_SECONDS)
            self._process = None


@dataclass(frozen=True)
class Pods:
    """The pods of one test on its own node."""

    api: LoopbackServer
    namespace: str
    node: OwnNode

    @property
    def path(self) -> str:
        """The collection's path."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def create(self, pod: Json) -> Json:
        """Create a pod on the test's node."""
        account = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        assert wait_until(partial(self.api.is_answering, account), timeout_seconds=_WAIT_SECONDS)
        bound = {**pod, "spec": {**pod["spec"], "nodeName": self.node.name}}
        created: Json = self.api.fetch("POST", self.path, orjson.dumps(bound))
        return created

    def create_object(self, plural: str, item: Json) -> None:
        """Create another object, such as a Secret."""
        self.api.fetch("POST", f"/api/v1/namespaces/{self.namespace}/{plural}", orjson.dumps(item))

    def patch(self, path: str, body: Json) -> None:
        """Merge into an object of the namespace."""
        self.api.fetch(
            "PATCH",
            f"/api/v1/namespaces/{self.namespace}/{path}",
            orjson.dumps(body),
            content_type="application/merge-patch+json",
        )

    def get(self, name: str) -> Json:
        """Return the pod."""
        pod: Json = self.api.fetch("GET", f"{self.path}/{name}")
        return pod

    def exists(self, name: str) -> bool:
        """Tell whether there is such a pod."""
        return self.api.is_answering(f"{self.path}/{name}")

    def delete(self, name: str, **options: Any) -> None:
        """Ask for a pod's deletion."""
        self.api.fetch("DELETE", f"{self.path}/{name}", orjson.dumps(options))

    def log(self, name: str, of: str, **options: str) -> str:
        """Return a container's log."""
        query = "&".join(f"{key}={value}" for key, value in {"container": of, **options}.items())
        return self.api.fetch_bytes(f"{self.path}/{name}/log?{query}").decode()

    def wait(self, name: str, condition: Callable[[Json], bool]) -> Json:
        """Wait until a pod is as wanted, and return it."""
        last: list[Json] = []

        def holds() -> bool:
            last[:] = [self.get(name)]
            return condition(last[0])

        assert wait_until(holds, timeout_seconds=_WAIT_SECONDS), last[0].get("status")
        return last[0]

    def wait_phase(self, name: str, *phases: str) -> Json:
        """Wait until a pod is in one of these phases, final ones if none is named."""
        return self.wait(name, lambda pod: pod["status"].get("phase") in (phases or ("Succeeded", "Failed")))

    def wait_gone(self, name: str) -> None:
        """Wait until there is no such pod."""
        assert wait_until(lambda: not self.exists(name), timeout_seconds=_WAIT_SECONDS)

    def wait_log(self, name: str, of: str, text: str) -> str:
        """Wait until a container's log has a text, and return the log."""
        path = f"{self.path}/{name}/log?container={of}"

        def has_text() -> bool:
            return text.encode() in self.api.request("GET", path).content

        assert wait_until(has_text, timeout_seconds=_WAIT_SECONDS)
        return self.log(name, of)


@pytest.fixture(scope="module")
def own_node(cluster: LocalCluster, admin_api: LoopbackServer) -> Iterator[OwnNode]:
    """Return a running node of the module's own."""
    with running_node(cluster, admin_api) as node:
        yield node


@contextmanager
def running_node(cluster: LocalCluster, api: LoopbackServer, *options: str) -> Iterator[OwnNode]:
    """Run a node with these further options, and leave nothing of it."""
    folder = Path(tempfile.mkdtemp(prefix="processnode-"))
    node = OwnNode(cluster, folder / "state", *options)
    node.state_dir.mkdir()
    try:
        node.start()
        yield node
    finally:
        node.stop()
        stop_everything(node.state_dir, grace_seconds=0)
        api.request("DELETE", f"/api/v1/nodes/{node.name}")
        shutil.rmtree(folder)


@pytest.fixture
def pods(admin_api: LoopbackServer, namespace: str, own_node: OwnNode) -> Pods:
    """Return the pods of this test."""
    return Pods(admin_api, namespace, own_node)


def is_root() -> bool:
    """Tell whether this process may isolate containers."""
    return sys.platform == "linux" and os.geteuid() == 0
