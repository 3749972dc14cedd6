"""Writes what the supervisor reads: commands, limits and variables, quoted for the shell."""

import shlex
from pathlib import Path

from codecourier.task import Task

__all__ = ["write_control"]

_SUPERVISOR = Path(__file__).with_name("supervisor.sh")


def write_control(task: Task, control: str) -> None:
    """Fill the control folder.

    Parameters
    ----------
    task
        What to run.
    control
        The folder; the agent sees it read-only.
    """
    folder = Path(control)
    (folder / "supervisor.sh").write_bytes(_SUPERVISOR.read_bytes())
    (folder / "prompt.txt").write_text(task.prompt, encoding="utf-8", newline="")
    (folder / "agent.sh").write_text(f"exec {shlex.join(task.agent_command)}\n", encoding="utf-8", newline="")
    for phase, commands in (("setup", task.setup), ("verify", task.verify)):
        steps = folder / phase
        steps.mkdir()
        for index, command in enumerate(commands, 1):
            (steps / f"{index}.sh").write_text(command + "\n", encoding="utf-8", newline="")
    (folder / "settings.sh").write_text(_settings(task), encoding="utf-8", newline="")


def _settings(task: Task) -> str:
    numbers = {
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
