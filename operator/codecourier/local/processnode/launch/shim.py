"""The launcher of one container: starts it, keeps its log, waits for it, writes down how it ended.

It has a session of its own, so that a node that was killed finds its containers again: a process that gets the lock in
the container's folder knows that the launcher is gone. If the launcher itself is killed, the kernel kills the
container's first process with it, and with that one everything in its PID namespace.
"""

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

from codecourier.local.processnode.launch import spec as files
from codecourier.local.processnode.launch.enter import become_container
from codecourier.local.processnode.launch.journal import Journal
from codecourier.local.processnode.launch.processes import process_identity
from codecourier.local.processnode.launch.spec import LaunchSpec

__all__ = ["main"]

_CHUNK_BYTES = 64 * 1024
_DRAIN_SECONDS = 1.0
"""How long to read on after the end when, without a PID namespace, a stray process holds the log open."""

_START_FAILED = 128
"""The exit code that containerd gives to a container whose command could not be started."""


def main() -> None:
    """Run the container that standard input describes; the node reads one word from standard output."""
    try:
        spec = LaunchSpec.from_json(sys.stdin.buffer.read())
    except ValueError:
        sys.exit("the node ended before it had described the container")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    _Shim(spec).run()


class _Shim:
    def __init__(self, spec: LaunchSpec) -> None:
        self._spec = spec
        self._folder = Path(spec.directory)
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        self._save(files.STATE_FILE, self._state(0, 0))
        # Python answers SIGCHLD by a byte in this pipe, which wakes the selector.
        child_ended, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._selector.register(child_ended, selectors.EVENT_READ, "")
        pid, error = self._start()
        if error:
            os.waitpid(pid, 0)
            self._save(files.EXIT_FILE, {"exit_code": _START_FAILED, "finished": time.time_ns(), "error": error})
            _report("failed")
            return
        self._save(files.STATE_FILE, self._state(pid, time.time_ns()))
        _report("started")
        journal = Journal(self._folder / files.LOG_FILE, self._spec.log_limit_bytes)
        status = self._copy_until_exit(journal, pid)
        finished = time.time_ns()
        self._drain(journal)
        journal.close()
        code = os.waitstatus_to_exitcode(status)
        self._save(files.EXIT_FILE, {"exit_code": code if code >= 0 else 128 - code, "finished": finished})

    def _state(self, pid: int, started: int) -> dict[str, Any]:
        return {
            "launcher": os.getpid(),
            "launcher_identity": process_identity(os.getpid()),
            "pid": pid,
            "identity": process_identity(pid) if pid else "",
            "isolated": self._spec.isolate,
            "started": started,
        }

    def _start(self) -> tuple[int, str]:
        """Fork the container; return its pid and, when its command did not start, why."""
        # One pipe for both streams keeps their order.
        output, ready = os.pipe(), os.pipe()
        if self._spec.isolate:
            from codecourier.local.processnode.launch import syscalls  # noqa: PLC0415 - Linux only

            syscalls.unshare(syscalls.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            self._run_child(output[1], ready[1])
        for end in (output[1], ready[1]):
            os.close(end)
        with os.fdopen(ready[0], "rb") as answer:
            error = answer.read().decode(errors="replace")
        self._selector.register(output[0], selectors.EVENT_READ, "output")
        return pid, error

    def _run_child(self, output: int, ready: int) -> None:
        # The child must never return into the launcher's code.
        try:
            signal.set_wakeup_fd(-1)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(output, 1)
            os.dup2(output, 2)
            # Above all the lock must not get into the container: its holder passes for the launcher.
            ready = os.dup2(ready, 3, inheritable=False)
            os.closerange(4, os.sysconf("SC_OPEN_MAX"))
            become_container(self._spec)
        except BaseException as error:  # noqa: BLE001 - goes to the launcher as text
            reason = error.strerror if isinstance(error, OSError) and error.strerror else repr(error)
            os.write(ready, reason.encode(errors="replace")[:4096])
        finally:
            os._exit(_START_FAILED)

    def _copy_until_exit(self, journal: Journal, pid: int) -> int:
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            self._copy(journal, None)

    def _drain(self, journal: Journal) -> None:
        if not self._spec.isolate:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(json.loads((self._folder / files.STATE_FILE).read_bytes())["pid"], signal.SIGKILL)
        deadline = time.monotonic() + _DRAIN_SECONDS
        while len(self._selector.get_map()) > 1 and time.monotonic() < deadline:
            self._copy(journal, _DRAIN_SECONDS)

    def _copy(self, journal: Journal, timeout: float | None) -> None:
        for key, _events in self._selector.select(timeout):
            data = os.read(key.fd, _CHUNK_BYTES)
            if not data:
                self._selector.unregister(key.fd)
                os.close(key.fd)
            elif key.data:
                journal.write(data)

    def _save(self, name: str, content: dict[str, Any]) -> None:
        unfinished = self._folder / (name + ".new")
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(self._folder / name)


def _report(word: str) -> None:
    # The node may be gone; the container runs on without it.
    with contextlib.suppress(BrokenPipeError):
        os.write(1, word.encode() + b"\n")
    with contextlib.suppress(OSError):
        os.dup2(0, 1)
