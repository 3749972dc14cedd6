"""Thousands of finished objects: copies of what two real Runs left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from bench.arena import Arena
from bench.cases.settled import has_pod_ended, is_project_ready, is_run_over
from bench.clone import as_new, renamed
from bench.kwok import NODE_NAME
from bench.project import IN_FLIGHT, build_run, create_project
from bench.watching import watched
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.api import PODS, Json, KubeApi

__all__ = ["FINISHED", "Template", "make_templates", "seed_finished"]

_NAMESPACES = ("bench-templates", "bench-templates-pulls")
FINISHED = "bench-finished"
"""Namespace of the copies, with a Project that the operator has reconciled."""


@dataclass(frozen=True)
class Template:
    """What a real Run left behind."""

    run: Json
    sandbox: Json
    pod: Json
    others: tuple[Json, ...]
    """Its UsageRecord and its Notifications."""

    @property
    def size(self) -> int:
        """How many objects this is."""
        return 3 + len(self.others)


async def make_templates(arena: Arena) -> list[Template]:
    """Let the operator carry out a Run without changes, and one with a pull request."""
    templates = []
    for namespace in _NAMESPACES:
        await create_project(arena.api, namespace, arena.repository)
        async with watched(arena.api, PROJECTS, namespace, is_project_ready) as projects:
            await projects.wait_for(1, 30)
        async with watched(arena.api, RUNS, namespace, is_run_over) as runs:
            made = await arena.api.create(RUNS, build_run(namespace, namespace))
            if "pulls" in namespace:
                arena.repository.push_for(made)
            await runs.wait_for(1, 60)
        await arena.wait_until(lambda n=namespace: _is_released(arena.api, n), "the pod is released")  # type: ignore[misc]
        templates.append(await _template(arena.api, namespace))
    return templates


async def _is_released(api: KubeApi, namespace: str) -> bool:
    pods = (await api.list(PODS, namespace)).items
    return all(not pod["metadata"].get("finalizers") for pod in pods)


async def _template(api: KubeApi, namespace: str) -> Template:
    (run,), (sandbox,), (pod,) = [(await api.list(resource, namespace)).items for resource in (RUNS, SANDBOXES, PODS)]
    others = [*(await api.list(USAGE_RECORDS, namespace)).items, *(await api.list(NOTIFICATIONS, namespace)).items]
    return Template(run, sandbox, pod, tuple(others))


async def seed_finished(arena: Arena, templates: list[Template], count: int) -> int:
    """Make about `count` objects of finished Runs, the kinds of Runs in turn; return how many were made."""
    chosen = list(_choose(templates, count))
    numbers = iter(chosen)

    async def work() -> None:
        for number, template in numbers:
            await _copy(arena.api, template, f"finished-{number:05}")

    async with watched(arena.api, PODS, FINISHED, has_pod_ended) as pods:
        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(work())
        await pods.wait_for(len(chosen), 300)
    return sum(template.size for _, template in chosen)


def _choose(templates: list[Template], count: int) -> Iterator[tuple[int, Template]]:
    number = 0
    while count > 0:
        template = templates[number % len(templates)]
        yield number, template
        count -= template.size
        number += 1


async def _copy(api: KubeApi, template: Template, name: str) -> None:
    names = {template.run["metadata"]["name"]: name}
    run = await api.create(RUNS, as_new(renamed(template.run, names, {}), FINISHED))
    uids = {template.run["metadata"]["uid"]: run["metadata"]["uid"]}
    await api.replace_status(RUNS, {**run, "status": renamed(template.run["status"], names, uids)})
    sandbox = await api.create(SANDBOXES, as_new(renamed(template.sandbox, names, uids), FINISHED))
    uids[template.sandbox["metadata"]["uid"]] = sandbox["metadata"]["uid"]
    pod = as_new(renamed(template.pod, names, uids), FINISHED)
    pod["spec"]["nodeName"] = NODE_NAME
    made = await api.create(PODS, pod)
    uids[template.pod["metadata"]["uid"]] = made["metadata"]["uid"]
    status = renamed(template.sandbox["status"], names, uids)
    await api.replace_status(SANDBOXES, {**sandbox, "status": status})
    for other in template.others:
        resource = USAGE_RECORDS if other["kind"] == USAGE_RECORDS.kind else NOTIFICATIONS
        await api.create(resource, as_new(renamed(other, names, uids), FINISHED))
