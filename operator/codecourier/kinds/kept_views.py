"""What retention reads of one object, as the API server returned it: when it ended, and on which days it has events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.core.shared.pull_requests import may_be_open
from codecourier.core.shared.reasons import ConditionType
from codecourier.core.shared.trash import read_trashing_time
from codecourier.kinds.shared import is_run_unfinished
from codecourier.kube.api import Json

__all__ = [
    "NOT_OVER",
    "Over",
    "days_of_record",
    "days_of_run",
    "find_trash_time",
    "is_owed",
    "view_daily_stats",
    "view_learning",
    "view_notification",
    "view_run",
    "view_trashed",
    "view_usage_record",
]


@dataclass(frozen=True, slots=True)
class Over:
    """What retention reads of an object."""

    time: datetime | None = None
    """When it ended; None: it is not over."""

    is_free: bool = False
    """Whether its age or number may end its stay."""

    trash_time: datetime | None = None
    """Since when it is in the trash; None: it is not, or may not go from there."""

    days: tuple[date, ...] = ()
    """The days on which something happened to it that statistics count, the last one at the end."""

    open_day: date | None = None
    """The first day of which something of it may not be recorded yet; None: nothing is open."""


NOT_OVER = Over()
"""An object that is not over, and of which statistics count nothing."""


def view_run(run: Json) -> Over:
    """Return what is read of a Run: a finished one that owes no record may go, unless its pull request is open."""
    status, days = run.get("status") or {}, days_of_run(run)
    finish = _time(status.get("finishTime"))
    open_days = [day for entry in status.get("tries") or () if (day := _open_day(run, entry)) is not None]
    if finish is None or is_run_unfinished(run):
        return Over(days=days, open_day=min(open_days, default=None))
    pull_request = status.get("pullRequest")
    is_closed = not pull_request or not may_be_open(pull_request.get("phase"), pull_request.get("state"))
    is_settled = not open_days and not status.get("unnotified") and _is_staying(run)
    return Over(
        time=finish,
        is_free=is_settled and is_closed,
        trash_time=find_trash_time(run) if is_settled else None,
        days=days,
        open_day=min(open_days, default=None),
    )


def days_of_run(run: Json) -> tuple[date, ...]:
    """Return the days of a Run's creation and, if it is finished, of its end and the merge after it, in order."""
    status, ends = run.get("status") or {}, []
    if status.get("phase") in {"Completed", "Failed", "Cancelled"}:
        ends = [status.get("finishTime"), (status.get("pullRequest") or {}).get("mergeTime")]
    return _days(run["metadata"].get("creationTimestamp"), *ends)


def days_of_record(record: Json) -> tuple[date, ...]:
    """Return the day of a UsageRecord: that on which its try ended."""
    return _days((record.get("spec") or {}).get("finishTime"))


def is_owed(run: Json, entry: Json) -> bool:
    """Tell whether the UsageRecord of a finished try is still to be made."""
    conditions = (run.get("status") or {}).get("conditions") or ()
    has_given_up = any(c["type"] == ConditionType.RECORDS_OWED and c["status"] == "False" for c in conditions)
    return bool(entry.get("startTime")) and not entry.get("isRecorded") and not has_given_up


def view_notification(notification: Json) -> Over:
    """Return what is read of a Notification, which is over from its event on."""
    return _record(notification, (notification.get("spec") or {}).get("eventTime"))


def view_usage_record(record: Json) -> Over:
    """Return what is read of a UsageRecord, which is over from the end of its try on."""
    return _record(record, (record.get("spec") or {}).get("finishTime"))


def view_learning(learning: Json) -> Over:
    """Return what is read of a Learning: one that an agent proposed and that is not accepted waits for a user."""
    spec, trash_time = learning.get("spec") or {}, find_trash_time(learning)
    is_waiting = spec.get("run") and not spec.get("accepted") and not _is_trashed(learning)
    created = _time(learning["metadata"].get("creationTimestamp")) if is_waiting else None
    return Over(time=created, is_free=created is not None and _is_staying(learning), trash_time=trash_time)


def view_daily_stats(stats: Json) -> Over:
    """Return what is read of a DailyStats, over from its day on; one that is not named after its day seals none."""
    text = (stats.get("spec") or {}).get("day") or ""
    if stats["metadata"]["name"] != f"stats-{text}":
        return NOT_OVER
    day = date.fromisoformat(text)
    return Over(time=datetime.combine(day, time(), UTC), is_free=_is_staying(stats), days=(day,))


def view_trashed(obj: Json) -> Over:
    """Return what is read of an object of which only the trash is emptied."""
    return Over(trash_time=find_trash_time(obj)) if _is_trashed(obj) else NOT_OVER


def _record(record: Json, text: str | None) -> Over:
    over = _time(text)
    return Over(time=over, is_free=over is not None and _is_staying(record), days=_days(text))


def _open_day(run: Json, entry: Json) -> date | None:
    """Return the day since which a try may have had events that are not recorded; None: it has none."""
    if entry.get("phase", "Pending") in {"Pending", "Running"}:
        is_over = (run.get("status") or {}).get("phase") != "Running"
        return None if is_over else next(iter(_days(entry.get("claimTime"))), None)
    return next(iter(_days(entry.get("finishTime"))), None) if is_owed(run, entry) else None


def _is_staying(obj: Json) -> bool:
    return "deletionTimestamp" not in obj["metadata"]


def _is_trashed(obj: Json) -> bool:
    return (obj["metadata"].get("labels") or {}).get(LABEL_TRASHED) == "true"


def find_trash_time(obj: Json) -> datetime | None:
    """Return since when an object is in the trash; None: it is not, the time is not known, or it is on its way."""
    if not _is_trashed(obj) or not _is_staying(obj):
        return None
    return read_trashing_time(obj["metadata"].get("annotations") or {})


def _days(*texts: str | None) -> tuple[date, ...]:
    return tuple(sorted({found.date() for found in _times(texts)}))


def _times(texts: tuple[str | None, ...]) -> Iterator[datetime]:
    yield from filter(None, map(_time, texts))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
