"""Who may run: the decision over all Runs of a project, written by one plan into one object.

A place belongs to one try of one Run. It is given in creation order, is never taken back before that try is over, and
is the only thing that lets a try start; so however old the copy that a Run's plan reads may be, no more Runs are
Running than were admitted (invariant 10). Tries are numbered upwards, so the place of one that is over never fits
again: it may stay in the list, uncounted, until the list changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from codecourier.resources.project import AdmittedRun, Project
from codecourier.resources.run import Run, RunPhase

__all__ = ["admit", "has_new_place", "has_place", "next_try_number"]


def next_try_number(run: Run) -> int:
    """Return the number of the try that a queued Run would start, or that a running one is in."""
    count = len(run.status.tries)
    return count if run.status.phase is RunPhase.RUNNING else count + 1


def has_place(project: Project, run: Run) -> bool:
    """Tell whether a queued Run may start its next try."""
    return any(_is_for(entry, run) for entry in project.status.admitted)


def has_new_place(project: Project, admitted: tuple[AdmittedRun, ...]) -> bool:
    """Tell whether a list of admitted Runs gives a place that the Project's status does not have."""
    return not set(admitted) <= set(project.status.admitted)


def admit(project: Project, runs: Iterable[Run], now: datetime) -> tuple[AdmittedRun, ...]:
    """Return the list of admitted Runs: those that still need their places, then as many new ones as fit."""
    by_uid = {run.uid: run for run in runs}
    kept = tuple(entry for entry in project.status.admitted if _is_needed(entry, by_uid.get(entry.uid)))
    if project.spec.suspend or project.is_deleting:
        return kept
    holders = {entry.uid for entry in kept}
    waiting = sorted((run for run in by_uid.values() if run.uid not in holders and _is_waiting(run, now)), key=_order)
    free = max(0, project.spec.limits.max_concurrent_runs - len(kept))
    return kept + tuple(_place(run, now) for run in waiting[:free])


def _place(run: Run, now: datetime) -> AdmittedRun:
    return AdmittedRun(
        name=run.name,
        uid=run.uid,
        attempt=run.status.attempt,
        try_number=next_try_number(run),
        admission_time=now,
    )


def _is_for(entry: AdmittedRun, run: Run) -> bool:
    return entry.uid == run.uid and entry.attempt == run.status.attempt and entry.try_number == next_try_number(run)


def _is_needed(entry: AdmittedRun, run: Run | None) -> bool:
    return run is not None and not run.status.phase.is_finished and _is_for(entry, run)


def _is_waiting(run: Run, now: datetime) -> bool:
    if run.status.phase is not RunPhase.QUEUED or run.is_deleting or run.spec.cancelled:
        return False
    return run.status.retry_time is None or run.status.retry_time <= now


def _order(run: Run) -> tuple[str, str]:
    created = run.metadata.creation_timestamp
    return (created.isoformat() if created is not None else "", run.name)
