"""Which Runs may run: the decision over all Runs of a project, written by one plan into one object.

A place belongs to one try of one Run. It is given in creation order to Runs that wait, to those that have
not started once everything that they name is there; it is never taken back before that try is over, and is the only
thing that lets a try start. So however old the copy that a Run's plan reads may be, no more Runs are Running than were
admitted (invariant 10). Attempts and tries are numbered upwards, so the place of a try that is over never fits again:
it may stay in the list, uncounted, until the list changes. A Run whose Workflow vanishes just after it was
admitted keeps its place until the Workflow is back or the Run is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from codecourier.core.run.references import resolve
from codecourier.core.run.status import attempt_status
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.revisions import has_recorded_workflow
from codecourier.core.shared.wishes import is_cancelled
from codecourier.resources.project import AdmittedRun, Project
from codecourier.resources.run import Run, RunPhase
from codecourier.resources.workflow import Workflow

__all__ = ["UNSEEN_LIMIT", "admit", "has_new_place", "has_place", "has_room", "next_try_number"]


UNSEEN_LIMIT = timedelta(seconds=15)
"""How long after its admission a Run counts that is not known; then it is taken for deleted."""


def next_try_number(run: Run) -> int:
    """Return the number of the try that a waiting Run would start, or that a running one is in."""
    status = attempt_status(run)
    count = len(status.tries)
    return count if status.phase is RunPhase.RUNNING else count + 1


def has_place(project: Project, run: Run) -> bool:
    """Tell whether a waiting Run may start its next try."""
    return any(_is_for(entry, run) for entry in project.status.admitted)


def has_room(project: Project) -> bool:
    """Tell whether the Project surely has a free place: its list, also what is stale in it, is not full."""
    return _gives_places(project) and len(project.status.admitted) < project.spec.limits.max_concurrent_runs


def has_new_place(project: Project, admitted: tuple[AdmittedRun, ...]) -> bool:
    """Tell whether a list of admitted Runs gives a place that the Project's status does not have."""
    return not set(admitted) <= set(project.status.admitted)


def admit(
    project: Project,
    runs: Iterable[Run],
    workflows: Mapping[str, Workflow],
    now: datetime,
    unreadable: frozenset[str] = frozenset(),
) -> tuple[AdmittedRun, ...]:
    """Return the list of admitted Runs: those that still need their places, then as many new ones as fit.

    `runs` has those that are not finished, and those that the Project's list names. `workflows` has by name those
    that are there, of all that Pending Runs name. `unreadable` has the UIDs of Runs that this version cannot read:
    they get no places and keep those that they have, as their pods may run.
    """
    by_uid = {run.uid: run for run in runs}
    kept = tuple(
        entry
        for entry in project.status.admitted
        if entry.uid in unreadable or _is_needed(entry, by_uid.get(entry.uid), now)
    )
    free = project.spec.limits.max_concurrent_runs - len(kept)
    if free <= 0 or not _gives_places(project):
        return kept
    holders = {entry.uid for entry in kept}
    others = (run for run in by_uid.values() if run.uid not in holders)
    waiting = sorted((run for run in others if _is_waiting(project, run, workflows, now)), key=_order)
    return kept + tuple(_place(run, now) for run in waiting[:free])


def _gives_places(project: Project) -> bool:
    return not project.spec.suspend and not project.is_deleting


def _place(run: Run, now: datetime) -> AdmittedRun:
    return AdmittedRun(
        name=run.name,
        uid=run.uid,
        attempt=attempt_status(run).attempt,
        try_number=next_try_number(run),
        admission_time=now,
    )


def _is_for(entry: AdmittedRun, run: Run) -> bool:
    if entry.uid != run.uid:
        return False
    return entry.attempt == attempt_status(run).attempt and entry.try_number == next_try_number(run)


def _is_needed(entry: AdmittedRun, run: Run | None, now: datetime) -> bool:
    """Tell whether a place may still be used: the copy of the Run at hand does not show that its try is over.

    A copy can be older than the place. So a place for a later try than the copy's is kept, or it would be taken from
    a try that is about to start. For a while also that of an attempt that the copy does not ask for, as people may
    lower it again, and that of a Run of which there is no copy: it is deleted or, just after another leader has ended,
    not heard of yet.
    """
    if run is None:
        return now < entry.admission_time + UNSEEN_LIMIT
    if entry.attempt > max(run.spec.attempt, run.status.attempt):
        return now < entry.admission_time + UNSEEN_LIMIT
    status = attempt_status(run)
    place = (entry.attempt, entry.try_number)
    return not status.phase.is_finished and place >= (status.attempt, next_try_number(run))


def _is_waiting(project: Project, run: Run, workflows: Mapping[str, Workflow], now: datetime) -> bool:
    status = attempt_status(run)
    if run.is_deleting or is_cancelled(run.spec, status):
        return False
    if status.phase not in {RunPhase.PENDING, RunPhase.QUEUED}:
        return False
    if has_recorded_workflow(status):
        return status.retry_time is None or status.retry_time <= now
    return not isinstance(resolve(run, project, workflows.get(run.spec.workflow_ref.name)), Problem)


def _order(run: Run) -> tuple[str, str]:
    created = run.metadata.creation_timestamp
    return (created.isoformat() if created is not None else "", run.name)
