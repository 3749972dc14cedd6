"""Counts what differs between two commits."""

from dataclasses import replace

from codecourier.runner.git import Git
from codecourier.task import PublishResult

__all__ = ["with_changes"]


def with_changes(result: PublishResult, git: Git, old: str, new: str) -> PublishResult:
    """Return the result with the number of files and lines that differ; binary files have no lines."""
    output = git.run("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", old, new)
    numbers = [line.split(b"\t")[:2] for line in output.split(b"\0") if line]
    return replace(
        result,
        files=len(numbers),
        insertions=sum(int(added) for added, _ in numbers if added != b"-"),
        deletions=sum(int(removed) for _, removed in numbers if removed != b"-"),
    )
