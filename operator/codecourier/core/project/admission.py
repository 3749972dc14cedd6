"""Which Runs may run: the decision over all Runs of a project, written by one plan into one object.

A place belongs to one try of one Run. It is given to Runs that are Queued, and to those that are still Pending, once
everything that they name is there and their repository can be reached. The order is that in which they became ready: a
Run by its creation, one that had to wait by its retry time. A place is the only thing that lets a try start, and the
Project's plan never takes it back before that try is over. So however old the copy that a Run's plan reads may be, no
more Runs have a pod than were admitted (invariant 10). Attempts and tries are numbered upwards, so the place of a try
that is over never fits again: it may stay in the list, uncounted, until the list changes.

A Run that cannot use its place returns it: it writes a retry time into its own status, and a place that it got before
that time is void. A leader with old copies cannot start the Run with it, because that write conflicts.

Runs that have a pod are counted also where the list lacks them, as after a restore without status. The Project may also
have been made again: until `UNSEEN_LIMIT` after its creation a Run that is older may be about to start with a place of
the Project before, and no place is given.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from itertools import islice

from codecourier.core.project.places import Runs, RunView, UsableWorkflows
from codecourier.core.run.status import attempt_status
from codecourier.core.shared.consent import RepositoryKey
from codecourier.resources.project import AdmittedRun, Project
from codecourier.resources.run import Run, RunPhase

__all__ = ["UNSEEN_LIMIT", "admit", "has_new_place", "has_place", "has_room", "next_try_number", "settles_at"]

UNSEEN_LIMIT = timedelta(seconds=15)
"""How long after its admission a Run counts that is not known; then it is taken for deleted."""


def next_try_number(run: Run) -> int:
    """Return the number of the try that a waiting Run would start, or that a running one is in."""
    status = attempt_status(run)
    count = len(status.tries)
    return count if status.phase is RunPhase.RUNNING else count + 1


def has_place(project: Project, run: Run) -> bool:
    """Tell whether a waiting Run may start its next try."""
    return any(entry.uid == run.uid and _is_for(entry, run) for entry in project.status.admitted)


def has_room(project: Project) -> bool:
    """Tell whether the Project surely has a free place: its list, also what is stale in it, is not full."""
    return _gives_places(project) and len(project.status.admitted) < project.spec.limits.max_concurrent_runs


def has_new_place(project: Project, admitted: tuple[AdmittedRun, ...]) -> bool:
    """Tell whether a list of admitted Runs gives a place that the Project's status does not have."""
    return not set(admitted) <= set(project.status.admitted)


def admit(
    project: Project, runs: Runs, reached: Collection[RepositoryKey | None], workflows: UsableWorkflows, now: datetime
) -> tuple[AdmittedRun, ...]:
    """Return the list of admitted Runs: those that still need their places, then as many new ones as fit.

    Parameters
    ----------
    project
        The Project.
    runs
        The Runs of its namespace.
    reached
        The repositories that can be reached, None among them where the default one can be.
    workflows
        The Workflows that Runs can start with.
    now
        The time.
    """
    limit = project.spec.limits.max_concurrent_runs
    kept = tuple(entry for entry in project.status.admitted if _is_needed(entry, runs.named(entry.name), now))
    holders = {entry.uid for entry in kept}
    unlisted = [run for run in runs.with_pods() if run.uid not in holders]
    unlisted.sort(key=lambda run: (run.creation_time, run.name))
    kept += tuple(_place(run, now) for run in unlisted[: max(0, limit - len(kept))])
    free = limit - len(holders) - len(unlisted)
    if free <= 0 or not _gives_places(project) or settles_at(project, runs, now) is not None:
        return kept
    waiting = (run for run in runs.waiting(reached, workflows, now) if run.uid not in holders)
    return kept + tuple(_place(run, now) for run in islice(waiting, free))


def settles_at(project: Project, runs: Runs, now: datetime) -> datetime | None:
    """Return until when a new Project gives no place, because a Run may be about to start with an earlier one's."""
    created = project.metadata.creation_timestamp
    if created is None or now >= created + UNSEEN_LIMIT or not runs.has_older_than(created):
        return None
    return created + UNSEEN_LIMIT


def _gives_places(project: Project) -> bool:
    return not project.spec.suspend and not project.is_deleting


def _place(run: RunView, now: datetime) -> AdmittedRun:
    return AdmittedRun(name=run.name, uid=run.uid, attempt=run.attempt, try_number=run.try_number, admission_time=now)


def _is_for(entry: AdmittedRun, run: Run) -> bool:
    status = attempt_status(run)
    if _is_returned(entry, status.retry_time):
        return False
    return entry.attempt == status.attempt and entry.try_number == next_try_number(run)


def _is_returned(entry: AdmittedRun, retry_time: datetime | None) -> bool:
    """Tell whether a Run returned this place: no place is given before the retry time that the Run then writes."""
    return retry_time is not None and entry.admission_time < retry_time


def _is_needed(entry: AdmittedRun, run: RunView | None, now: datetime) -> bool:
    """Tell whether a place may still be used: the copy of the Run at hand does not show that its try is over.

    A copy can be older than the place. So a place for a later try than the copy's is kept, or it would be taken from
    a try that is about to start. For a while also that of an attempt that the copy does not ask for, as people may
    lower it again, and that of a Run of which there is no copy: it is deleted or, just after another leader has ended,
    not heard of yet. A Run in a phase that only a newer version knows may have a pod.
    """
    if run is None or run.uid != entry.uid:
        return now < entry.admission_time + UNSEEN_LIMIT
    if run.phase is None:
        return True
    if entry.attempt > max(run.asked, run.attempt):
        return now < entry.admission_time + UNSEEN_LIMIT
    if run.phase.is_finished or (entry.attempt, entry.try_number) < (run.attempt, run.try_number):
        return False
    is_later = (entry.attempt, entry.try_number) > (run.attempt, run.try_number)
    return is_later or run.has_pod or (run.phase is not RunPhase.RUNNING and not _is_returned(entry, run.retry_time))
