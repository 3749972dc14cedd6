"""Turns the agent's summary into the message of our commit."""

from codecourier.task import Task
from codecourier.text import defuse_body, defuse_title

__all__ = ["ATTEMPT_TRAILER", "BASE_TRAILER", "RUN_TRAILER", "build_message", "split_summary"]

RUN_TRAILER = "CodeCourier-Run"
ATTEMPT_TRAILER = "CodeCourier-Attempt"
BASE_TRAILER = "CodeCourier-Base"


def split_summary(summary: str, default_title: str) -> tuple[str, str]:
    """Make title and body.

    Parameters
    ----------
    summary
        The agent's text; its first line is the title, a Markdown heading's mark is dropped.
    default_title
        Title to use if the summary has none.

    Returns
    -------
    tuple
        Title of one line and body, both defused; the body may be empty.
    """
    first, _, rest = summary.strip().partition("\n")
    title = defuse_title(first.lstrip("# \t")) or defuse_title(default_title) or "Work of an agent"
    return title, defuse_body(rest.strip()).strip()


def build_message(task: Task, title: str, body: str) -> str:
    """Build the commit message, with the trailers that later steps recognise the commit by."""
    trailers = [
        f"{RUN_TRAILER}: {task.run.uid}",
        f"{ATTEMPT_TRAILER}: {task.attempt}",
        f"{BASE_TRAILER}: {task.base_commit}",
    ]
    return "\n\n".join(part for part in (title, body, "\n".join(trailers)) if part) + "\n"
