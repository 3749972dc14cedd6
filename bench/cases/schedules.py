"""Schedules: many RecurringTasks that are due in the same minute, and many that are idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.arena import Arena
from bench.cases.scale import wait_quiet
from bench.cases.settled import is_project_ready
from bench.cron_jobs import CRON_JOBS, JOBS, LIFTED, build_cron_job, running_cron_job_controller
from bench.processes import Usage, differences
from bench.project import build_run, build_task, create_all, create_project
from bench.report import CaseResult, Figure, Target, ratio
from bench.watching import Watched, watched
from codecourier.kinds.api_resources import PROJECTS, RECURRING_TASKS, RUNS
from codecourier.kube.api import NAMESPACES, Json

__all__ = ["measure_idle_tasks", "measure_lateness", "measure_slots"]

_TASKS, _LATENESS, _IDLE = "bench-tasks", "bench-lateness", "bench-idle-tasks"
_LEAD = timedelta(seconds=30)
"""How long before its slot a task has to be there, so that everything is quiet when the slot comes."""

_CREATIONS_PER_SECOND = 60
"""How many objects a second a slow machine creates, to choose the slot."""

_LIMIT_SECONDS = 400.0
_MOST_OF_CRON_JOBS, _MOST_OF_CREATIONS = 0.5, 1.3
_MOST_LATE_SECONDS = 1.0
_MOST_IDLE_PERCENT = 1.0


@dataclass(frozen=True)
class _Slot:
    """A minute that is due, by both clocks."""

    time: datetime
    monotonic: float

    @classmethod
    def after(cls, objects: int) -> _Slot:
        """Return the first minute by which so many objects have been created and have come to rest."""
        earliest = datetime.now(UTC) + _LEAD + timedelta(seconds=objects / _CREATIONS_PER_SECOND)
        slot = earliest.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return cls(slot, time.monotonic() + (slot - datetime.now(UTC)).total_seconds())

    def later(self, minutes: int) -> _Slot:
        """Return a later minute."""
        return _Slot(self.time + timedelta(minutes=minutes), self.monotonic + 60 * minutes)


@dataclass(frozen=True)
class _Burst:
    """What came at once: how long it took, and the processor seconds that each process used meanwhile."""

    seconds: float
    used: dict[str, float]

    def milliseconds(self, count: int) -> float:
        """Return the processor time of all processes for each object."""
        return sum(self.used.values()) / count * 1000


async def measure_slots(arena: Arena, tasks: int) -> CaseResult:
    """Let as many tasks be due in the same minute, and as many CronJobs, and create as many Runs without either."""
    bare = await _bare_creations(arena, "bench-bare", tasks)
    async with arena.operator() as operator:
        await _make_project(arena, _TASKS)
        ours = await _fired(arena, tasks, lambda: arena.usage(operator))
    limited = await _cron_jobs(arena, tasks, "bench-cron-jobs", ())
    lifted = await _cron_jobs(arena, tasks, "bench-cron-jobs-lifted", LIFTED)
    figures = (
        Figure(f"{tasks} bare creations of Runs", bare.seconds, "s"),
        Figure("last Job of as many CronJobs after the slot, default limits", limited.seconds, "s"),
        Figure("last Job of as many CronJobs after the slot, limits lifted", lifted.seconds, "s"),
        Figure(
            "last Run of as many tasks after the slot",
            ours.seconds,
            "s",
            f"{lifted.seconds:.1f} s of CronJobs, limits lifted",
            ratio(ours.seconds, lifted.seconds),
            Target(_MOST_OF_CRON_JOBS, is_lower=False),
        ),
        Figure(
            "the same to bare creations",
            ours.seconds,
            "s",
            f"{bare.seconds:.1f} s",
            ratio(ours.seconds, bare.seconds),
            Target(_MOST_OF_CREATIONS, is_lower=False),
        ),
        *_processor_times(tasks, ours, lifted, bare),
    )
    bursts = {"tasks": ours, "CronJobs": limited, "CronJobs, limits lifted": lifted, "bare creations": bare}
    return CaseResult("slots", figures, {"tasks": tasks, "cpu_seconds": {name: b.used for name, b in bursts.items()}})


def _processor_times(tasks: int, ours: _Burst, lifted: _Burst, bare: _Burst) -> Iterator[Figure]:
    """Yield processor time, which depends less than speed on what else uses the machine."""
    value = ours.milliseconds(tasks)
    for name, other in (("a CronJob, limits lifted", lifted), ("a bare creation", bare)):
        baseline = other.milliseconds(tasks)
        what = f"processor time of all processes, to that of {name}"
        yield Figure(what, value, "ms/task", f"{baseline:.1f} ms", ratio(value, baseline))


async def measure_lateness(arena: Arena, minutes: int, each: int) -> CaseResult:
    """Let so many tasks be due in each of some minutes, as 6,000 spread over an hour are, 100 in each."""
    bare = await _bare_creations(arena, "bench-bare-minute", each)
    async with arena.operator():
        await _make_project(arena, _LATENESS)
        first = _Slot.after(minutes * each)
        slots = [first.later(number % minutes) for number in range(minutes * each)]
        names = [f"task-{number:05}" for number in range(minutes * each)]
        due = {name: slot.monotonic for name, slot in zip(names, slots, strict=True)}
        made = [build_task(_LATENESS, n, s.time.hour, s.time.minute) for n, s in zip(names, slots, strict=True)]
        async with watched(arena.api, RUNS, _LATENESS, lambda _run: True) as runs:
            await create_all(arena.api, made, resource=RECURRING_TASKS)
            await runs.wait_for(len(names), _LIMIT_SECONDS + 60.0 * minutes)
            late = sorted(seen - due[_task_of(name)] for (_, name), seen in runs.first_times.items())
    share = late[min(len(late) - 1, int(len(late) * 0.99))]
    figures = (
        Figure(f"{each} bare creations of Runs", bare.seconds, "s"),
        Figure("lateness, median", late[len(late) // 2], "s"),
        Figure("lateness, p99", share, "s", target=Target(_MOST_LATE_SECONDS, is_lower=False)),
        Figure("lateness at most", late[-1], "s"),
    )
    return CaseResult("lateness", figures, {"minutes": minutes, "each": each})


async def measure_idle_tasks(arena: Arena, tasks: int, seconds: float) -> CaseResult:
    """Let so many tasks wait for a slot that is half a day away."""
    slot = datetime.now(UTC) + timedelta(hours=12)
    async with arena.operator() as operator:
        await _make_project(arena, _IDLE)
        async with watched(arena.api, RECURRING_TASKS, _IDLE, _is_active) as active:
            made = [build_task(_IDLE, f"task-{n:05}", slot.hour, slot.minute) for n in range(tasks)]
            await create_all(arena.api, made, resource=RECURRING_TASKS)
            await active.wait_for(tasks, _LIMIT_SECONDS)
        await wait_quiet(arena)
        before, began = arena.usage(operator)["operator"], time.monotonic()
        await asyncio.sleep(seconds)
        after, lasted = arena.usage(operator)["operator"], time.monotonic() - began
    percent = (after.cpu_seconds - before.cpu_seconds) / lasted * 100
    figures = (
        Figure("idle processor", percent, "% of a core", target=Target(_MOST_IDLE_PERCENT, is_lower=False)),
        Figure("memory", after.resident_bytes / 1024**2, "MiB"),
    )
    return CaseResult("idle-tasks", figures, {"tasks": tasks})


async def _make_project(arena: Arena, namespace: str) -> None:
    """Make a Project with one place: what is measured are the slots, not what their Runs do."""
    await create_project(arena.api, namespace, arena.repository, most_runs=1)
    async with watched(arena.api, PROJECTS, namespace, is_project_ready) as projects:
        await projects.wait_for(1, 30)


async def _bare_creations(arena: Arena, namespace: str, count: int) -> _Burst:
    """Create so many Runs while no operator runs."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await arena.api.create(NAMESPACES, body)
    objects = [build_run(namespace, f"run-{number:04}") for number in range(count)]
    before, started = arena.usage(), time.monotonic()
    await create_all(arena.api, objects)
    burst = _Burst(time.monotonic() - started, differences(before, arena.usage()))
    await arena.api.delete(NAMESPACES, None, namespace)
    return burst


