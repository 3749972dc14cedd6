"""One REST API server for all tests of this folder, with two projects and the key of an editor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codecourier.local.cluster import LocalCluster
from codecourier.local.processes import wait_until
from codecourier.local.rest_api import is_rest_api_registered, register_rest_api, unregister_rest_api
from codecourier.local.rest_certificate import rest_api_variables
from codecourier.resources.meta import GROUP
from tests.support.audit import read_requests
from tests.support.forge import ForgeProcess, forge
from tests.support.rest import (
    ACCOUNT,
    EDITOR,
    OTHER,
    PROJECT,
    REPOSITORY,
    Rest,
    find_unobserved,
    known,
    rest_server,
)

__all__ = ["editor", "forge", "rest"]

FILES = {path.name for path in Path(__file__).parent.glob("*_test.py")}


@pytest.fixture(scope="package")
def rest(
    cluster: LocalCluster,
    forge: ForgeProcess,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Rest]:
    """Run a REST API for all tests of this folder; the local forge is the only host that it may ask."""
    folder = tmp_path_factory.mktemp("rest")
    environment = {
        "CODECOURIER_API_ACCEPT_WAIT_SECONDS": "0.1",
        "CODECOURIER_FORGE_HOSTS": forge.address.host,
        "CODECOURIER_FORGE_CA_FILE": str(forge.address.ca_path),
    }
    with rest_server(cluster, folder, **environment) as running:
        for name in (PROJECT, OTHER):
            running.project(name, REPOSITORY)
        yield running
        unobserved = find_unobserved(running.document()) if _is_whole(request.session) else []
        for name in (PROJECT, OTHER):
            running.admin.fetch("DELETE", f"/api/v1/namespaces/{name}")
    assert unobserved == [], "no test got these answers"
    assert running.process.returncode == 0
    text = running.log.read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "cc_live_" not in text
    requests = read_requests(cluster.layout.audit_log, ACCOUNT.user)
    assert ACCOUNT.find_excess(requests) == []
    if _is_whole(request.session):
        idle = ACCOUNT.rights - {request.right for request in requests}
        # One of ours is read only where another client was faster to write it, which no test can make sure of.
        assert {right for right in idle if (right[0], right[2]) != (GROUP, "get")} == set()


def _is_whole(session: pytest.Session) -> bool:
    """Tell whether every test of the folder was asked for: some of them need not use each right."""
    asked = {item.path.name for item in session.items if item.path.parent == Path(__file__).parent}
    return asked == FILES and not session.config.option.keyword


@pytest.fixture(scope="package")
def editor(rest: Rest) -> str:
    """Return the key of an editor of the first project, once the REST API and the authorizer know it."""
    return known(rest, rest.key(PROJECT, "editor", EDITOR).key)


@pytest.fixture(scope="package")
def door(
    rest: Rest, cluster: LocalCluster, forge: ForgeProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rest]:
    """Run a REST API with TLS that kube-apiserver passes requests on to, and that may ask the local forge."""
    folder = tmp_path_factory.mktemp("door")
    environment = {
        **rest_api_variables(cluster.layout),
        "CODECOURIER_FORGE_HOSTS": forge.address.host,
        "CODECOURIER_FORGE_CA_FILE": str(forge.address.ca_path),
    }
    with rest_server(cluster, folder, **environment) as running:
        register_rest_api(running.admin, cluster.layout, running.port)
        assert wait_until(lambda: is_rest_api_registered(running.admin), timeout_seconds=60)
        yield running
        unregister_rest_api(running.admin)
    assert "Traceback" not in running.log.read_text(encoding="utf-8")
