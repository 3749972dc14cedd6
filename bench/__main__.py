"""The command `make bench`."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.arena import Arena, open_arena
from bench.cases.churn import ROUND, measure_churn
from bench.cases.follow import measure_follow
from bench.cases.hang import measure_hang
from bench.cases.look import measure_look
from bench.cases.merges import measure_merges
from bench.cases.rest import measure_rest
from bench.cases.run_writes import measure_run_writes
from bench.cases.scale import ScalePlan, measure_scale
from bench.cases.schedules import measure_idle_tasks, measure_lateness, measure_slots
from bench.cases.throughput import ThroughputPlan, measure_throughput
from bench.kwok import KwokProgram, find_kwok
from bench.report import CaseResult, render, write_results
from codecourier.local.cluster import LocalCluster
from codecourier.local.errors import LocalError
from codecourier.local.options import ClusterOptions
from codecourier.local.versions import KUBERNETES_VERSION

__all__ = ["main"]

_RESULTS = Path(__file__).parent / "results"
_WIDTH = 140
"""Columns of the table where its output goes to a file."""

_LOGS = ("operator.log", "kwok.log")

_PULLS = 1000
"""Open pull requests of one repository that are followed."""

_RUNS_BESIDE = 100
"""Runs of the team that is measured beside one whose host hangs."""

_MINUTES, _TASKS_A_MINUTE = 3, 100
"""6,000 tasks over an hour are 100 in each minute; some minutes show as much as all."""

Case = Callable[[Arena], Awaitable[CaseResult]]


def main(
    *,
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Runs that are created at once.")] = 300,
    raw: Annotated[int, typer.Option(min=100, max=20_000, help="Objects that the raw limit is measured with.")] = 1000,
    objects: Annotated[int, typer.Option(min=10, max=50_000, help="Finished objects.")] = 10_000,
    active: Annotated[int, typer.Option(min=4, max=4000, help="Active objects among the finished ones.")] = 1000,
    idle_seconds: Annotated[float, typer.Option(min=1, max=300, help="How long idleness is watched.")] = 30.0,
    churn: Annotated[int, typer.Option(min=2 * ROUND, max=30_000, help="Runs that are made and deleted.")] = 3000,
    hung: Annotated[int, typer.Option(min=1, max=1000, help="Runs of another team whose host hangs.")] = 200,
    tasks: Annotated[int, typer.Option(min=10, max=4000, help="Tasks that are due in the same minute.")] = 1000,
    only: Annotated[
        str,
        typer.Option(
            help="Cases, with commas between them: writes, runs, pull-requests, scale, churn, look, hang, slots, "
            "lateness, idle-tasks, api, follow, merges."
        ),
    ] = "",
) -> None:
    """Measure the operator on a separate control plane, and compare it with its targets."""
    cases = _cases(runs, raw, ScalePlan(objects, active, idle_seconds), churn, hung, tasks)
    names = only.split(",") if only else list(cases)
    if unknown := sorted(set(names) - set(cases)):
        raise typer.BadParameter(f"there is no case {unknown[0]!r}; there are {', '.join(cases)}", param_hint="--only")
    if sys.platform != "linux":
        raise typer.BadParameter("the benchmarks read /proc, so they need Linux")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    started = time.monotonic()
    try:
        kwok = find_kwok(console.print)
        with _cluster(console.print) as (cluster, folder):
            results, failures = asyncio.run(
                _measure(cluster, kwok, folder, {name: cases[name] for name in names}, console.print)
            )
    except LocalError as error:
        console.print(f"error: {error}")
        raise typer.Exit(1) from error
    options = {"runs": runs, "raw": raw, "objects": objects, "active": active, "idle_seconds": idle_seconds}
    write_results(results, _RESULTS, _describe({**options, "churn": churn, "hung": hung, "tasks": tasks}))
    console.print(render(results))
    console.print(f"{time.monotonic() - started:.0f} s in all; more is in {_RESULTS}")
    for name, reason in failures.items():
        console.print(f"error: {name} could not be measured: {reason}", style="bold red")
    if failures:
        raise typer.Exit(1)


def _describe(options: dict[str, float]) -> dict[str, object]:
    """Return what the figures were measured with."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "kubernetes": KUBERNETES_VERSION,
        "options": options,
    }


def _cases(runs: int, raw: int, scale: ScalePlan, churn: int, hung: int, tasks: int) -> dict[str, Case]:
    plain = ThroughputPlan(
        "runs", "bench-runs", has_pull_requests=False, runs=runs, raw=raw, target_ratio=0.6, target_runs=1200
    )
    pulls = ThroughputPlan(
        "pull-requests", "bench-pulls", has_pull_requests=True, runs=runs, raw=raw, target_ratio=0.3, target_runs=600
    )
    return {
        "writes": measure_run_writes,
        "runs": lambda arena: measure_throughput(arena, plain),
        "pull-requests": lambda arena: measure_throughput(arena, pulls),
        "scale": lambda arena: measure_scale(arena, scale),
        "churn": lambda arena: measure_churn(arena, churn),
        "look": _look,
        "hang": lambda arena: measure_hang(arena, min(runs, _RUNS_BESIDE), hung),
        "slots": lambda arena: measure_slots(arena, tasks),
        "lateness": lambda arena: measure_lateness(arena, _MINUTES, _TASKS_A_MINUTE),
        "idle-tasks": lambda arena: measure_idle_tasks(arena, scale.objects, scale.idle_seconds),
        "api": lambda arena: measure_rest(arena, scale.objects // 2),
        "follow": lambda arena: measure_follow(arena, _PULLS),
        "merges": lambda arena: asyncio.to_thread(measure_merges, arena.report),
    }


async def _look(_arena: Arena) -> CaseResult:
    return measure_look()


async def _measure(
    cluster: LocalCluster, kwok: KwokProgram, folder: Path, cases: dict[str, Case], report: Callable[[str], None]
) -> tuple[list[CaseResult], dict[str, str]]:
    results: list[CaseResult] = []
    failures: dict[str, str] = {}
    async with open_arena(cluster, kwok, folder, report) as arena:
        for name, case in cases.items():
            report(f"{name}: starts")
            try:
                results.append(await case(arena))
            except Exception as error:  # noqa: BLE001  a fault in one case says nothing about the others
                failures[name] = _reason(error)
    return results, failures


def _reason(error: BaseException) -> str:
    """Return the first error out of the group that tasks raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


@contextmanager
def _cluster(report: Callable[[str], None]) -> Iterator[tuple[LocalCluster, Path]]:
    """Start a cluster in a new folder; always take it down and keep the logs."""
    folder = Path(tempfile.mkdtemp(prefix="codecourier-bench-"))
    folder.chmod(0o711)
    options = ClusterOptions(with_node=False, audits_events_and_leases=True)
    cluster = LocalCluster(folder / ".codecourier", options, report)
    try:
        cluster.up()
        yield cluster, folder
    finally:
        # A second Ctrl-C must not leave half of it running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.down()
        _RESULTS.mkdir(parents=True, exist_ok=True)
        for name in _LOGS:
            if (folder / name).exists():
                shutil.copyfile(folder / name, _RESULTS / name)
        shutil.rmtree(folder)


if __name__ == "__main__":
    typer.run(main)
