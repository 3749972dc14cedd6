"""What all our steps share: how they start, how they fail, and what they report."""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Never

from codecourier.task import LAYOUT, ROOT_ENV, Layout, StepReport, StepState, Task, TaskError

__all__ = ["Context", "StepError", "describe", "exit_code", "load_context", "one_line", "run_step", "terminate"]

_TERMINATED = "Terminated"
_TERMINATED_EXIT_CODE = 128 + signal.SIGTERM


class StepError(Exception):
    """A step cannot go on.

    Parameters
    ----------
    reason
        PascalCase, for the operator's decision.
    message
        A sentence for people: what was wrong, where, what to do. Holds no secret.
    retry_after_seconds
        How long the forge asks us to wait, if it said so.
    """

    def __init__(self, reason: str, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class Context:
    """Where a step runs and its task."""

    layout: Layout
    task: Task


def one_line(text: str, maximum: int) -> str:
    """Make a bounded single line without control characters, for messages."""
    line = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(line.split())
    return line if len(line) <= maximum else line[: maximum - 1] + "…"


def describe(error: OSError) -> str:
    """Describe what the system refused, and for which file."""
    name = os.fsencode(error.filename or "").decode("utf-8", "backslashreplace")
    return one_line(f"{error.strerror}: {name}", 500)


def load_context(layout: Layout) -> Context:
    """Read the task.

    Raises
    ------
    StepError
        If it is missing or invalid.
    """
    try:
        return Context(layout, Task.from_json(Path(layout.task_file).read_bytes()))
    except OSError as error:
        raise StepError("TaskInvalid", f"{layout.task_file} cannot be read: {error.strerror}") from None
    except TaskError as error:
        raise StepError("TaskInvalid", str(error)) from None


def terminate(_signal: int, _frame: FrameType | None) -> Never:
    """Handle SIGTERM."""
    raise StepError(_TERMINATED, "The step was stopped before it was done.")


def exit_code(reason: str, *, has_succeeded: bool) -> int:
    """Return the exit code of a step: 0 only for one that succeeded, 143 for one that SIGTERM ended."""
    if has_succeeded:
        return 0
    return _TERMINATED_EXIT_CODE if reason == _TERMINATED else 1


def run_step(step: str, body: Callable[[Context], StepReport]) -> int:
    """Run a step to its end and leave its termination message.

    Parameters
    ----------
    step
        Name of the container.
    body
        Does the work; raises StepError when it fails.

    Returns
    -------
    int
        Exit code, as `exit_code` has it.
    """
    os.umask(0o002)
    # As the first process of a container, Python would ignore SIGTERM.
    signal.signal(signal.SIGTERM, terminate)
    layout = Layout(os.environ.get(ROOT_ENV, LAYOUT.root))
    try:
        report = body(load_context(layout))
    except StepError as error:
        report = StepReport(
            step, StepState.FAILED, error.reason, error.message, retry_after_seconds=error.retry_after_seconds
        )
    except OSError as error:
        report = StepReport(step, StepState.FAILED, "SystemError", describe(error))
    Path(layout.termination_log).write_text(report.to_json(), encoding="utf-8")
    print(f"{step}: {report.reason}: {report.message}", file=sys.stderr, flush=True)  # noqa: T201 - the container's log
    return exit_code(report.reason, has_succeeded=report.state is StepState.SUCCEEDED)
