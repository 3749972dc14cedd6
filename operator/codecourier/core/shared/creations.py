"""When a refused creation is given up, and when it is sure that nothing of it can arrive any more.

A refusal is an answer: that request did nothing. A request before it that had no answer may still be carried out, for
as long as the API server works on one. Only after that time is what was refused surely absent, and a plan may go on
as if it had never been asked for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.shared.facts import Problem
from codecourier.resources.workflow import START_TIMEOUT_SECONDS

__all__ = ["ARRIVAL_LIMIT", "START_LIMIT", "absent_from", "given_up_from"]

ARRIVAL_LIMIT = timedelta(seconds=60)
"""How long the API server works on one request, by its own default (`--request-timeout`)."""

START_LIMIT = timedelta(seconds=START_TIMEOUT_SECONDS)
"""How long a refused creation is tried where no Workflow says for how long."""


def absent_from(problem: Problem | None) -> datetime | None:
    """Return from when on what was refused is surely absent; None: it may be there, or on its way.

    The problem of a creation that an operator has not tried since its start is not known, so `problem` is None then.
    """
    if problem is None or problem.refused_since is None:
        return None
    return problem.refused_since + ARRIVAL_LIMIT


def given_up_from(problem: Problem, deadline: datetime) -> datetime | None:
    """Return from when on a refused creation is given up: once it is surely absent, and its deadline is over.

    A final refusal has no deadline. None: it cannot be told yet.
    """
    absent = absent_from(problem)
    if absent is None or problem.is_final:
        return absent
    return max(absent, deadline)
