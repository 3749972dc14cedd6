"""The operator among many objects: its start, its memory, and how quiet it is when nothing happens."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from bench.arena import Arena
from bench.audit import OPERATOR_AGENTS, Write, WriteClass, tally
from bench.cases.seed import FINISHED, make_templates, seed_finished
from bench.cases.settled import is_begun, is_project_ready, is_queued, is_running
from bench.project import build_run, create_all, create_project
from bench.report import CaseResult, Figure, Target
from bench.watching import watched
from codecourier.kinds.api_resources import PROJECTS, RUNS, SANDBOXES
from codecourier.local.operator_process import OperatorProcess

__all__ = ["ScalePlan", "measure_scale", "wait_quiet"]

_FIRST = "bench-first"
_ACTIVE, _QUEUED = "bench-active", "bench-queued"
_PARTS_OF_ACTIVE = 4
"""A quarter of the active objects are Runs that run, a quarter their Sandboxes, the rest Runs that wait."""

_MEBIBYTE = 1024 * 1024
_QUIET_SECONDS = 3.0
_STARTED_SECONDS = 5.0
_MOST_MEBIBYTES = 200 * 1_000_000 / _MEBIBYTE
_MOST_CPU_PERCENT = 1.0


@dataclass(frozen=True)
class ScalePlan:
    """How many objects there are, and how long the idle operator is watched."""

    objects: int
    active: int
    idle_seconds: float


@dataclass(frozen=True)
class _Start:
    first_seconds: float
    settled_cpu_seconds: float
    resident_mebibytes: float
    peak_mebibytes: float
    unchanged: list[Write]


async def measure_scale(arena: Arena, plan: ScalePlan) -> CaseResult:
    """Start an operator among finished objects, add active ones, and watch it do nothing."""
    async with arena.operator():
        templates = await make_templates(arena)
        for namespace in (FINISHED, _FIRST, _ACTIVE, _QUEUED):
            await create_project(arena.api, namespace, arena.repository, suspend=namespace == _QUEUED)
            async with watched(arena.api, PROJECTS, namespace, is_project_ready) as projects:
                await projects.wait_for(1, 30)
    # While no operator runs: it would work on a copy before its status is written.
    started = time.monotonic()
    finished = await seed_finished(arena, templates, plan.objects)
    arena.report(f"scale: {finished} finished objects made in {time.monotonic() - started:.0f} s")
    begin = await arena.mark("start")
    async with watched(arena.api, RUNS, _FIRST, is_begun) as runs:
        began = time.monotonic()
        async with arena.started_operator() as operator:
            # Created after the process started, so that it belongs to the load of the start.
            await arena.api.create(RUNS, build_run(_FIRST, "first"))
            await runs.wait_for(1, 120)
            start = await _start(arena, operator, begin, time.monotonic() - began)
            await _add_active(arena, plan.active)
            await wait_quiet(arena)
            idle_percent, writes = await _idle(arena, operator, plan.idle_seconds)
            memory = arena.usage(operator)["operator"].resident_bytes / _MEBIBYTE
    return _result(plan, finished, start, idle_percent, writes, memory)


async def _start(arena: Arena, operator: OperatorProcess, begin: int, first_seconds: float) -> _Start:
    """Return the start's figures once the operator is quiet; `begin` is the audit log's size before the start."""
    await wait_quiet(arena)
    writes = arena.writes(begin, await arena.mark("start"))
    usage = arena.usage(operator)["operator"]
    unchanged = [w for w in writes if _is_ours(w) and w.namespace != _FIRST and w.write_class is not WriteClass.LEASE]
    return _Start(
        first_seconds, usage.cpu_seconds, usage.resident_bytes / _MEBIBYTE, usage.peak_bytes / _MEBIBYTE, unchanged
    )


async def _add_active(arena: Arena, count: int) -> None:
    running = count // _PARTS_OF_ACTIVE
    queued = count - 2 * running
    async with (
        watched(arena.api, SANDBOXES, _ACTIVE, is_running) as sandboxes,
        watched(arena.api, RUNS, _QUEUED, is_queued) as runs,
    ):
        await create_all(arena.api, [build_run(_ACTIVE, f"active-{number:04}") for number in range(running)])
        await create_all(arena.api, [build_run(_QUEUED, f"queued-{number:04}") for number in range(queued)])
        await sandboxes.wait_for(running, 120)
        await runs.wait_for(queued, 120)


async def wait_quiet(arena: Arena) -> None:
    """Wait until only the holders of Leases have written for a while."""
    while True:
        start = await arena.mark("quiet")
        await asyncio.sleep(_QUIET_SECONDS)
        writes = arena.writes(start, await arena.mark("quiet"))
        if not any(_is_ours(w) and w.write_class is not WriteClass.LEASE for w in writes):
            return


async def _idle(arena: Arena, operator: OperatorProcess, seconds: float) -> tuple[float, list[Write]]:
    """Return the share of a core that the operator uses while nothing happens, in percent, and its writes."""
    start, before = await arena.mark("idle"), arena.usage(operator)["operator"]
    began = time.monotonic()
    await asyncio.sleep(seconds)
    after, lasted = arena.usage(operator)["operator"], time.monotonic() - began
    writes = [write for write in arena.writes(start, await arena.mark("idle")) if _is_ours(write)]
    return (after.cpu_seconds - before.cpu_seconds) / lasted * 100, writes


def _is_ours(write: Write) -> bool:
    return write.agent in OPERATOR_AGENTS


def _result(
    plan: ScalePlan, finished: int, start: _Start, idle_percent: float, writes: list[Write], memory: float
) -> CaseResult:
    idle = tally(writes)
    figures = (
        Figure("objects", finished, ""),
        Figure(
            "first new object reconciled after",
            start.first_seconds,
            "s",
            target=Target(_STARTED_SECONDS, is_lower=False),
        ),
        Figure("writes for what is unchanged", len(start.unchanged), "", target=Target(0, is_lower=False)),
        Figure("processor time until quiet", start.settled_cpu_seconds, "s"),
        Figure("memory", start.resident_mebibytes, "MiB", target=Target(_MOST_MEBIBYTES, is_lower=False)),
        Figure("memory at most", start.peak_mebibytes, "MiB"),
        Figure(f"memory with {plan.active} active objects", memory, "MiB"),
        Figure("idle processor", idle_percent, "% of a core", target=Target(_MOST_CPU_PERCENT, is_lower=False)),
        Figure("idle writes", idle.objects + idle.events, "", target=Target(0, is_lower=False)),
    )
    details = {
        "idle_seconds": plan.idle_seconds,
        "idle_leases": idle.leases,
        "idle_writes": idle.by_label,
        "unchanged_writes": tally(start.unchanged).by_label,
    }
    return CaseResult("scale", figures, details)
