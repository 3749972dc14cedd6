"""How often a busy Project asks its repositories' host: GitHub allows a credential 5,000 requests an hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES
from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.operations.get_repository import GetRepository
from codecourier.kinds.api_resources import PROJECTS, RUNS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, Json, Resource
from codecourier.resources.meta import API_VERSION
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.faults import NoFaults
from tests.simulation.forge import URL, ForgeClient
from tests.simulation.scenario import REFERENCE

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(300)]

BUSY = "busy"
HOST = "https://forge.test/busy"
REPOSITORIES, RUNS_AN_HOUR = 50, 60


def create(cluster: SimulatedCluster, resource: Resource, name: str, spec: Json) -> None:
    body = {"apiVersion": API_VERSION, "kind": resource.kind, "metadata": {"name": name, "namespace": BUSY}}
    cluster.server.store.create(resource, {**body, "spec": spec})


def test_a_project_with_many_repositories_asks_for_what_is_needed() -> None:
    asked: Counter[str] = Counter()
    right = ForgeClient.do

    async def do(self: ForgeClient, repo: RepositoryRef, operation: Operation[Any]) -> Any:
        if repo.url.startswith(HOST) and isinstance(operation, GetRepository):
            asked["unchanged" if operation.known is not None else "full"] += 1
        return await right(self, replace(repo, url=URL), operation)

    async def main() -> None:
        cluster = SimulatedCluster(replace(REFERENCE, chains=0), NoFaults())
        metadata = {"name": BUSY, "annotations": {ANNOTATION_APP_REPOSITORIES: HOST}}
        cluster.server.store.create(NAMESPACES, {"metadata": metadata})
        await pass_time(1.0)
        repositories = [
            {"url": f"{HOST}/r{number}", "isDefault": number == 0, "app": {"installationId": 7}}
            for number in range(REPOSITORIES)
        ]
        create(cluster, PROJECTS, "default", {"repositories": repositories, "limits": {"maxConcurrentRuns": 3}})
        create(cluster, WORKFLOWS, "scripted", {"image": "agent", "agent": {"command": ["agent"]}})
        for number in range(RUNS_AN_HOUR):
            create(cluster, RUNS, f"r{number}", {"workflowRef": {"name": "scripted"}, "prompt": "x"})
            await pass_time(3600.0 / RUNS_AN_HOUR)
        phases = Counter(run.obj["status"]["phase"] for run in cluster.server.store.list(RUNS, BUSY))
        assert phases["Completed"] >= RUNS_AN_HOUR - 1

    with patch.object(ForgeClient, "do", do):
        run_virtual(main)
    assert asked["full"] == REPOSITORIES
    assert asked.total() <= 5 * REPOSITORIES + 2 * RUNS_AN_HOUR, asked
