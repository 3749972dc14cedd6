"""What a process has used so far, as Linux counts it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Usage", "cpu_seconds", "differences", "end", "resident_bytes", "running_program", "usage_of"]

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS = 5


@dataclass(frozen=True)
class Usage:
    """Processor seconds and memory of a process."""

    cpu_seconds: float
    resident_bytes: int
    peak_bytes: int
    """The most memory that it ever had."""


def cpu_seconds(stat: str) -> float:
    """Return the processor seconds in the text of `/proc/<pid>/stat`, the process's own and the kernel's for it."""
    # The program's name, in parentheses, may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(status: str) -> tuple[int, int]:
    """Return memory now and at most, from the text of `/proc/<pid>/status`."""
    values = dict(line.split(":", 1) for line in status.splitlines())
    return int(values["VmRSS"].split()[0]) * 1024, int(values["VmHWM"].split()[0]) * 1024


def usage_of(pid: int) -> Usage:
    """Return what a running process has used."""
    folder = Path("/proc") / str(pid)
    now, peak = resident_bytes((folder / "status").read_text(encoding="utf-8"))
    return Usage(cpu_seconds((folder / "stat").read_text(encoding="utf-8")), now, peak)


def differences(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Return the processor seconds that each process used in between, rounded for people."""
    return {
        name: round(after[name].cpu_seconds - before[name].cpu_seconds, 2) for name in sorted(after) if name in before
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a child process to exit, and kill it if it does not."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_program(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside the cluster; what it prints goes to its log."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            # A separate HOME, so that no configuration of this machine's user applies.
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(log.parent)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        end(process)
