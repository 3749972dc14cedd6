"""What people are notified of about a MergeJob, each once (see `core.shared.reporting`).

The end of a merge is a decision: a user might have cancelled it a moment later. So its status claims the Notifications.
A Run that made the pull request of a Single merge, or the Combine that did, notifies people of its merge itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from codecourier.core.merge_job.body import build_title
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.resources.merge_job import MergeJob, MergeJobPhase, MergeJobStatus, MergeMode
from codecourier.resources.notification import Notification, NotificationType

__all__ = ["build_merge_notification", "build_notifications"]

_DIFFERENT = frozenset({Reason.LANDED_DIFFERENT.value, Reason.BASE_UNDONE.value})


def build_notifications(job: MergeJob, status: MergeJobStatus) -> tuple[Notification, ...]:
    """Return the Notifications that the status of a finished MergeJob calls for."""
    if status.finish_time is None:
        return ()
    url = status.sources[0].url if job.spec.mode is MergeMode.SINGLE and status.sources else None
    if status.result is not None:
        url = status.result.url
    return tuple(_build(job, status, type_, title, url, status.finish_time) for type_, title in _find_news(job, status))


def build_merge_notification(job: MergeJob, status: MergeJobStatus) -> Notification | None:
    """Return the Notification that the new pull request was merged; None: the status does not say so.

    A merge cannot be undone, and no fact of it changes: whenever it is seen, the Notification is the same.
    """
    result = status.result
    if result is None or result.merge_time is None:
        return None
    return build_notification(
        job,
        NotificationType.PR_MERGED,
        "end",
        title=f"Pull request merged: {build_title(job, status)}",
        message=sentence(Reason.PULL_REQUEST_MERGED, url=result.url, branch=status.base_branch),
        event_time=result.merge_time,
        pr_url=result.url,
    )


def _build(
    job: MergeJob, status: MergeJobStatus, type_: NotificationType, title: str, url: str | None, time: datetime
) -> Notification:
    return build_notification(job, type_, "end", title=title, message=status.message, event_time=time, pr_url=url)


def _find_news(job: MergeJob, status: MergeJobStatus) -> Iterator[tuple[NotificationType, str]]:
    """Yield what is news about the end of a merge, with its title."""
    said = status.condition(ConditionType.SUCCEEDED)
    is_single = job.spec.mode is MergeMode.SINGLE
    if status.phase is MergeJobPhase.FAILED:
        what = "Pull request not merged by" if is_single else "No pull request for"
        yield NotificationType.PR_FAILED, f"{what} {job.name}"
    if status.phase is not MergeJobPhase.COMPLETED:
        return
    yield NotificationType.WORKFLOW_COMPLETED, f"Merge {job.name} is completed"
    if status.result is not None and status.result.number is not None:
        yield NotificationType.PR_CREATED, f"Pull request opened: {build_title(job, status)}"
    if said is not None and said.reason in _DIFFERENT:
        yield NotificationType.LANDING_DIFFERS, f"What {job.name} merged is not what was verified"
