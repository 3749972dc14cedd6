"""Objects that are pruned together, in any order: what has begun ends with a pull request, and all goes in time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from codecourier.kinds.api_resources import PROJECTS, RUNS, SPRINT_CHAINS, WORKFLOWS
from codecourier.kube.api import SECRETS, Resource
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.scenario import REFERENCE
from tests.simulation.stories import delete, find, play_story, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

CHAIN = replace(REFERENCE, mood="peopled")

PARTS: dict[str, tuple[Resource, str]] = {
    "project": (PROJECTS, "default"),
    "workflow": (WORKFLOWS, "scripted"),
    "chain": (SPRINT_CHAINS, "chain-0"),
}
ORDERS = [
    ("project", "workflow", "chain"),
    ("chain", "workflow", "project"),
    ("workflow", "project", "chain"),
    ("chain", "project", "workflow"),
]


def is_gone(cluster: SimulatedCluster, *parts: str) -> bool:
    """Tell whether these parts are gone."""
    return all(find(cluster, *PARTS[part]) is None for part in parts)


def is_running(cluster: SimulatedCluster, name: str) -> bool:
    """Tell whether a chain is Running."""
    chain = find(cluster, SPRINT_CHAINS, name)
    return chain is not None and (chain.get("status") or {}).get("phase") == "Running"


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_what_is_pruned_while_an_agent_works_still_ends_with_a_pull_request(order: tuple[str, ...]) -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: bool(cluster.nodes.starts))
        for part in order:
            delete(cluster, PARTS[part][1], PARTS[part][0])
            await asyncio.sleep(0.5)
        await until(cluster, 600, lambda: is_gone(cluster, *PARTS))
        assert len(cluster.forge.pulls) == len(cluster.nodes.starts) == 1

    play_story(CHAIN, story)


def test_a_chain_that_is_pruned_with_its_credential_goes_soon_after_its_agent() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: bool(cluster.nodes.starts))
        cluster.monitor.is_people = True
        cluster.server.store.delete(SECRETS, NAMESPACE, "repository-token")
        cluster.monitor.is_people = False
        delete(cluster, "default", PROJECTS)
        delete(cluster, "chain-0", SPRINT_CHAINS)
        await until(cluster, 60, lambda: bool(cluster.forge.pushes))
        await until(cluster, 180, lambda: is_gone(cluster, "project", "chain"))

    play_story(replace(CHAIN, is_personal=True), story)


def test_a_chain_that_is_deleted_while_its_sprint_waits_starts_no_agent() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until(cluster, 60, lambda: bool(cluster.nodes.starts))
        await until(cluster, 60, lambda: is_running(cluster, "chain-1"))
        first = cluster.server.store.list(RUNS, NAMESPACE)
        waiting = next(run.obj for run in first if run.obj["status"].get("phase") in (None, "Pending", "Queued"))
        name = waiting["spec"]["origin"]["name"]
        before = len(cluster.nodes.starts)
        delete(cluster, name, SPRINT_CHAINS)
        took = await until(cluster, 10, lambda: find(cluster, SPRINT_CHAINS, name) is None)
        assert (took < 10, len(cluster.nodes.starts)) == (True, before)
        await asyncio.sleep(300)
        assert {start.run.partition("-")[0] for start in cluster.nodes.starts} == {"chain"}
        assert not [start for start in cluster.nodes.starts if start.run.startswith(f"{name}-")]

    play_story(replace(CHAIN, chains=2), story)
