"""How a Run ends and how people are told of it: once, and never anything that its status does not say.

There are two ways, and it is the kind of end that decides between them:

- `record_end`: the end follows from facts that no longer change, for whoever looks and whenever. The Notifications
  are made before the status is written, as UsageRecords are, so that one write says everything and nothing is left to
  settle. Whoever does the same late, such as a leader that was frozen meanwhile, makes the same Notifications.
- `claim_end`: the end is a decision that might have been another one a moment later. The status is written first, with
  the names of the Notifications that it calls for; another write takes them off once they are there.

Either way a Notification that people delete comes back only if they do so before that last write.
"""

from __future__ import annotations

from datetime import datetime

from codecourier.core.run.pull_request_text import build_title
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.notifications import build_notification
from codecourier.resources.notification import Notification, NotificationType
from codecourier.resources.run import PullRequestPhase, Run, RunPhase, RunStatus

__all__ = ["build_run_notifications", "claim_end", "record_end"]


def record_end(world: RunWorld, status: RunStatus, reason: str, time: datetime) -> Plan:
    """Return the plan that makes the Notifications of an end that facts determine, then writes it.

    `time` is one of those facts: when what ended the Run happened.
    """
    missing = (n for n in build_run_notifications(world.run, status, time) if n.name not in world.notifications)
    records = () if world.is_namespace_ending else tuple(Create(notification) for notification in missing)
    return Plan(records=records, status=status, events=(_event(status, reason),))


def claim_end(run: Run, status: RunStatus, reason: str, now: datetime) -> Plan:
    """Return the plan that writes an end, which nothing but this write determines, and makes its Notifications."""
    made = build_run_notifications(run, status, now)
    new = status.updated(unnotified=tuple(notification.name for notification in made))
    return Plan(status=new, creates=tuple(Create(n) for n in made), events=(_event(status, reason),))


def _event(status: RunStatus, reason: str) -> Event:
    return Event(str(reason), status.message, is_warning=status.phase is RunPhase.FAILED)


def build_run_notifications(run: Run, status: RunStatus, time: datetime) -> tuple[Notification, ...]:
    """Return the Notifications that the status of a finished Run calls for."""
    made = []
    pull_request = status.pull_request
    url = pull_request.url if pull_request is not None else None
    if pull_request is not None and pull_request.phase is PullRequestPhase.CREATED:
        made.append((NotificationType.PR_CREATED, f"Pull request opened: {build_title(run, status)}"))
    if pull_request is not None and pull_request.phase is PullRequestPhase.FAILED:
        made.append((NotificationType.PR_FAILED, f"No pull request for {run.name}"))
    if run.spec.origin is None and status.phase is RunPhase.COMPLETED:
        made.append((NotificationType.RUN_COMPLETED, f"Run {run.name} is completed"))
    if run.spec.origin is None and status.phase is RunPhase.FAILED:
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
