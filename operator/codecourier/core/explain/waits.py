"""What an unfinished object waits for, by its own conditions: the operator has said it there already."""

from __future__ import annotations

from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.resources.meta import Condition, ConditionStatus, Status

__all__ = ["AT_WORK", "find_wait"]

AT_WORK = frozenset({Reason.ACCEPTED, Reason.RUNNING, Reason.STARTING, Reason.STOPPING, Reason.OPENING_PULL_REQUEST})
"""Reasons with which work goes on, so that nothing is waited for."""


def find_wait(status: Status) -> Condition | None:
    """Return the condition of an unfinished object that says what it waits for; None: it says nothing of the kind.

    What keeps its declaration from being accepted comes first: nothing else counts before that.
    """
    ready = status.condition(ConditionType.READY)
    if ready is not None and ready.status != ConditionStatus.TRUE:
        return ready
    succeeded = status.condition(ConditionType.SUCCEEDED)
    if succeeded is None or succeeded.status != ConditionStatus.UNKNOWN or succeeded.reason in AT_WORK:
        return None
    return succeeded
