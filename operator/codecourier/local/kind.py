"""A kind cluster in the place of the embedded control plane and its process node.

It was never run, for lack of Docker: see the documentation of the embedded cluster.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

import yaml

from codecourier.local.certificates import KeyPair, write_key_pair
from codecourier.local.errors import LocalError, UnavailableError
from codecourier.local.layout import ClusterLayout
from codecourier.local.processes import wait_until
from codecourier.local.versions import KUBERNETES_VERSION

__all__ = ["check_kind", "create_kind", "delete_kind"]

_DOCKER_SECONDS = 10
_CREATE_SECONDS = 600
_DELETE_SECONDS = 60


def check_kind() -> None:
    """Make sure that a kind cluster can be had.

    Raises
    ------
    UnavailableError
        If Docker does not run or kind is missing.
    """
    missing = [program for program in ("docker", "kind") if shutil.which(program) is None]
    if missing:
        raise UnavailableError(f"needs {' and '.join(missing)} on PATH")
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=_DOCKER_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"needs a running Docker; it did not answer within {_DOCKER_SECONDS} s") from error
    if answer.returncode != 0:
        raise UnavailableError("needs a running Docker; `docker info` failed")


def create_kind(name: str, layout: ClusterLayout, checkpoint: Callable[[], object]) -> int:
    """Create a kind cluster, and write its kubeconfig and the administrator's certificate.

    Returns
    -------
    int
        The port of its API server on loopback.

    Raises
    ------
    LocalError
        If kind fails.
    """
    command = ["kind", "create", "cluster", f"--name={name}", f"--image=kindest/node:{KUBERNETES_VERSION}"]
    log = layout.log("kind")
    with log.open("wb") as output:
        creation = subprocess.Popen(
            [*command, f"--kubeconfig={layout.kubeconfig}", "--wait=120s"], stdout=output, stderr=output
        )

        def has_ended() -> bool:
            checkpoint()
            return creation.poll() is not None

        try:
            wait_until(has_ended, timeout_seconds=_CREATE_SECONDS)
        finally:
            if creation.poll() is None:
                creation.kill()
                creation.wait()
    if creation.returncode != 0:
        raise LocalError(f"`kind create cluster` failed, see {log}")
    return _read_kubeconfig(layout)


def delete_kind(name: str) -> None:
    """Delete a kind cluster."""
    command = ["kind", "delete", "cluster", f"--name={name}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_DELETE_SECONDS)
    if answer.returncode != 0:
        raise LocalError(f"`{' '.join(command)}` failed: {answer.stderr.strip()}")


def _read_kubeconfig(layout: ClusterLayout) -> int:
    content = yaml.safe_load(layout.kubeconfig.read_text(encoding="utf-8"))
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    admin = KeyPair(_decoded(user["client-certificate-data"]), _decoded(user["client-key-data"]))
    write_key_pair(admin, layout.certificate("admin"), layout.key("admin"))
    layout.certificate("ca").write_bytes(_decoded(cluster["certificate-authority-data"]))
    port: int | None = urlsplit(cluster["server"]).port
    if port is None:
        raise LocalError(f"the kubeconfig {layout.kubeconfig} that kind wrote names no port")
    return port


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)
