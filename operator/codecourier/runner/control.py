"""Writes what the supervisor reads: commands, limits and variables, quoted for the shell."""

import shlex
from enum import StrEnum
from pathlib import Path

from codecourier.task import Task

__all__ = ["Turn", "write_control"]

_SUPERVISOR = Path(__file__).with_name("supervisor.sh")


class Turn(StrEnum):
    """What the supervisor runs."""

    ALL = "All"
    """Setup steps and the agent, then the verify steps."""

    AGENT = "Agent"
    """The same for a conflict; verify has none of the folders of the agent, so it runs the setup steps, too."""

    VERIFY = "Verify"
    """Merges without a conflict: no agent; setup and verify steps in the verify container."""

    NOTHING = "Nothing"
    """Nothing was merged, so there is nothing to verify either."""


def write_control(task: Task, control: str, turn: Turn = Turn.ALL, section: str = "") -> None:
    """Fill the control folder.

    Parameters
    ----------
    task
        What to run.
    control
        The folder; the agent sees it read-only.
    turn
        Which of it is run.
    section
        What is put after the prompt.
    """
    folder = Path(control)
    (folder / "supervisor.sh").write_bytes(_SUPERVISOR.read_bytes())
    (folder / "prompt.txt").write_text(task.prompt + section, encoding="utf-8", newline="")
    (folder / "agent.sh").write_text(f"exec {shlex.join(task.agent_command)}\n", encoding="utf-8", newline="")
    for phase, commands in (("setup", task.setup), ("verify", task.verify)):
        steps = folder / phase
        steps.mkdir()
        for index, command in enumerate(commands, 1):
            (steps / f"{index}.sh").write_text(command + "\n", encoding="utf-8", newline="")
    (folder / "settings.sh").write_text(_settings(task, turn), encoding="utf-8", newline="")


def _settings(task: Task, turn: Turn) -> str:
    numbers = {
        "runs_agent": int(turn in {Turn.ALL, Turn.AGENT}),
        "verifies": int(turn is not Turn.NOTHING),
        "sets_up_again": int(turn in {Turn.AGENT, Turn.VERIFY}),
        "agent_timeout": task.agent_timeout_seconds,
        "step_timeout": task.step_timeout_seconds,
        "grace_period": task.grace_period_seconds,
        "setup_steps": len(task.setup),
        "verify_steps": len(task.verify),
    }
    variables = {
        **task.variables,
        "CODECOURIER_RUN": f"{task.run.namespace}/{task.run.name}",
        "CODECOURIER_BRANCH": task.branch,
        "CODECOURIER_BASE_BRANCH": task.base_branch,
        "CODECOURIER_BASE_COMMIT": task.base_commit,
        # The agent may commit for its own use; publish makes the one commit that is pushed.
        "GIT_AUTHOR_NAME": task.commit_author.name,
        "GIT_AUTHOR_EMAIL": task.commit_author.email,
        "GIT_COMMITTER_NAME": task.commit_author.name,
        "GIT_COMMITTER_EMAIL": task.commit_author.email,
    }
    lines = [f"{name}={number}" for name, number in numbers.items()]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join(lines) + "\n"
