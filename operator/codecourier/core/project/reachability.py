"""What a Project says of its repositories: accepted or not, reachable or not, and when people hear of a credential.

Ready says whether the declaration is accepted. A host that is away proves nothing about it: trouble that passes leaves
Ready as it was and stands in RepositoriesReachable. So only a repository that lets the credential in ends a spell of a
credential that does not work. One that comes back within `SPELL_PAUSE` is the same spell, and people hear of it once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.conditions import with_condition, with_readiness
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import grace_end, is_passing, is_stalling
from codecourier.core.shared.intents import Create, Event
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.reasons import CREDENTIAL_REASONS, ConditionType, Reason, sentence
from codecourier.core.shared.reporting import settle_state
from codecourier.resources.meta import Condition, ConditionStatus
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.project import Project, ProjectStatus

__all__ = ["SPELL_PAUSE", "events_of", "judge", "settle_notifications"]

SPELL_PAUSE = timedelta(hours=1)
"""How long a credential has to work before its next failure is another one."""


def judge(project: Project, unreached: Problem | None, other: Problem | None, now: datetime) -> ProjectStatus:
    """Return the status with conditions that say what is wrong.

    Parameters
    ----------
    project
        The Project.
    unreached
        Why a repository is not reached; None: all are.
    other
        What else is wrong; None: nothing.
    now
        The time.
    """
    conditions = _with_ready(project, unreached, other, now)
    reason, text = Reason.REACHABLE, sentence(Reason.REACHABLE)
    if unreached is not None:
        reason, text = unreached.reason, unreached.message
    conditions = with_condition(
        conditions,
        ConditionType.REPOSITORIES_REACHABLE,
        ConditionStatus.TRUE if unreached is None else ConditionStatus.FALSE,
        reason,
        text,
        now=now,
        generation=project.metadata.generation,
    )
    new = project.status.updated(observed_generation=project.metadata.generation, conditions=conditions)
    return new.updated(credential_failure_time=_failure_time(project, new, now))


def _with_ready(
    project: Project, unreached: Problem | None, other: Problem | None, now: datetime
) -> tuple[Condition, ...]:
    old, generation = project.status, project.metadata.generation
    ready = old.condition(ConditionType.READY)
    problem = unreached or other
    if unreached is not None and is_passing(unreached.reason) and ready is not None:
        if ready.status == ConditionStatus.TRUE:
            problem = other
        elif ready.status == ConditionStatus.FALSE and old.observed_generation == generation:
            return old.conditions
    if problem is None:
        text = sentence(Reason.ACCEPTED)
        return with_readiness(
            old.conditions, ConditionStatus.TRUE, Reason.ACCEPTED, text, now=now, generation=generation
        )
    is_declared = problem is unreached and not is_passing(problem.reason)
    return with_readiness(
        old.conditions,
        ConditionStatus.FALSE if is_declared else ConditionStatus.UNKNOWN,
        problem.reason,
        problem.message,
        is_stalled=is_declared and is_stalling(project, problem, now),
        now=now,
        generation=generation,
    )


def _failure_time(project: Project, status: ProjectStatus, now: datetime) -> datetime | None:
    """Return when the present or last spell of a credential that does not work began; none begins within the grace."""
    since, ready = project.status.credential_failure_time, project.status.condition(ConditionType.READY)
    if _failing(status) is None or now < grace_end(project, now):
        return since
    is_accepted = ready is not None and ready.status == ConditionStatus.TRUE
    has_worked = is_accepted and ready is not None and ready.last_transition_time + SPELL_PAUSE <= now
    return now if since is None or has_worked else since


def _failing(status: ProjectStatus) -> Condition | None:
    stalled = status.condition(ConditionType.STALLED)
    return stalled if stalled is not None and stalled.reason in CREDENTIAL_REASONS else None


def settle_notifications(world: ProjectWorld, status: ProjectStatus) -> tuple[ProjectStatus, tuple[Create, ...]]:
    """Notify people of a credential that does not work, once for each spell, after the status says so."""
    called_for = _build_notifications(world.project)
    notified, creates = settle_state(world, status.notified, called_for)
    if not called_for:
        notified = status.notified  # needed if the spell goes on, and replaced by those of the next one
    return status.updated(notified=notified), creates


def _build_notifications(project: Project) -> tuple[Notification, ...]:
    """Return the Notifications that the written status calls for."""
    failing, since = _failing(project.status), project.status.credential_failure_time
    if failing is None or since is None:
        return ()
    return (
        build_notification(
            project,
            NotificationType.CREDENTIALS_FAILED,
            since.strftime("%Y%m%d%H%M%S"),
            title="A repository's credential does not work",
            message=failing.message,
            event_time=since,
        ),
    )


def events_of(old: ProjectStatus, new: ProjectStatus) -> tuple[Event, ...]:
    """Return an Event where the Project became ready or not, or else reachable or not."""
    before, after = old.condition(ConditionType.READY), new.condition(ConditionType.READY)
    if after is not None and (before is None or before.reason != after.reason):
        return (Event(after.reason, after.message, is_warning=after.status != ConditionStatus.TRUE),)
    type_ = ConditionType.REPOSITORIES_REACHABLE
    before, after = old.condition(type_), new.condition(type_)
    if before is None or after is None or before.status == after.status:
        return ()
    return (Event(after.reason, after.message, is_warning=after.status != ConditionStatus.TRUE),)
