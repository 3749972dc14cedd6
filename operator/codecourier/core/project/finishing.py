"""How a Project goes: it stays while Runs that have started need it, for a bounded time, and gives no new places.

Their pull requests are opened with its credentials, so that objects which are pruned together in any order still end
with a pull request. A Run that has a pod is bounded by the pod's own deadline; one whose pull request is being opened
has `OPENING_LIMIT` after the last pod is over.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.conditions import with_readiness
from codecourier.core.shared.intents import Event, Plan, WritePolicy
from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.meta import ConditionStatus

__all__ = ["OPENING_LIMIT", "is_let_go", "plan_finishing"]

OPENING_LIMIT = timedelta(minutes=10)
"""How long after the end of the last pod a Project that is being deleted waits for pull requests."""

_MOST_NAMES = 5


def is_let_go(world: ProjectWorld, now: datetime) -> bool:
    """Tell whether no Run needs a Project that is being deleted, or its time is over."""
    project = world.project
    if world.is_namespace_ending or project.metadata.annotations.get(ANNOTATION_STOP_NOW) == "true":
        return True
    if not list(world.runs.working()):
        return True
    time = project.status.release_time
    return not list(world.runs.with_pods()) and time is not None and now >= time


def plan_finishing(world: ProjectWorld, writes: tuple[WritePolicy, ...], now: datetime) -> Plan:
    """Return the plan of a Project that is being deleted and still needed: it says for which Runs it stays.

    Its repositories are not looked at any more, and it gives no place.
    """
    status, names = world.project.status, sorted(run.name for run in world.runs.working())
    more = f" and {len(names) - _MOST_NAMES} more" if names[_MOST_NAMES:] else ""
    text = sentence(Reason.PROJECT_FINISHING, runs=", ".join(names[:_MOST_NAMES]) + more)
    generation = world.project.metadata.generation
    conditions = with_readiness(
        status.conditions, ConditionStatus.FALSE, Reason.PROJECT_FINISHING, text, now=now, generation=generation
    )
    has_pods = bool(list(world.runs.with_pods()))
    time = None if has_pods else status.release_time or now + OPENING_LIMIT
    return Plan(
        status=status.updated(conditions=conditions, release_time=time),
        creates=writes,
        events=(Event(Reason.PROJECT_FINISHING.value, text),),
        look_again=time,
    )