async def _fired(arena: Arena, count: int, usage: Callable[[], dict[str, Usage]]) -> _Burst:
    """Make tasks and wait until the last Run was seen."""
    slot = _Slot.after(count)
    async with watched(arena.api, RUNS, _TASKS, lambda _run: True) as runs:
        made = [build_task(_TASKS, f"task-{n:04}", slot.time.hour, slot.time.minute) for n in range(count)]
        await create_all(arena.api, made, resource=RECURRING_TASKS)
        return await _from_slot(runs, slot, count, usage)


async def _cron_jobs(arena: Arena, count: int, namespace: str, flags: tuple[str, ...]) -> _Burst:
    """Make CronJobs and wait until the last Job was seen."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await arena.api.create(NAMESPACES, body)
    log = arena.logs / "cron-job-controller.log"
    with running_cron_job_controller(arena.cluster.layout, log, flags) as pid:
        slot = _Slot.after(count)
        async with watched(arena.api, JOBS, namespace, lambda _job: True) as jobs:
            made = [build_cron_job(namespace, f"job-{number:04}", slot.time) for number in range(count)]
            await create_all(arena.api, made, resource=CRON_JOBS)
            burst = await _from_slot(jobs, slot, count, lambda: arena.usage(others={"CronJobs' controller": pid}))
    await arena.api.delete(NAMESPACES, None, namespace)
    return burst


async def _from_slot(objects: Watched, slot: _Slot, count: int, usage: Callable[[], dict[str, Usage]]) -> _Burst:
    """Wait for as many objects of a slot; everything has to be quiet when it comes."""
    assert time.monotonic() < slot.monotonic, "creating the objects took until their slot: choose fewer"
    await asyncio.sleep(slot.monotonic - time.monotonic())
    before = usage()
    await objects.wait_for(count, _LIMIT_SECONDS)
    used = differences(before, usage())
    assert objects.times[0] >= slot.monotonic - 1.0, "an object was made before the slot"
    return _Burst(objects.times[-1] - slot.monotonic, used)


def _task_of(run: str) -> str:
    """Return the task of a Run: `task-00001-<hash>-<slot>`."""
    return run.rsplit("-", 2)[0]


def _is_active(task: Json) -> bool:
    return (task.get("status") or {}).get("phase") == "Active"
