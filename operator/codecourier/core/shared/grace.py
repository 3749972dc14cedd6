"""How long what an object names may still come, before people have to act: alike for every kind and every reference.

GitOps applies in any order, so what is not there yet is no mistake at first. For a while the object only says that it
is not ready; after that it is Stalled. What a host refuses does not come by itself, and trouble that passes never
stalls.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.secrets import UNWATCHED, WatchedSecrets
from codecourier.resources.meta import CustomResource, Status

__all__ = ["GRACE", "LOOK_LATER", "LOOK_SOON", "grace_end", "is_passing", "is_stalling", "next_look"]

GRACE = timedelta(minutes=5)
"""How long after its creation, or the last change of its spec, an object waits for what it names."""

LOOK_SOON = timedelta(seconds=10)
"""Delay within the grace until what is not watched is looked for again."""

LOOK_LATER = timedelta(minutes=1)
"""The same delay after the grace, and within it for a Secret whose changes are watched. One that lacks its label is
not watched, and the sentence about it should be right."""

_PASSING = frozenset({Reason.FORGE_UNAVAILABLE, Reason.RATE_LIMITED, Reason.STACK_BELOW, Reason.STACK_RETARGETED})

_OF_CREDENTIALS = frozenset({Reason.CREDENTIALS_MISSING, Reason.SECRET_NOT_ALLOWED})
"""Trouble that only a change of the Secret ends."""

_REFUSED_BY_HOST = frozenset({Reason.CREDENTIALS_REFUSED, Reason.REPOSITORY_NOT_FOUND, Reason.FORGE_REFUSED})


def is_passing(reason: str) -> bool:
    """Tell whether trouble with this reason passes without a change by people."""
    return reason in _PASSING


def grace_end(resource: CustomResource, now: datetime) -> datetime:
    """Return until when the object waits for what it names."""
    status, metadata = getattr(resource, "status", None), resource.metadata
    if not isinstance(status, Status) or status.observed_generation < 0:
        return (metadata.creation_timestamp or now) + GRACE
    if status.observed_generation != metadata.generation:
        return now + GRACE
    return (status.generation_time or metadata.creation_timestamp or now) + GRACE


def is_stalling(resource: CustomResource, problem: Problem, now: datetime) -> bool:
    """Tell whether an object with a problem is Stalled: only people can help, and they have had their time."""
    if is_passing(problem.reason):
        return False
    return problem.reason in _REFUSED_BY_HOST or now >= grace_end(resource, now)


def next_look(
    resource: CustomResource,
    problem: Problem,
    now: datetime,
    credentials: WatchedSecrets = UNWATCHED,
    agent_secrets: WatchedSecrets = UNWATCHED,
) -> datetime:
    """Return when to plan again for an object with a problem, if nothing that is watched changes before.

    Parameters
    ----------
    resource
        The object.
    problem
        The problem.
    now
        The time.
    credentials
        The Secrets that are meant for repositories.
    agent_secrets
        The Secrets that agents may read.
    """
    end = grace_end(resource, now)
    is_watched = credentials.is_followed and problem.reason in _OF_CREDENTIALS
    is_watched |= agent_secrets.is_followed and problem.reason is Reason.SECRET_NOT_READABLE
    delay = LOOK_LATER if is_watched else LOOK_SOON
    usual = min(now + delay, end) if now < end else now + LOOK_LATER
    return max(usual, problem.retry_time or usual)
