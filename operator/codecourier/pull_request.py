"""What the core, the controller and the forge's client say alike of a pull request. Standard library only."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PullRequestState"]


class PullRequestState(StrEnum):
    """Where a pull request is in its life at its host."""

    OPEN = "Open"
    CLOSED = "Closed"
    """Closed without a merge."""

    MERGED = "Merged"
