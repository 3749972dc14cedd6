"""Finds out whose work is on the run's branch, by the trailers of its tip."""

import re
from enum import StrEnum

from codecourier.runner.git import Git, GitError
from codecourier.runner.message import ATTEMPT_TRAILER, BASE_TRAILER, RUN_TRAILER
from codecourier.task import Task

__all__ = ["Tip", "classify_tip"]


class Tip(StrEnum):
    """What the tip of the run's branch is to this try."""

    OURS = "Ours"
    """Work of this run and attempt on the same base: continue it, or adopt it after a lost race."""

    OLDER = "Older"
    """Work of this run that this try replaces: of an earlier attempt, or of this one on another base."""

    NEWER = "Newer"
    """Work of a later attempt: this try is outdated."""

    FOREIGN = "Foreign"
    """Work of another author: never overwritten."""


def classify_tip(git: Git, task: Task, commit: str) -> Tip:
    """Judge a commit that was fetched.

    Parameters
    ----------
    git
        The private git directory.
    task
        The run, its attempt and base.
    commit
        Tip of the run's branch.
    """
    message = git.text("show", "--no-patch", "--no-notes", "--format=%B", commit)
    trailers = dict(re.findall(r"^(CodeCourier-\w+): (\S+)$", message.rstrip().rpartition("\n\n")[2], re.MULTILINE))
    attempt = trailers.get(ATTEMPT_TRAILER, "")
    if trailers.get(RUN_TRAILER) != task.run.uid or not attempt.isdecimal():
        return Tip.FOREIGN
    if int(attempt) != task.attempt:
        return Tip.OLDER if int(attempt) < task.attempt else Tip.NEWER
    if trailers.get(BASE_TRAILER) != task.base_commit or not _is_ancestor(git, task.base_commit, commit):
        return Tip.OLDER
    return Tip.OURS


def _is_ancestor(git: Git, ancestor: str, commit: str) -> bool:
    try:
        git.run("merge-base", "--is-ancestor", ancestor, commit)
    except GitError:
        return False
    return True
