"""The states of a pull request, shared by the core, the controller and the forge's client. Standard library only."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["PullRequestState"]


class PullRequestState(StrEnum):
    """State of a pull request at its host."""

    OPEN = "Open"
    CLOSED = "Closed"
    """Closed without a merge."""

    MERGED = "Merged"
