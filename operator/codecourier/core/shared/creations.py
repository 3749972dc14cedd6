"""When a refused creation is given up, and when it is sure that nothing of it can arrive any more.

A refusal is an answer: that request did nothing. A request before it that had no answer may still be carried out, for
as long as the API server works on one. Only after that time is what was refused surely absent, and a plan may go on
as if it had never been asked for.

An error of the server, or silence, proves nothing: that request may be carried out. Where nothing else comes, a plan
stops asking, waits as long, and then asks the API server whether the object is there.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.shared.facts import Facts, ObjectAsk, Problem
from codecourier.resources.meta import CustomResource
from codecourier.resources.workflow import START_TIMEOUT_SECONDS

__all__ = [
    "ARRIVAL_LIMIT",
    "LOOK_AGAIN",
    "START_LIMIT",
    "absent_from",
    "given_up_from",
    "has_arrived",
    "is_certain",
]

ARRIVAL_LIMIT = timedelta(seconds=60)
"""How long the API server works on one request, by its own default (`--request-timeout`)."""

LOOK_AGAIN = timedelta(seconds=15)
"""How long a plan waits for the watch of an object that is there."""

START_LIMIT = timedelta(seconds=START_TIMEOUT_SECONDS)
"""How long a refused creation is tried where no Workflow says for how long."""


def is_certain(problem: Problem) -> bool:
    """Tell whether every answer was a refusal, so that asking again delays nothing."""
    return problem.refused_since is not None


def absent_from(problem: Problem | None) -> datetime | None:
    """Return from when on nothing of a creation can arrive any more; None: that cannot be told.

    Where the answers are not certain, this moves with each request, and `has_arrived` has to be asked then.

    The problem of a creation that an operator has not tried since its start is not known, so `problem` is None then.
    """
    last = None if problem is None else problem.refused_since or problem.tried
    return None if last is None else last + ARRIVAL_LIMIT


def given_up_from(problem: Problem, deadline: datetime) -> datetime | None:
    """Return from when on a refused creation is given up: once nothing of it can arrive, and its deadline is over.

    A final refusal has no deadline. None: it cannot be told yet.
    """
    absent = absent_from(problem)
    if absent is None or problem.is_final:
        return absent
    return max(absent, deadline)


def has_arrived(facts: Facts, problem: Problem, resource: CustomResource) -> bool:
    """Tell whether an object is there of which the last answer proves nothing.

    Parameters
    ----------
    facts
        The answers, among them that of the API server itself: a watch may be late.
    problem
        Why its creation did not work.
    resource
        The object.
    """
    if is_certain(problem):
        return False
    found = facts.get(ObjectAsk(resource.kind, resource.namespace, resource.name))
    return isinstance(found, Problem) or found.uid is not None
