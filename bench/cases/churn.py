"""The operator's memory while Runs come and go: nothing may stay behind of what is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bench.arena import Arena
from bench.cases.settled import is_project_ready, is_run_over
from bench.project import IN_FLIGHT, build_run, create_all, create_project
from bench.report import CaseResult, Figure, Target, ratio
from bench.watching import watched
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.api import PODS, Resource
from codecourier.local.operator_process import OperatorProcess

__all__ = ["ROUND", "measure_churn"]

ROUND = 300
"""Runs of one round; each round ends once everything of it is deleted."""

_NAMESPACE = "bench-churn"
_MADE = (SANDBOXES, PODS)
_RECORDS = (NOTIFICATIONS, USAGE_RECORDS)
_MOST_GROWTH = 1.3
_ROUND_SECONDS = 300.0
_MEBIBYTE = 1024 * 1024


async def measure_churn(arena: Arena, runs: int) -> CaseResult:
    """Let rounds of Runs live and be deleted; compare the memory after the last round with that after the first."""
    async with arena.operator() as operator:
        await create_project(arena.api, _NAMESPACE, arena.repository)
        async with watched(arena.api, PROJECTS, _NAMESPACE, is_project_ready) as projects:
            await projects.wait_for(1, 30)
        at_rest = _resident(arena, operator)
        after = []
        for number in range(max(2, runs // ROUND)):
            async with asyncio.timeout(_ROUND_SECONDS):
                await _play_round(arena, number)
            after.append(_resident(arena, operator))
            arena.report(f"churn: {(number + 1) * ROUND} Runs made and deleted, {after[-1]:.0f} MiB")
    figures = (
        Figure("memory before", at_rest, "MiB"),
        Figure(f"memory after {ROUND} Runs", after[0], "MiB"),
        Figure(
            f"memory after {len(after) * ROUND} Runs",
            after[-1],
            "MiB",
            f"{after[0]:.0f} MiB after the first {ROUND}",
            ratio(after[-1], after[0]),
            Target(_MOST_GROWTH, is_lower=False),
        ),
    )
    return CaseResult("churn", figures, {"mebibytes_after_each_round": [round(value, 1) for value in after]})


async def _play_round(arena: Arena, number: int) -> None:
    names = [f"run-{number}-{index:03}" for index in range(ROUND)]
    async with watched(arena.api, RUNS, _NAMESPACE, is_run_over) as runs:
        await create_all(arena.api, [build_run(_NAMESPACE, name) for name in names])
        await runs.wait_for(ROUND, _ROUND_SECONDS)
    await _delete_all(arena, RUNS, names)
    for resource in _RECORDS:
        found = (await arena.api.list(resource, _NAMESPACE)).items
        await _delete_all(arena, resource, (obj["metadata"]["name"] for obj in found))

    async def is_gone() -> bool:
        lists = [await arena.api.list(resource, _NAMESPACE) for resource in (RUNS, *_MADE)]
        return not any(listed.items for listed in lists)

    await arena.wait_until(is_gone, "a round and what belonged to it are gone", _ROUND_SECONDS)


async def _delete_all(arena: Arena, resource: Resource, names: Iterable[str]) -> None:
    rest = iter(names)

    async def work() -> None:
        for name in rest:
            await arena.api.delete(resource, _NAMESPACE, name)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


def _resident(arena: Arena, operator: OperatorProcess) -> float:
    return arena.usage(operator)["operator"].resident_bytes / _MEBIBYTE
