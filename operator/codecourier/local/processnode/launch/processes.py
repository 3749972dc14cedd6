"""Tell processes apart across restarts: a pid alone may be another process's by now. Standard library only."""

import os
import subprocess
from pathlib import Path

__all__ = ["process_identity"]

_THREADS_FIELD = 17
_START_TIME_FIELD = 19
"""Index of `starttime` (field 22 of proc(5)) among the fields after the command's closing parenthesis."""


def process_identity(pid: int) -> str:
    """Return a text that no other process of this machine had or will have under this pid; empty if it is gone."""
    return _identity_by_proc(pid) if Path("/proc/self/stat").exists() else _identity_by_ps(pid)


def _identity_by_proc(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
    except OSError:
        return ""
    # The first thread of a killed program is a zombie while others still hold its files and ports.
    if fields[0] in {"Z", "X"} and int(fields[_THREADS_FIELD]) <= 1:
        return ""
    return f"{_boot_id()}:{fields[_START_TIME_FIELD]}"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _identity_by_ps(pid: int) -> str:
    answer = subprocess.run(
        ["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": os.defpath},
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()
