"""How a step of ours ends, as a process."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sandbox import SOURCE, Pod, make_task

_STEP = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from codecourier.runner.step import StepError, run_step

def body(context):
    if sys.argv[2] == "stopped":
        os.kill(os.getpid(), signal.SIGTERM)
    raise StepError("GitFailed", "git fetch ended with exit code 1.")

sys.exit(run_step("collect", body))
"""


@pytest.mark.parametrize(("what", "code", "reason"), [("stopped", 143, "Terminated"), ("failed", 1, "GitFailed")])
def test_a_step_that_is_stopped_does_not_end_as_one_that_failed(
    tmp_path: Path, what: str, code: int, reason: str
) -> None:
    pod = Pod(tmp_path / "pod", make_task())
    command = [sys.executable, "-I", "-c", _STEP, str(SOURCE), what]
    done = subprocess.run(command, env=pod.environment("collect", {}), capture_output=True, check=False)
    ended = pod.ended("collect", done.returncode, done.stderr.decode())
    assert (ended.exit_code, ended.report.reason) == (code, reason)
