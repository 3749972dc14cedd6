"""What several kinds ask about the pull request of a Run."""

from __future__ import annotations

from codecourier.pull_request import PullRequestState
from codecourier.resources.pull_request import PullRequestPhase

__all__ = ["may_be_open"]

_OVER = frozenset({PullRequestPhase.FAILED, PullRequestPhase.SKIPPED, PullRequestPhase.MERGED})
_CLOSED = frozenset({PullRequestState.CLOSED, PullRequestState.MERGED})


def may_be_open(phase: str | None, state: str | None) -> bool:
    """Tell whether a pull request of a phase and state is open or being opened; one of an unknown phase may be."""
    return phase not in _OVER and state not in _CLOSED
