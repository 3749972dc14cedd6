"""Child processes that outlive the command that started them.

A process is identified by its pid together with its birth, so that a pid that the system gave to another program, also
after a reboot, is never mistaken for ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from codecourier.local.processnode.launch.processes import process_identity

__all__ = [
    "Launch",
    "ProcessRecord",
    "is_running",
    "launch",
    "record_of",
    "send_signal",
    "stop_processes",
    "wait_until",
]

_POLL_SECONDS = 0.05


class ProcessRecord(BaseModel):
    """A process, told apart from all others at any time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    pid: int
    """The process id; also the id of the process's session and group."""

    birth: str
    """When the process began, in the system's own form, together with the boot it began in."""


@dataclass(frozen=True)
class Launch:
    """A program to start.

    Parameters
    ----------
    argv
        The program and its arguments; no secret among them.
    environment
        All of its environment variables.
    log
        The file that its output is appended to.
    umask
        Permissions that new files of the program do not get.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    umask: int = 0o077


def launch(program: Launch) -> ProcessRecord:
    """Start a program in its own session.

    Raises
    ------
    OSError
        If the program cannot be started.
    """
    with program.log.open("ab") as log:
        child = subprocess.Popen(
            program.argv,
            env=dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=program.umask,
        )
    # The child outlives this object on purpose; `_birth` reaps it.
    child.returncode = 0
    return record_of(child.pid)


def record_of(pid: int) -> ProcessRecord:
    """Describe a process; one that ended already has an empty birth and never counts as running."""
    return ProcessRecord(pid=pid, birth=_birth(pid))


def is_running(record: ProcessRecord) -> bool:
    """Tell whether this very process still runs; one that ended but was not reaped does not."""
    return bool(record.birth) and _birth(record.pid) == record.birth


def send_signal(record: ProcessRecord, number: signal.Signals) -> None:
    """Send a signal to the process and all of its group, if it still runs."""
    if is_running(record):
        with suppress(ProcessLookupError):
            os.killpg(record.pid, number)


def stop_processes(records: Iterable[ProcessRecord], *, grace_seconds: float) -> None:
    """End processes: asked first, all at once, then killed.

    Parameters
    ----------
    records
        The processes; those that ended already are passed over.
    grace_seconds
        How long they may take to end by themselves.
    """
    running = [record for record in records if is_running(record)]
    for record in running:
        send_signal(record, signal.SIGTERM)
    if wait_until(lambda: not any(map(is_running, running)), timeout_seconds=grace_seconds):
        return
    for record in running:
        send_signal(record, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, running)), timeout_seconds=grace_seconds)


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
    """Wait for a condition.

    Returns
    -------
    bool
        Whether it held before the time was over.
    """
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _birth(pid: int) -> str:
    with suppress(ChildProcessError, ProcessLookupError):
        # Reaps the process if it is a child of this one, so that its pid is free again.
        os.waitpid(pid, os.WNOHANG)
    return process_identity(pid)
