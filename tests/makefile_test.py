"""The Makefile hands on what people give it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHOW = 'show: ; @printf "%s" "$$AGENT"'


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("agent", ["", "sh -c 'echo $HOME $(date) $$ ${X} # %'"])
def test_the_agents_command_reaches_its_shell_as_it_was_written(agent: str) -> None:
    command = ["make", "--no-print-directory", f"--eval={SHOW}", "show", f"AGENT={agent}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout == agent
