"""What a piece of work costs in a process of its own, with all programs that it starts."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

__all__ = ["Cost", "least", "measure"]


@dataclass(frozen=True)
class Cost:
    """What it cost."""

    wall_seconds: float
    cpu_seconds: float
    """Of the process and of the programs that it started."""

    growth_bytes: int
    """How much the most memory that the process ever had has grown."""

    program_bytes: int
    """The most memory that one of the programs had."""


def measure(work: Callable[..., object], *arguments: object) -> Cost:
    """Do a piece of work in a new process, whose start counts for nothing."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, work, *arguments).result()


def least(costs: list[Cost]) -> Cost:
    """Return the least of each figure of the same work: what else the machine does is in all others."""
    return Cost(
        min(cost.wall_seconds for cost in costs),
        min(cost.cpu_seconds for cost in costs),
        min(cost.growth_bytes for cost in costs),
        min(cost.program_bytes for cost in costs),
    )


def _measure(work: Callable[..., object], *arguments: object) -> Cost:
    peak, cpu, began = _peak_bytes(resource.RUSAGE_SELF), _cpu_seconds(), time.perf_counter()
    work(*arguments)
    return Cost(
        time.perf_counter() - began,
        _cpu_seconds() - cpu,
        _peak_bytes(resource.RUSAGE_SELF) - peak,
        _peak_bytes(resource.RUSAGE_CHILDREN),
    )


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * 1024
