"""The Runs of a task: how they are built, given up and collected."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta

from codecourier.core.recurring_task.ledger import give_up_run
from codecourier.core.recurring_task.world import RecurringTaskWorld
from codecourier.core.shared.creations import given_up_from
from codecourier.core.shared.intents import Create, Delete
from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID
from codecourier.core.shared.pull_requests import may_be_open
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.recurring_task import ActiveRun, RecurringTask, RecurringTaskStatus
from codecourier.resources.run import Origin, Run, RunPhase, RunSpec

__all__ = ["collect_runs", "give_up_runs", "make_runs"]


def make_runs(world: RecurringTaskWorld, status: RecurringTaskStatus) -> tuple[Create, ...]:
    """Return the creations of claimed Runs that are not there.

    The finalizer of a Run that was made keeps it until this ledger has its end, so one that is absent was never made.
    """
    made = {run.name for run in world.runs}
    return tuple(Create(_build_run(world.task, active)) for active in status.active if active.run not in made)


def give_up_runs(
    world: RecurringTaskWorld, status: RecurringTaskStatus, now: datetime
) -> tuple[RecurringTaskStatus, datetime | None]:
    """Return the status without Runs whose creation was refused until their deadline, and when to look at others."""
    times: list[datetime] = []
    for create in make_runs(world, status):
        problem = world.failures.get(create)
        if problem is None:
            continue
        active = next(active for active in status.active if active.run == create.resource.name)
        deadline = active.claim_time + timedelta(seconds=world.task.spec.starting_deadline_seconds)
        given_up = given_up_from(problem, deadline)
        if given_up is None:
            continue
        if now >= given_up:
            status = give_up_run(status, active, problem.reason, problem.message)
        else:
            times.append(given_up)
    return status, min(times, default=None)


def _build_run(task: RecurringTask, active: ActiveRun) -> Run:
    spec = task.spec
    return Run(
        metadata=ObjectMeta(
            name=active.run,
            namespace=task.namespace,
            labels={LABEL_ORIGIN_UID: task.uid},
            finalizers=(FINALIZER,),
        ),
        spec=RunSpec(
            workflow_ref=spec.workflow_ref,
            prompt=spec.prompt,
            repository_url=spec.repository_url,
            base_branch=spec.base_branch,
            origin=Origin(kind=task.kind, name=task.name, uid=task.uid, slot=active.slot),
            scheduled_for=None if active.is_manual else active.slot,
            recurrence_pattern=None if active.is_manual else spec.frequency.value,
        ),
    )


def collect_runs(world: RecurringTaskWorld, status: RecurringTaskStatus) -> tuple[Delete, ...]:
    """Return the deletions of finished Runs beyond the history limits, the oldest.

    None with a pull request goes, and none before the days of its creation and its end are sealed.
    """
    spec = world.task.spec
    limits = (
        (spec.completed_runs_history_limit, {RunPhase.COMPLETED}),
        (spec.failed_runs_history_limit, {RunPhase.FAILED, RunPhase.CANCELLED}),
    )
    return tuple(
        Delete(kind=run.kind, namespace=run.namespace, name=run.name, uid=run.uid)
        for limit, phases in limits
        for run in _newest_first(world, status, phases)[limit:]
        if not run.is_deleting and not _has_pull_request(run) and _is_sealed(run, world.sealed_days)
    )


def _newest_first(world: RecurringTaskWorld, status: RecurringTaskStatus, phases: set[RunPhase]) -> list[Run]:
    awaited = {active.run for active in status.active}
    ended = (run for run in world.runs if run.status.phase in phases and run.name not in awaited)
    return sorted(ended, key=_slot_of, reverse=True)


def _slot_of(run: Run) -> tuple[bool, datetime | None, str]:
    slot = run.spec.origin.slot if run.spec.origin is not None else None
    return (slot is not None, slot, run.name)


def _has_pull_request(run: Run) -> bool:
    """Tell whether the pull request of a Run is open, or may be."""
    made = run.status.pull_request
    return made is not None and may_be_open(made.phase, made.state)


def _is_sealed(run: Run, sealed: Collection[date]) -> bool:
    """Tell whether the days on which something happened to a Run are sealed."""
    made = run.status.pull_request
    merge_time = made.merge_time if made is not None else None
    times = (run.metadata.creation_timestamp, run.status.finish_time, merge_time)
    return all(time.date() in sealed for time in times if time is not None)
