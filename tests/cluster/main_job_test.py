"""The main job on the real control plane, with real processes and real git: nothing twice, nothing lost."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.api import PODS, Json
from codecourier.local.cluster import LocalCluster
from tests.support.main_job import MainJob, main_job, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]


@pytest_asyncio.fixture
async def job(cluster: LocalCluster, namespace: str, tmp_path: Path) -> AsyncIterator[MainJob]:
    """Return a chain of three sprints whose operator is not started yet."""
    async with main_job(cluster, namespace, tmp_path) as ready:
        yield ready


async def assert_done_once(job: MainJob, chain: Json) -> None:
    """Check that every sprint was done once, on top of the one before, and told of once."""
    status = chain["status"]
    assert status["phase"] == "Completed", status["message"]
    sprints = status["sprints"]
    assert [sprint["phase"] for sprint in sprints] == ["Completed"] * 3
    assert sorted(job.pushes().values()) == [1, 1, 1]
    assert job.forge.counters().pulls_created[job.stage.repository] == len(sprints)
    assert len(await job.names(RUNS)) == len(sprints)
    assert len(await job.names(SANDBOXES)) == len(await job.names(PODS)) == len(sprints)
    assert await job.names(USAGE_RECORDS) == await job.names(SANDBOXES)
    assert len(await job.names(NOTIFICATIONS)) == 2 * len(sprints) + 1
    assert_stacked(job, [sprint["headCommit"] for sprint in sprints])


def assert_stacked(job: MainJob, commits: list[str]) -> None:
    """Check with git itself that each commit is an ancestor of the next one."""
    repository = job.cluster.layout.root / "forge" / "repositories" / f"{job.stage.repository}.git"
    for older, newer in pairwise(commits):
        subprocess.run(["git", "-C", repository, "merge-base", "--is-ancestor", older, newer], check=True)


async def test_chain_becomes_stacked_pull_requests(job: MainJob) -> None:
    with job.operator():
        await assert_done_once(job, await job.finished())


async def test_operator_ends_well_when_it_is_asked_to(job: MainJob) -> None:
    operator = job.operator()
    operator.start()
    await job.finished()
    assert operator.terminate() == 0


async def test_two_operators_do_the_work_of_one(job: MainJob) -> None:
    with job.operator("first"), job.operator("second"):
        await assert_done_once(job, await job.finished())


@pytest.mark.parametrize("sightings", [1, 2, 3, 4])
async def test_killed_operator_leaves_work_to_the_next(job: MainJob, sightings: int) -> None:
    """Killed with -9 as soon as this many Runs and Sandboxes were seen, then started again under its name."""
    operator = job.operator()
    operator.start()
    kind = RUNS if sightings % 2 else SANDBOXES
    await wait_for(job.api, kind, job.stage.namespace, lambda known: len(known) >= (sightings + 1) // 2)
    operator.kill()
    with job.operator():
        await assert_done_once(job, await job.finished())


@pytest.mark.parametrize("component", ["kube-apiserver", "etcd"])
async def test_restarted_component_delays_and_repeats_nothing(job: MainJob, component: str) -> None:
    with job.kept_operator():
        await wait_for(job.api, SANDBOXES, job.stage.namespace, bool)
        job.cluster.restart(component)
        await assert_done_once(job, await job.finished())


async def test_killed_control_plane_delays_and_repeats_nothing(job: MainJob) -> None:
    """Everything behind the API ends as in a crash, the storage last, and comes back."""
    components = ("kube-controller-manager", "kube-apiserver", "etcd")
    with job.kept_operator():
        await wait_for(job.api, SANDBOXES, job.stage.namespace, bool)
        for component in components:
            job.cluster.kill(component)
        for component in reversed(components):
            job.cluster.start(component)
        await assert_done_once(job, await job.finished())
