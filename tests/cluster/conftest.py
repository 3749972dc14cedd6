"""What the tests on the real control plane share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from codecourier.local.cluster import LocalCluster
from codecourier.local.operator_process import OperatorProcess
from tests.support.audit import read_requests
from tests.support.operator_access import OPERATOR
from tests.support.team import operator_process
from tests.support.together import Played, Together


@pytest.fixture(scope="module", autouse=True)
def only_granted_requests(cluster: LocalCluster) -> Iterator[None]:
    """Check after each file that its operators asked for nothing beyond the rules that follow from the rows."""
    yield
    assert OPERATOR.find_excess(read_requests(cluster.layout.audit_log, OPERATOR.user)) == []


@pytest.fixture(scope="module")
def operator(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """Run one operator for all tests of a file."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with operator_process(cluster, log) as running:
        yield running
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    cluster: LocalCluster, operator: OperatorProcess, request: pytest.FixtureRequest
) -> AsyncIterator[Played]:
    """Play the file's `CASES`, as `Together` explains."""
    cases: Together = request.module.CASES
    assert operator.is_running
    async with cases.playing(cluster, request) as tasks:
        yield tasks
