"""What the tests on the real control plane share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codecourier.local.cluster import LocalCluster
from codecourier.local.operator_process import OperatorProcess
from tests.support.team import operator_process


@pytest.fixture(scope="module")
def operator(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """Run one operator for all tests of a file."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with operator_process(cluster, log) as running:
        yield running
    assert "Traceback" not in log.read_text(encoding="utf-8")
