"""One REST API server for all tests of this folder, with two projects and the key of an editor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codecourier.kube.api import NAMESPACES
from codecourier.local.cluster import LocalCluster
from codecourier.local.processes import wait_until
from codecourier.local.rest_api import is_rest_api_registered, register_rest_api, unregister_rest_api
from codecourier.local.rest_certificate import rest_api_variables
from codecourier.resources.meta import GROUP
from tests.support.audit import read_requests
from tests.support.forge import ForgeProcess, forge
from tests.support.observed import DIRECT, PASSED_ON, count_observed, find_unobserved
from tests.support.rest import (
    ACCOUNT,
    EDITOR,
    OTHER,
    PROJECT,
    REPOSITORY,
    PassedOn,
    Rest,
    known,
    rest_server,
)

__all__ = ["direct", "door", "editor", "forge", "rest"]

FILES = {path.name for path in Path(__file__).parent.glob("*_test.py")}


_DOORS = {"passed_on": (PASSED_ON,), "both_doors": (DIRECT, PASSED_ON)}
_COUNTS = pytest.StashKey[str]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test the REST API at the doors that its marker names; without one directly."""
    if "rest" in metafunc.fixturenames:
        marked = [name for name in _DOORS if metafunc.definition.get_closest_marker(name) is not None]
        doors = _DOORS[marked[0]] if marked else (DIRECT,)
        ids = [pytest.HIDDEN_PARAM if door == DIRECT else "kube-apiserver" for door in doors]
        metafunc.parametrize("rest", doors, indirect=True, scope="package", ids=ids)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how many answers were observed."""
    if counts := config.stash.get(_COUNTS, ""):
        terminalreporter.write_line(f"REST API: {counts}")


@pytest.fixture(scope="package")
def direct(
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
        yield running
        document = running.document()
    request.config.stash[_COUNTS] = count_observed(document)
    assert running.process.returncode == 0
    check_log(running)
    requests = read_requests(cluster.layout.audit_log, ACCOUNT.user)
    assert ACCOUNT.find_excess(requests) == []
    if _is_whole(request.session):
        assert find_unobserved(document) == [], "no test got these answers"
        idle = ACCOUNT.rights - {request.right for request in requests}
        # One of ours is read only where another client was faster to write it, which no test can make sure of.
        assert {right for right in idle if (right[0], right[2]) != (GROUP, "get")} == set()


def check_log(rest: Rest) -> None:
    """Make sure that a server has logged no failure of its own and no key."""
    text = rest.log.read_text(encoding="utf-8")
    assert "Traceback" not in text
    assert "cc_live_" not in text


@pytest.fixture(scope="package")
def door(cluster: LocalCluster, forge: ForgeProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """Run a REST API with TLS that kube-apiserver passes requests on to, and that may ask the local forge."""
    folder = tmp_path_factory.mktemp("door")
    environment = {
        **rest_api_variables(cluster.layout),
        "CODECOURIER_API_ACCEPT_WAIT_SECONDS": "0.1",
        "CODECOURIER_FORGE_HOSTS": forge.address.host,
        "CODECOURIER_FORGE_CA_FILE": str(forge.address.ca_path),
    }
    with rest_server(cluster, folder, **environment) as running:
        register_rest_api(running.admin, cluster.layout, running.port)
        assert wait_until(lambda: is_rest_api_registered(running.admin), timeout_seconds=120)
        yield running
        unregister_rest_api(running.admin)
    check_log(running)


@pytest.fixture(scope="package")
def rest(request: pytest.FixtureRequest) -> Iterator[Rest]:
    """Return the REST API at one of its doors, with two projects of its own."""
    found: Rest = request.getfixturevalue("direct" if request.param == DIRECT else "door")
    if request.param == PASSED_ON:
        found = PassedOn(**vars(found))
    for name in (PROJECT, OTHER):
        found.project(name, REPOSITORY)
    yield found
    for name in (PROJECT, OTHER):
        found.admin.fetch("DELETE", NAMESPACES.path(name=name))


def _is_whole(session: pytest.Session) -> bool:
    """Tell whether every test of the folder was asked for: some of them need not use each right."""
    asked = {item.path.name for item in session.items if item.path.parent == Path(__file__).parent}
    return asked == FILES and not session.config.option.keyword


@pytest.fixture(scope="package")
def editor(rest: Rest) -> str:
    """Return the key of an editor of the first project, once the REST API and the authorizer know it."""
    return known(rest, rest.key(PROJECT, "editor", EDITOR).key)
