"""The objects of the benchmarks: a namespace with its Project and Workflow, and Runs of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from bench.repository import Repository
from codecourier.kinds.api_resources import PROJECTS, RUNS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, SECRETS, Json, KubeApi, Resource
from codecourier.local.demo.stage import build_credential
from codecourier.resources.meta import API_VERSION

__all__ = ["IN_FLIGHT", "PROMPT_BYTES", "build_run", "build_task", "create_all", "create_project"]

IN_FLIGHT = 64
"""Requests of the load that are in flight at once."""

PROMPT_BYTES = 4096
"""Size of each Run's prompt."""

_WORKFLOW = "agent"
_MOST_RUNS = 1000


def build_run(namespace: str, name: str) -> Json:
    """Return a Run."""
    sentence = "Keep the changelog of the shop in order, and say in one line what changed and why. "
    prompt = (sentence * (PROMPT_BYTES // len(sentence) + 1))[:PROMPT_BYTES]
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"workflowRef": {"name": _WORKFLOW}, "prompt": prompt},
    }


def build_task(namespace: str, name: str, hour: int, minute: int) -> Json:
    """Return a RecurringTask that is due each day, at a time in UTC."""
    return {
        "apiVersion": API_VERSION,
        "kind": "RecurringTask",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "frequency": "Daily",
            "timeZone": "UTC",
            "hour": hour,
            "minute": minute,
            "workflowRef": {"name": _WORKFLOW},
            "prompt": build_run(namespace, name)["spec"]["prompt"],
        },
    }


async def create_project(
    api: KubeApi,
    namespace: str,
    repository: Repository,
    *,
    most_runs: int = _MOST_RUNS,
    suspend: bool = False,
    url: str | None = None,
) -> None:
    """Create a namespace with everything that Runs need; `url`: of a repository at another host."""
    await api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    credential = build_credential("repository-token", repository.token, url or repository.url)
    secret = {"apiVersion": "v1", "kind": "Secret", **credential}
    entry = {"url": url or repository.url, "isDefault": True, "credentialRef": {"name": "repository-token"}}
    limits = {"maxConcurrentRuns": most_runs}
    project = _resource("Project", "default", {"repositories": [entry], "limits": limits, "suspend": suspend})
    agent = {"command": ["sh", "-c", 'my-agent --yes <"$CODECOURIER_PROMPT_FILE"'], "timeoutSeconds": 1800}
    workflow = _resource("Workflow", _WORKFLOW, {"image": "agent:1", "agent": agent, "verify": ["make test"]})
    objects: tuple[tuple[Resource, Json], ...] = ((SECRETS, secret), (PROJECTS, project), (WORKFLOWS, workflow))
    for resource, obj in objects:
        await api.create(resource, {**obj, "metadata": {**obj["metadata"], "namespace": namespace}})


async def create_all(
    api: KubeApi, objects: Iterable[Json], created: Callable[[Json], None] = lambda _: None, resource: Resource = RUNS
) -> None:
    """Create objects, `IN_FLIGHT` at once; `created` is called with each as it was stored."""
    rest = iter(objects)

    async def work() -> None:
        for obj in rest:
            created(await api.create(resource, obj))

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


def _resource(kind: str, name: str, spec: Json) -> Json:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
