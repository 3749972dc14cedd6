"""Two operators that were given no name, as two users start them who try the same cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecourier.kube.access import load_access
from codecourier.kube.api import LEASES, Json
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.demo.stage import ensure_namespace
from tests.support.main_job import wait_for
from tests.support.team import operator_process

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

SYSTEM = "codecourier-system"


def holders(leases: dict[str, Json]) -> set[str]:
    """Return the names of the operators that lead."""
    return {lease["spec"].get("holderIdentity", "") for lease in leases.values()} - {""}


async def test_the_second_stands_by_until_the_first_ends(cluster: LocalCluster, tmp_path: Path) -> None:
    logs = tmp_path / "first.log", tmp_path / "second.log"
    first, second = (operator_process(cluster, log, None) for log in logs)
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
        await ensure_namespace(api, SYSTEM)
        before = holders({item["metadata"]["name"]: item for item in (await api.list(LEASES, SYSTEM)).items})
        with first, second:
            leases = await wait_for(api, LEASES, SYSTEM, lambda leases: bool(holders(leases) - before))
            (leader,) = holders(leases)
            words = f"standing by: '{leader}' holds the Lease".encode()
            # A renewal comes about every second, and each time the logs are read.
            await wait_for(api, LEASES, SYSTEM, lambda _: any(words in log.read_bytes() for log in logs))
            assert first.is_running
            assert second.is_running
            is_first = words in logs[1].read_bytes()
            leading, other = (first, second) if is_first else (second, first)
            leading.terminate()
            leases = await wait_for(api, LEASES, SYSTEM, lambda leases: bool(holders(leases) - {leader}))
            assert holders(leases) != {leader}
            assert other.is_running
