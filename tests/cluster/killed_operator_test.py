"""The operator is killed at each of its writes in turn, or frozen and replaced: nothing is done twice."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS, SANDBOXES, SPRINT_CHAINS, USAGE_RECORDS
from codecourier.kube.access import load_access
from codecourier.kube.api import LEASES, PODS, Json
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.demo.stage import ensure_namespace
from tests.support.main_job import wait_for
from tests.support.mortal import mortal_operator
from tests.support.team import Team, make_team, operator_process

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

DEADLY = (
    "create Run",
    "create Sandbox",
    "create Secret",
    "create Pod",
    "create UsageRecord",
    "create Notification",
    "replace status of",
    "patch Pod",
    "delete Secret",
    "MintTokenPair",
    "RevokeToken of",
    "CreatePullRequest",
)
"""Beginnings of what the operator has to be killed at, or the test shows less than it says."""

SCRIPT = 'sleep 1; echo "$CODECOURIER_SPRINT_NUMBER" >>done.txt'


@pytest_asyncio.fixture
async def team(cluster: LocalCluster) -> AsyncIterator[Team]:
    """Return a team whose operator is not started yet."""
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
        await ensure_namespace(api, "codecourier-system")
        async with make_team(api, cluster) as ready:
            await ready.workflow(SCRIPT, verify=["test -s done.txt"])
            yield ready


async def test_operator_killed_at_each_of_its_writes_does_nothing_twice(team: Team, tmp_path: Path) -> None:
    """One life for each moment before and after a write, until the chain is finished."""
    await team.sprint_chain()
    with mortal_operator(team, tmp_path) as deaths:
        chain = await team.ended("chain", SPRINT_CHAINS)
    assert chain["status"]["phase"] == "Completed", chain["status"]["message"]
    assert deaths.find_missed(*DEADLY) == set()
    # Each life was named as the one before: it need not wait for the Lease to expire.
    assert {death["lease_looks"] for death in deaths.read()} == {1}
    await assert_chain_done_once(team, sprints=1)


async def test_frozen_leader_that_thaws_does_nothing_twice(team: Team, tmp_path: Path) -> None:
    first, second = (operator_process(team.cluster, tmp_path / f"{name}.log", name) for name in ("first", "second"))
    with first:
        await team.sprint_chain(last=2)
        await team.running_pod("agent")
        with second:
            first.signal(signal.SIGSTOP)
            await wait_for(team.api, LEASES, "codecourier-system", lambda leases: leads("second", leases))
            first.signal(signal.SIGCONT)
            chain = await team.ended("chain", SPRINT_CHAINS)
            assert first.wait() == 1
    assert chain["status"]["phase"] == "Completed", chain["status"]["message"]
    await assert_chain_done_once(team, sprints=2)


def leads(identity: str, leases: dict[str, Json]) -> bool:
    """Tell whether the operators' Lease names this one."""
    return any(lease["spec"].get("holderIdentity") == identity for lease in leases.values())


async def assert_chain_done_once(team: Team, *, sprints: int) -> None:
    """Check that each sprint had one Run, agent, push and pull request, and that each was told of once."""
    assert len(set(team.pushes())) == len(team.pushes()) == team.pulls() == team.agents.count == sprints
    for kind in (RUNS, SANDBOXES, PODS, USAGE_RECORDS):
        assert len(await team.names(kind)) == sprints
    assert len(await team.names(NOTIFICATIONS)) == 2 * sprints + 1
    await team.assert_tokens_ended()
