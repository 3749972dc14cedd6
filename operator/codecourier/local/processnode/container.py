"""A container of a pod: its folder, its launcher, its end.

Everything that must outlive this process is in the folder, so that a restarted node takes up the containers that the
node before it left running, as the kubelet does.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codecourier.local.processnode.launch import spec as files
from codecourier.local.processnode.launch.processes import process_identity
from codecourier.local.processnode.launch.spec import LaunchSpec
from codecourier.local.processnode.settings import SOURCE_ROOT

__all__ = ["Container", "Exit", "StartError"]

_LAUNCHER = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from codecourier.local.processnode.launch.shim import main; main()"
)
_STARTED = b"started"
_POLL_SECONDS = 0.1
_OUT_OF_MEMORY_FILE = "oom"
_NANOSECONDS = 1_000_000_000


class StartError(Exception):
    """The launcher could not start the container's command; the message says why."""


@dataclass(frozen=True)
class Exit:
    """How a container ended."""

    code: int | None
    """None when it is not known: the launcher was killed or the machine went down."""

    finished: datetime
    error: str = ""
    """Why its command could not be started at all."""

    out_of_memory: bool = False


class Container:
    """A container; it is started once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._launcher: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        """What the container wrote."""
        return self.folder / files.LOG_FILE

    @property
    def termination_path(self) -> Path:
        """What the container wrote to its terminationMessagePath."""
        return self.folder / files.TERMINATION_FILE

    @property
    def cgroup_folder(self) -> Path:
        """What the container sees of its own cgroup."""
        return self.folder / "cgroup"

    def prepare(self) -> None:
        """Make the folder, and the file of the termination message, which every user in the container may write."""
        self.folder.mkdir(mode=0o700, parents=True)
        self.termination_path.touch()
        self.termination_path.chmod(0o666)
        self.cgroup_folder.mkdir()
        self._write_memory_events(0)

    async def start(self, spec: LaunchSpec) -> None:
        """Start the launcher and wait until the container's command runs.

        Raises
        ------
        StartError
            When the command cannot be started.
        """
        answer, answer_end = os.pipe()
        try:
            self._launcher = self._launch(spec, answer_end)
        finally:
            os.close(answer_end)
        try:
            await _readable(answer)
            word = os.read(answer, len(_STARTED))
        finally:
            os.close(answer)
        if word != _STARTED:
            ended = await self.wait()
            raise StartError(ended.error or "the launcher ended before the container had started")

    def _launch(self, spec: LaunchSpec, answer_end: int) -> subprocess.Popen[bytes]:
        lock = os.open(self.folder / files.LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A file without a name: the environment holds secrets, and a pipe could fill up before the launcher reads.
            with tempfile.TemporaryFile(dir=self.folder) as document, (self.folder / "launcher").open("ab") as errors:
                document.write(spec.to_json())
                document.seek(0)
                return subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(SOURCE_ROOT)],
                    stdin=document,
                    stdout=answer_end,
                    stderr=errors,
                    env={},
                    cwd="/",
                    pass_fds=(lock,),
                    start_new_session=True,
                )
        finally:
            os.close(lock)

    @property
    def started(self) -> datetime | None:
        """When the command started; None before that."""
        nanoseconds = self._read(files.STATE_FILE).get("started", 0)
        return _moment(nanoseconds) if nanoseconds else None

    def is_running(self) -> bool:
        """Tell whether the launcher lives, and so perhaps the container."""
        try:
            lock = os.open(self.folder / files.LOCK_FILE, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    async def wait(self) -> Exit:
        """Wait until the launcher has ended and return how the container did."""
        if self._launcher is not None:
            await _process_end(self._launcher.pid, self._is_reaped)
            self._launcher.wait()
        else:
            await self._adopted_end()
        return self.end()

    def _is_reaped(self) -> bool:
        return self._launcher is None or self._launcher.poll() is not None

    async def _adopted_end(self) -> None:
        launcher = 0
        while self.is_running():
            # It is in the first file that the launcher writes.
            state = self._read(files.STATE_FILE)
            launcher = int(state.get("launcher", 0))
            identity = state.get("launcher_identity")
            if launcher and process_identity(launcher) == identity:
                await _process_end(launcher, lambda: not self.is_running())
            else:
                await asyncio.sleep(_POLL_SECONDS)

    def end(self) -> Exit:
        """Return how the container ended; call it only after the launcher has."""
        content = self._read(files.EXIT_FILE)
        if not content:
            return Exit(None, datetime.now(tz=UTC))
        return Exit(
            int(content["exit_code"]),
            _moment(int(content["finished"])),
            str(content.get("error", "")),
            (self.folder / _OUT_OF_MEMORY_FILE).exists(),
        )

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process, if it is still that one."""
        if pid := self.first_process():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def note_out_of_memory(self, *, is_counted: bool) -> None:
        """Write down that the kernel kills for memory, and where the container can read it unless it is not counted."""
        (self.folder / _OUT_OF_MEMORY_FILE).touch()
        if is_counted:
            self._write_memory_events(1)

    def _write_memory_events(self, kills: int) -> None:
        text = f"low 0\nhigh 0\nmax 0\noom {kills}\noom_kill {kills}\noom_group_kill 0\n"
        (self.cgroup_folder / "memory.events").write_text(text, encoding="ascii")

    def kill(self) -> None:
        """Kill every process of the container; the launcher then writes down the end."""
        if pid := self.first_process():
            # With a PID namespace the kernel kills all that is in it; without one the process group must do.
            is_isolated = self._read(files.STATE_FILE)["isolated"]
            with contextlib.suppress(ProcessLookupError):
                (os.kill if is_isolated else os.killpg)(pid, signal.SIGKILL)

    def first_process(self) -> int:
        """Return the pid of the container's first process, 0 if it has none."""
        state = self._read(files.STATE_FILE)
        pid = int(state.get("pid", 0))
        return pid if pid and process_identity(pid) == state["identity"] else 0

    def kill_now(self) -> None:
        """Kill and wait, without an event loop: for cleaning up after a node that is gone."""
        deadline = time.monotonic() + 10
        while self.is_running() and time.monotonic() < deadline:
            self.kill()
            time.sleep(_POLL_SECONDS / 5)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.folder / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return content


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / _NANOSECONDS, tz=UTC)


async def _process_end(pid: int, has_ended: Callable[[], bool]) -> None:
    if sys.platform != "linux":
        while not has_ended():  # noqa: ASYNC110 - polling is the only way to see the end of another process's child there
            await asyncio.sleep(_POLL_SECONDS)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await _readable(descriptor)
    finally:
        os.close(descriptor)


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
