"""The embedded cluster that the tests of one run share, also those of several pytest-xdist workers.

A plugin: the first test that asks for `cluster` brings it up, all others attach to it, and the
end of the run takes it down. ``CODECOURIER_TEST_STATE_DIR`` names a state folder to use instead;
that cluster is left as it is.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from codecourier.local.api import LoopbackServer, admin_of
from codecourier.local.cluster import LocalCluster
from codecourier.local.components import API_SERVER
from codecourier.local.state import StateStore, file_lock

__all__ = ["admin_api", "admin_server", "api_server_port", "cluster", "namespace"]

_OWN_STATE_DIR = "CODECOURIER_TEST_STATE_DIR"
_HOME_FILE = "cluster-home"
_STATE_DIR = ".codecourier"
_LOCK_SECONDS = 60


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> LocalCluster:
    """Return the whole cluster, with its node and its forge, up and ready."""
    own = os.environ.get(_OWN_STATE_DIR)
    shared = LocalCluster(Path(own) if own else _shared_home(_run_folder(tmp_path_factory)) / _STATE_DIR)
    shared.up()
    return shared


def admin_server(cluster: LocalCluster) -> LoopbackServer:
    """Return the API server of a cluster that is up, as its administrator sees it."""
    return admin_of(cluster.layout, api_server_port(cluster))


def api_server_port(cluster: LocalCluster) -> int:
    """Return the port of the API server of a cluster that is up."""
    state = StateStore(cluster.layout).read()
    assert state is not None
    return state.ports[API_SERVER]


@pytest.fixture(scope="session")
def admin_api(cluster: LocalCluster) -> LoopbackServer:
    """Return the shared cluster's API server, as its administrator sees it."""
    return admin_server(cluster)


@pytest.fixture
def namespace(admin_api: LoopbackServer) -> Iterator[str]:
    """Make a namespace of the test's own, and delete it afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    admin_api.fetch("POST", "/api/v1/namespaces", orjson.dumps(body))
    yield name
    admin_api.fetch("DELETE", f"/api/v1/namespaces/{name}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Take the shared cluster down; a worker leaves that to the process that started it."""
    factory: pytest.TempPathFactory | None = getattr(session.config, "_tmp_path_factory", None)
    if factory is None or _is_worker():
        return
    home_file = factory.getbasetemp() / _HOME_FILE
    if home_file.exists():
        home = Path(home_file.read_text(encoding="utf-8"))
        LocalCluster(home / _STATE_DIR).down()
        if home.exists():
            home.rmdir()


def _shared_home(run_folder: Path) -> Path:
    """Return a folder that, unlike pytest's own, the users of pods may pass through."""
    home_file = run_folder / _HOME_FILE
    with file_lock(run_folder / f"{_HOME_FILE}.lock", timeout_seconds=_LOCK_SECONDS) as is_held:
        assert is_held, "another worker does not give back the lock of the cluster's folder"
        if not home_file.exists():
            home = Path(tempfile.mkdtemp(prefix="codecourier-"))
            home.chmod(0o711)
            home_file.write_text(str(home), encoding="utf-8")
    return Path(home_file.read_text(encoding="utf-8"))


def _run_folder(factory: pytest.TempPathFactory) -> Path:
    folder = factory.getbasetemp()
    return folder.parent if _is_worker() else folder


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ
