"""Costs are those of a new process and of what it starts."""

from __future__ import annotations

import subprocess
import sys

from bench.measured import Cost, least, measure


def work(rounds: int) -> None:
    """Use the processor in a program."""
    subprocess.run([sys.executable, "-c", f"for _ in range({rounds}): pass"], check=True)


def test_the_processor_time_of_programs_counts() -> None:
    few, many = measure(work, 1), measure(work, 20_000_000)
    assert many.cpu_seconds > 2 * few.cpu_seconds
    assert few.program_bytes > 0


def test_the_least_of_each_figure_is_taken() -> None:
    assert least([Cost(3, 2, 5, 4), Cost(1, 4, 2, 8)]) == Cost(1, 2, 2, 4)
