"""An operator that is killed before and after each of its writes, beside a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from codecourier.kube.api import Json
from tests.support.operator_access import OPERATOR
from tests.support.team import Team, operator_environment

__all__ = ["Deaths", "mortal_operator"]


@dataclass(frozen=True)
class Deaths:
    """What ended the lives of an operator, oldest first."""

    file: Path

    def read(self) -> list[Json]:
        """Return the deaths, as `tests.support.killed_operator` reports them."""
        return [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]

    def find_missed(self, *beginnings: str) -> set[str]:
        """Return which of these writes, by the beginnings of what they are called, no life has ended at."""
        found = [str(death["write"]) for death in self.read()]
        return {wanted for wanted in beginnings if not any(write.startswith(wanted) for write in found)}


@contextmanager
def mortal_operator(team: Team, folder: Path, *kinds: str) -> Iterator[Deaths]:
    """Run an operator that dies at its writes, as `tests.support.killed_operator` says, until the test is done."""
    deaths = Deaths(folder / "deaths.jsonl")
    kubeconfig = OPERATOR.write_kubeconfig(team.cluster, folder / "operator.kubeconfig")
    with deaths.file.open("wb") as out, (folder / "operator.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.killed_operator", team.namespace, *kinds],
            env={**os.environ, "KUBECONFIG": str(kubeconfig), **operator_environment(team.forge)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield deaths
            process.terminate()
            assert process.wait(30) == 0
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
