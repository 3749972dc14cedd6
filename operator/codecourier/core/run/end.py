"""How a Run ends and how people are notified of it (see `core.shared.reporting`).

The kind of end decides which way is taken: `record_end` for an end that follows from facts which no longer change,
`claim_end` for one that is a decision.
"""

from __future__ import annotations

from datetime import datetime

from codecourier.core.run.pull_request_text import build_title
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import CREDENTIAL_REASONS, ConditionType, Reason, sentence
from codecourier.core.shared.reporting import claim_notifications, record_notifications
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.run import PullRequestPhase, Run, RunPhase, RunStatus

__all__ = [
    "build_merge_notification",
    "build_run_notifications",
    "build_stop_notification",
    "build_wait_notification",
    "claim_end",
    "ended_status",
    "record_end",
]


def record_end(world: RunWorld, status: RunStatus, reason: str, time: datetime) -> Plan:
    """Return the plan that makes the Notifications of an end that facts determine, then writes it.

    `time` is one of those facts: when what ended the Run happened.
    """
    records = record_notifications(world, build_run_notifications(world, status, time))
    return Plan(records=records, status=status, events=(_event(status, reason),))


def claim_end(world: RunWorld, status: RunStatus, reason: str, now: datetime) -> Plan:
    """Return the plan that writes an end, which nothing but this write determines, and makes its Notifications."""
    new, creates = claim_notifications(status, build_run_notifications(world, status, now))
    return Plan(status=new, creates=creates, events=(_event(status, reason),))


def ended_status(
    world: RunWorld, status: RunStatus, phase: RunPhase, reason: str, message: str, now: datetime
) -> RunStatus:
    """Return the status of a Run that has ended."""
    return with_outcome(world.run, status, phase, reason, message, now).updated(retry_time=None)


def _event(status: RunStatus, reason: str) -> Event:
    return Event(str(reason), status.message, is_warning=status.phase is RunPhase.FAILED)


def build_wait_notification(run: Run, status: RunStatus) -> Notification | None:
    """Return the Notification of a credential that keeps a pull request waiting; None: something else does."""
    pull_request, said = status.pull_request, status.condition(ConditionType.SUCCEEDED)
    if pull_request is None or pull_request.waiting_since is None or said is None:
        return None
    if said.reason not in CREDENTIAL_REASONS:
        return None
    return build_notification(
        run,
        NotificationType.CREDENTIALS_FAILED,
        f"a{status.attempt}-pr",
        title=f"The credential of {run.name} opens no pull request",
        message=status.message,
        event_time=pull_request.waiting_since,
        run=run.name,
    )


def build_run_notifications(world: RunWorld, status: RunStatus, time: datetime) -> tuple[Notification, ...]:
    """Return the Notifications that the status of a finished Run calls for."""
    run, made = world.run, []
    reports_end = world.origin is None or not world.origin.reports_ends
    pull_request = status.pull_request
    url = pull_request.url if pull_request is not None else None
    if pull_request is not None and pull_request.phase.exists:
        made.append((NotificationType.PR_CREATED, f"Pull request opened: {build_title(run, status)}"))
    if pull_request is not None and pull_request.phase is PullRequestPhase.FAILED:
        made.append((NotificationType.PR_FAILED, f"No pull request for {run.name}"))
    if reports_end and status.phase is RunPhase.COMPLETED:
        made.append((NotificationType.RUN_COMPLETED, f"Run {run.name} is completed"))
    if reports_end and status.phase is RunPhase.FAILED:
        made.append((NotificationType.RUN_FAILED, f"Run {run.name} failed"))
    return tuple(
        build_notification(
            run,
            type_,
            f"a{status.attempt}",
            title=title,
            message=status.message,
            event_time=time,
            run=run.name,
            pr_url=url,
        )
        for type_, title in made
    )


def build_merge_notification(run: Run, status: RunStatus) -> Notification | None:
    """Return the Notification that the pull request of a Run was merged; None: its status does not say so.

    A merge cannot be undone, and no fact of it changes: whenever it is seen, the Notification is the same.
    """
    pull_request = status.pull_request
    if pull_request is None or pull_request.merge_time is None:
        return None
    return build_notification(
        run,
        NotificationType.PR_MERGED,
        f"a{status.attempt}",
        title=f"Pull request merged: {build_title(run, status)}",
        message=sentence(Reason.PULL_REQUEST_MERGED, url=pull_request.url, branch=pull_request.base_branch),
        event_time=pull_request.merge_time,
        run=run.name,
        pr_url=pull_request.url,
    )


def build_stop_notification(run: Run, status: RunStatus) -> Notification | None:
    """Return the Notification that no further Run continues a pull request; None: the status does not say so."""
    said = status.condition(ConditionType.FOLLOWED_UP)
    if said is None or said.status != ConditionStatus.FALSE:
        return None
    pull_request = status.pull_request
    return build_notification(
        run,
        NotificationType.FOLLOW_UP_STOPPED,
        f"a{status.attempt}-f{len(status.follow_ups)}",
        title=f"Pull request of {run.name} needs a user",
        message=said.message,
        event_time=said.last_transition_time,
        run=run.name,
        pr_url=None if pull_request is None else pull_request.url,
    )
