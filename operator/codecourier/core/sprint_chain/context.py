"""What the agent of a sprint is told about the sprint and the sprints before it."""

from __future__ import annotations

from codecourier.resources.sprint_chain import SprintPhase, SprintStatus

__all__ = ["CONTEXT_MAX_BYTES", "build_context"]

CONTEXT_MAX_BYTES = 32_768
"""Longest context in bytes of UTF-8."""

_LEFT_OUT = "(Earlier sprints are left out.)"


def build_context(sprints: tuple[SprintStatus, ...], index: int) -> str:
    """Return the context of the sprint of this index: its number and place, then earlier sprints, newest first."""
    sprint = sprints[index]
    head = [
        f"You are working on sprint {sprint.number}, which is number {index + 1} of {len(sprints)}.",
        "The task at the end is for all sprints together. Do the part of this sprint on top of what is there.",
    ]
    earlier = [s for s in reversed(sprints[:index]) if s.phase is SprintPhase.COMPLETED]
    if not earlier:
        return "\n".join(head)
    head.append("What the sprints before it did, the latest first:")
    return _bounded(head, [_describe(s) for s in earlier])


def _describe(sprint: SprintStatus) -> str:
    where = f" ({sprint.pull_request_url})" if sprint.pull_request_url else ""
    what = sprint.summary or ("It left no summary." if sprint.branch else "It changed nothing.")
    return f"- Sprint {sprint.number}{where}: {what}"


def _bounded(head: list[str], entries: list[str]) -> str:
    lines = list(head)
    size = sum(len(line.encode()) + 1 for line in lines) + len(_LEFT_OUT.encode()) + 1
    for entry in entries:
        size += len(entry.encode()) + 1
        if size > CONTEXT_MAX_BYTES:
            return "\n".join([*lines, _LEFT_OUT])
        lines.append(entry)
    return "\n".join(lines)
