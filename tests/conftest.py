"""What holds for every test: options, order, and no network but loopback."""

import ipaddress
import sys

import pytest
from hypothesis import settings

# Helpers hold assertions too: without this a failure there would not say which values differ.
pytest.register_assert_rewrite("tests.controller", "tests.kube", "tests.support")
pytest_plugins = ("tests.support.cluster", "tests.support.processnode")

# The time that an example takes depends on the machine, so it decides nothing. A change is judged by the same examples
# as the one before it; every night looks for new ones (`--hypothesis-profile=new-examples`).
settings.register_profile("codecourier", deadline=None, derandomize=True)
settings.register_profile("new-examples", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile("codecourier")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this suite."""
    parser.addoption("--update-golden", action="store_true", help="write what is, instead of comparing, to tests/data/")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are written instead of compared."""
    return bool(request.config.getoption("--update-golden"))


def is_loopback(address: object) -> bool:
    """Tell whether an address that is about to be connected to stays on this machine."""
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def refuse_other_networks(event: str, arguments: tuple[object, ...]) -> None:
    """Fail the test that is about to connect to another machine; an audit hook sees every socket of this process."""
    if event == "socket.connect" and not is_loopback(arguments[1]):
        raise PermissionError(f"a test connects to {arguments[1]!r}; tests talk to loopback only")


def pytest_configure() -> None:
    """Guard the network from the start."""
    sys.addaudithook(refuse_other_networks)
