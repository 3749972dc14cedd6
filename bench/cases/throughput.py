"""Runs a minute: many at once, pods that finish at once, the whole life of each."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.arena import Arena
from bench.audit import OPERATOR_AGENTS, Write, WriteClass, tally
from bench.cases.raw_writes import measure_raw_writes
from bench.cases.settled import is_project_ready, is_run_over
from bench.processes import differences
from bench.project import build_run, create_all, create_project
from bench.report import CaseResult, Figure, Target, ratio
from bench.watching import watched
from codecourier.kinds.api_resources import NOTIFICATIONS, PROJECTS, RUNS, SANDBOXES, USAGE_RECORDS
from codecourier.kube.api import Json

__all__ = ["ThroughputPlan", "measure_throughput"]

_REFERENCE_RAW = 450
"""Raw writes a second of the machine that the target of Runs a minute was set on."""

_SECONDS_FOR_ONE = 1.0
_LEAST_SECONDS = 120.0


@dataclass(frozen=True)
class ThroughputPlan:
    """Which throughput is measured.

    Parameters
    ----------
    case
        Name of the case.
    namespace
        Where the Runs are.
    has_pull_requests
        Whether each Run ends with a pull request, and so with two Notifications.
    runs
        How many are created at once.
    raw
        How many objects are created to learn the raw limit, before and after.
    target_ratio
        Least share of the raw limit, by the writes that a Run needs.
    target_runs
        Least Runs a minute on a machine with the reference's raw limit.
    """

    case: str
    namespace: str
    has_pull_requests: bool
    runs: int
    raw: int
    target_ratio: float
    target_runs: float


async def measure_throughput(arena: Arena, plan: ThroughputPlan) -> CaseResult:
    """Create Runs at once and wait until all of them, and what belongs to them, have ended."""
    before = await measure_raw_writes(arena, f"{plan.case}-before", plan.raw)
    async with arena.operator() as operator:
        await create_project(arena.api, plan.namespace, arena.repository)
        async with watched(arena.api, PROJECTS, plan.namespace, is_project_ready) as projects:
            await projects.wait_for(1, 30)
        arena.report(f"{plan.case}: {plan.runs} Runs at once")
        opened_before = arena.repository.pull_requests()
        start, used = await arena.mark(plan.case), arena.usage(operator)
        ends, creating = await _run_all(arena, plan)
        used_by = differences(used, arena.usage(operator))
        writes = arena.writes(start, await arena.mark(plan.case))
        opened = arena.repository.pull_requests() - opened_before
        await _check(arena, plan, opened)
    after = await measure_raw_writes(arena, f"{plan.case}-after", plan.raw)
    details: dict[str, object] = {
        "creating_seconds": round(creating, 2),
        "first_and_tenths_ended_after": [round(ends[min(len(ends) - 1, len(ends) * i // 10)], 2) for i in range(11)],
        "cpu_seconds": used_by,
    }
    processor = _processor(used_by, plan.runs)
    return _result(plan, (before, after), ends[-1], writes, processor, details)


async def _run_all(arena: Arena, plan: ThroughputPlan) -> tuple[list[float], float]:
    """Return the seconds until each Run had ended, in order, and those until the last Run was created."""

    def created(run: Json) -> None:
        if plan.has_pull_requests:
            arena.repository.push_for(run)

    objects = [build_run(plan.namespace, f"run-{number:04}") for number in range(plan.runs)]
    limit = max(_LEAST_SECONDS, plan.runs * _SECONDS_FOR_ONE)
    async with watched(arena.api, RUNS, plan.namespace, is_run_over) as runs:
        started = time.monotonic()
        await create_all(arena.api, objects, created)
        creating = time.monotonic() - started
        await runs.wait_for(plan.runs, limit)
        return [ended - started for ended in runs.times], creating


async def _check(arena: Arena, plan: ThroughputPlan, opened: int) -> None:
    """Fail if less was done than the figures claim."""
    assert opened == plan.runs * plan.has_pull_requests, f"{opened} pull requests were opened for {plan.runs} Runs"
    for resource, count in ((SANDBOXES, 1), (USAGE_RECORDS, 1), (NOTIFICATIONS, 1 + plan.has_pull_requests)):
        found = len((await arena.api.list(resource, plan.namespace)).items)
        assert found == count * plan.runs, f"{found} {resource.plural} of {plan.runs} Runs, not {count} each"
    failed = [
        run["status"]["message"]
        for run in (await arena.api.list(RUNS, plan.namespace)).items
        if run["status"]["phase"] != "Completed"
    ]
    assert not failed, f"{len(failed)} Runs did not complete: {failed[0]}"


def _processor(used_by: dict[str, float], runs: int) -> tuple[Figure, Figure]:
    """Return processor time, which, unlike speed, does not depend on what else uses the machine."""
    milliseconds = {name: seconds / runs * 1000 for name, seconds in used_by.items()}
    return (
        Figure("processor time of the operator", milliseconds["operator"], "ms/Run"),
        Figure("processor time of all processes", sum(milliseconds.values()), "ms/Run"),
    )


def _result(
    plan: ThroughputPlan,
    raw: tuple[float, float],
    seconds: float,
    writes: list[Write],
    processor: tuple[Figure, Figure],
    details: dict[str, object],
) -> CaseResult:
    limit = sum(raw) / len(raw)
    needed = len([w for w in writes if w.write_class is not WriteClass.LEASE]) / plan.runs
    rate = plan.runs / seconds
    ours = tally(writes, lambda write: write.agent in OPERATOR_AGENTS)
    figures = (
        Figure("raw writes", limit, "/s"),
        Figure("all ended after", seconds, "s"),
        Figure("writes by all clients", needed, "/Run"),
        Figure("writes by the operator", ours.objects / plan.runs, "/Run"),
        *processor,
        Figure(
            "Runs a second",
            rate,
            "/s",
            f"{limit:.0f}/s / {needed:.1f} = {limit / needed:.1f}/s",
            ratio(rate, limit / needed),
            Target(plan.target_ratio, is_lower=True),
        ),
        Figure(
            "Runs a minute",
            rate * 60,
            "/min",
            f"{plan.target_runs:.0f}/min * {limit:.0f}/{_REFERENCE_RAW}",
            ratio(rate * 60, plan.target_runs * limit / _REFERENCE_RAW),
            Target(1.0, is_lower=True),
        ),
    )
    agents = sorted({write.agent for write in writes})
    by_agent = {agent: tally(writes, lambda w, a=agent: w.agent == a).by_label for agent in agents}  # type: ignore[misc]
    return CaseResult(plan.case, figures, {**details, "raw_before": raw[0], "raw_after": raw[1], "writes": by_agent})
