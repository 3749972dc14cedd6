"""The operator as a child process, for the demonstration and the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import Signals
from typing import Self

from codecourier.local.forge.address import ForgeAddress

__all__ = ["OperatorProcess"]

_STOP_SECONDS = 30


class OperatorProcess:
    """One operator of an embedded cluster; use it as a context manager.

    Parameters
    ----------
    kubeconfig
        The cluster.
    forge
        The only forge that it may ask.
    log
        File that the output is appended to.
    identity
        The name in the Lease; None: its default, which is another one each time.
    environment
        Further variables.
    """

    def __init__(
        self,
        kubeconfig: Path,
        forge: ForgeAddress,
        log: Path,
        *,
        identity: str | None = "operator",
        environment: dict[str, str] | None = None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._log = log
        self._identity = identity
        self._environment = {**forge.operator_variables, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.terminate()

    def start(self) -> None:
        """Start it."""
        command = [sys.executable, "-m", "codecourier.cli", "operator", "--kubeconfig", str(self._kubeconfig)]
        command += ["--listen-port", "0"]
        if self._identity is not None:
            command += ["--identity", self._identity]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **self._environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int | None:
        """Its process id; None when it was never started."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: Signals) -> None:
        """Send it a signal; nothing happens if it does not run."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, timeout_seconds: float = _STOP_SECONDS) -> int | None:
        """Wait until it has ended by itself; return its exit code, or None when it was never started.

        Raises
        ------
        TimeoutExpired
            If it does not end; of `subprocess`.
        """
        return None if self._process is None else self._process.wait(timeout_seconds)

    def kill(self) -> None:
        """End it as a crash would, without a chance to clean up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> int | None:
        """Ask it to end and wait; return its exit code, or None when it was never started."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
