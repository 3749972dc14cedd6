"""The NetworkPolicy of sandbox pods on the real API server. No node of these tests enforces it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.core.project.network_policy import POLICY_NAME, build_network_policy, is_policy_current, view_policy
from codecourier.kinds.api_resources import PROJECTS, SANDBOXES
from codecourier.kube.api import NETWORK_POLICIES, Json
from codecourier.local.cluster import LocalCluster
from codecourier.resources.project import EgressRule, Project
from tests.support.main_job import MainJob, main_job, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

_EGRESS = (
    EgressRule(cidr="10.20.0.0/16", ports=(443, 3128), description="the office"),
    EgressRule(cidr="0.0.0.0/0", ports=(80,)),
    EgressRule(cidr="::/0", ports=(80,)),
)
_API_SERVER = ("10.0.0.10", "34.1.2.3", "2600:1900::5")


@pytest_asyncio.fixture
async def job(cluster: LocalCluster, namespace: str, tmp_path: Path) -> AsyncIterator[MainJob]:
    """Return a chain of three sprints whose operator is not started yet."""
    async with main_job(cluster, namespace, tmp_path) as ready:
        yield ready


async def policy_when(job: MainJob, project: Project) -> Json:
    """Wait until the namespace's policy is the one that a Project asks for; return it."""

    def is_there(known: dict[str, Json]) -> bool:
        policy = known.get(POLICY_NAME)
        return policy is not None and is_policy_current(project, (), view_policy(policy))

    return (await wait_for(job.api, NETWORK_POLICIES, job.stage.namespace, is_there))[POLICY_NAME]


async def project_of(job: MainJob) -> Project:
    """Return the stage's Project as it is now."""
    return Project.model_validate(await job.api.get(PROJECTS, job.stage.namespace, "default"))


async def test_the_api_server_takes_the_policy_as_built_and_gives_it_back(job: MainJob) -> None:
    project = await project_of(job)
    project = project.updated(spec=project.spec.updated(egress=_EGRESS))
    made = await job.api.create(NETWORK_POLICIES, build_network_policy(project, _API_SERVER))
    assert is_policy_current(project, _API_SERVER, view_policy(made))
    assert made["spec"] == build_network_policy(project, _API_SERVER)["spec"]


async def test_a_policy_is_there_before_the_first_sandbox_and_is_written_once(job: MainJob) -> None:
    with job.operator():
        sandboxes = await wait_for(
            job.api,
            SANDBOXES,
            job.stage.namespace,
            lambda known: any((s.get("status") or {}).get("podUid") for s in known.values()),
        )
        policy = await policy_when(job, await project_of(job))
        assert policy["metadata"]["creationTimestamp"] <= min(
            sandbox["status"]["startTime"] for sandbox in sandboxes.values() if "startTime" in sandbox["status"]
        )
        await job.finished()
        after = await policy_when(job, await project_of(job))
    assert after["metadata"]["resourceVersion"] == policy["metadata"]["resourceVersion"]


async def test_deletion_and_changes_by_hand_are_healed_and_a_new_entry_is_written(job: MainJob) -> None:
    namespace = job.stage.namespace
    with job.operator():
        first = await policy_when(job, await project_of(job))
        await job.api.delete(NETWORK_POLICIES, namespace, POLICY_NAME)
        second = await policy_when(job, await project_of(job))
        assert second["metadata"]["uid"] != first["metadata"]["uid"]
        await job.api.patch(NETWORK_POLICIES, namespace, POLICY_NAME, {"spec": {"egress": [{}]}})
        await policy_when(job, await project_of(job))
        egress = [rule.to_json() for rule in _EGRESS]
        await job.api.patch(PROJECTS, namespace, "default", {"spec": {"egress": egress}})
        third = await policy_when(job, await project_of(job))
        assert third["metadata"]["uid"] == second["metadata"]["uid"]
