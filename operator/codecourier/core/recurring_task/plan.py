"""How a RecurringTask fires.

Pending → Active ⇄ Suspended, Active → Paused → Active. A task never ends: it goes with its deletion, which leaves its
Runs alone, so it holds no finalizer.

- Each slot has exactly one disposition (`core.recurring_task.due`). That a slot fires is claimed in the ledger before
  its Run is made, under a name that follows from task and slot; the Run keeps a finalizer until the ledger has its end.
  So a slot makes at most one Run, and a claimed Run that is absent was never made (invariant 2).
- A change of a schedule field begins the schedule anew, from now on. A suspension, a pause or a change of anything else
  keeps its rhythm.
- A user's annotation makes one Run for each new value. It moves no slot.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from codecourier.core.recurring_task.anchoring import begin_schedule, is_current, jitter_of, schedule_of
from codecourier.core.recurring_task.due import Hold, settle_due, settle_replaced_schedule, show_slot
from codecourier.core.recurring_task.holds import find_hold, find_past_hold, find_problem, with_pause
from codecourier.core.recurring_task.ledger import close_runs
from codecourier.core.recurring_task.manual import run_now
from codecourier.core.recurring_task.recovery import adopt_runs
from codecourier.core.recurring_task.reporting import build_notifications, events_of
from codecourier.core.recurring_task.runs import collect_runs, give_up_runs, make_runs
from codecourier.core.recurring_task.timetable import show_local_time, show_time_of_day
from codecourier.core.recurring_task.world import RecurringTaskWorld
from codecourier.core.shared.conditions import with_readiness
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import grace_end, is_stalling
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.core.shared.reporting import settle_state
from codecourier.core.slots.schedule import Schedule, next_slot
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.recurring_task import RecurringTaskPhase, RecurringTaskStatus

__all__ = ["plan_recurring_task"]

AHEAD = timedelta(minutes=1)
"""By how much the last settled slot may lie ahead before the task says so: small steps of a clock are usual."""

_HELD = {Reason.PAUSED_BY_FAILURES: RecurringTaskPhase.PAUSED}
"""The phase of a task that is held, if it is not Suspended."""


def plan_recurring_task(world: RecurringTaskWorld, now: datetime) -> Plan:
    """Return what is to be done for a RecurringTask now."""
    task = world.task
    if task.is_deleting or world.is_namespace_ending:
        return Plan()
    status = with_pause(task, close_runs(task.status, world.runs), now)
    status, given_up = give_up_runs(world, status, now)
    hold, problem = find_hold(task, world.project, status), find_problem(world)
    status, schedule = _with_schedule(world, status, now)
    waiting = None
    if schedule is not None:
        status = adopt_runs(status, schedule, world.runs, now)
        status, waiting = settle_due(task, status, schedule, hold or find_past_hold(task), problem, now)
    status = run_now(task, status, problem, now)
    status = _described(world, status, schedule, hold, problem, now)
    called_for = build_notifications(task)
    notified, notifications = settle_state(world, task.status.notified, called_for)
    # The names of a pause that is over stay until the next one replaces them: taking them off would cost a write.
    status = status.updated(notified=notified) if called_for else status
    times = (given_up, waiting, _next_fire(world, status, schedule, now), _stalls_at(world, problem, now))
    return Plan(
        status=status,
        creates=(*make_runs(world, status), *notifications),
        deletes=collect_runs(world, status),
        events=events_of(task.status, status),
        look_again=min(filter(None, times), default=None),
    )


def _with_schedule(
    world: RecurringTaskWorld, status: RecurringTaskStatus, now: datetime
) -> tuple[RecurringTaskStatus, Schedule | None]:
    """Return the status with the anchor of the spec's schedule, and that schedule; None: its zone is not known."""
    spec, zones, anchor = world.task.spec, world.zones, status.anchor
    if zones.declared is None:
        return status, None
    if anchor is not None and is_current(anchor, spec):
        return status, schedule_of(anchor, zones.declared)
    # A ledger never goes back: after a clock that did, a slot would have two dispositions.
    since = max(now, status.settled_time or now)
    if anchor is None:
        since = world.task.metadata.creation_timestamp or now
    elif zones.anchored is not None:
        status = settle_replaced_schedule(status, schedule_of(anchor, zones.anchored), now)
    new = begin_schedule(spec, zones.declared, since)
    return status.updated(anchor=new, settled_time=since, catch_up_time=None), schedule_of(new, zones.declared)


def _described(
    world: RecurringTaskWorld,
    status: RecurringTaskStatus,
    schedule: Schedule | None,
    hold: Hold | None,
    problem: Problem | None,
    now: datetime,
) -> RecurringTaskStatus:
    """Return the status with its phase, its conditions and what it says of the next slot."""
    task, generation = world.task, world.task.metadata.generation
    conditions = with_readiness(
        status.conditions,
        ConditionStatus.TRUE if problem is None else ConditionStatus.FALSE,
        Reason.ACCEPTED if problem is None else problem.reason,
        sentence(Reason.ACCEPTED) if problem is None else problem.message,
        is_stalled=problem is not None and is_stalling(task, problem, now),
        now=now,
        generation=generation,
    )
    status = status.updated(
        observed_generation=generation,
        conditions=conditions,
        time_of_day="" if status.anchor is None else show_time_of_day(status.anchor),
        next_local_time="",
        next_run_time=None,
    )
    if hold is not None:
        phase = _HELD.get(hold.reason, RecurringTaskPhase.SUSPENDED)
        return status.updated(phase=phase, message=hold.message)
    if problem is not None:
        return status.updated(phase=RecurringTaskPhase.PENDING, message=problem.message)
    slot = None if schedule is None else next_slot(schedule, status.settled_time or now)
    if slot is None or schedule is None:
        return status.updated(phase=RecurringTaskPhase.ACTIVE, message="No slot is left before the calendar ends.")
    time = max(slot + jitter_of(task), status.catch_up_time or slot)
    return status.updated(
        phase=RecurringTaskPhase.ACTIVE,
        next_run_time=time,
        next_local_time=show_local_time(time, schedule.zone),
        message=_next_sentence(status.settled_time or now, slot, schedule, now),
    )


def _next_sentence(settled: datetime, slot: datetime, schedule: Schedule, now: datetime) -> str:
    following = f"The next slot is {show_slot(slot, schedule)}."
    if settled - now <= AHEAD:
        return following
    ahead = f"Slots until {show_slot(settled, schedule)} have their disposition already, because a clock was ahead."
    return f"{following} {ahead} To begin anew, delete the task and create it again."


def _next_fire(
    world: RecurringTaskWorld, status: RecurringTaskStatus, schedule: Schedule | None, now: datetime
) -> datetime | None:
    """Return when the next slot comes that is not due yet; tasks that are held or lack something settle theirs, too."""
    if schedule is None:
        return None
    jitter = jitter_of(world.task)
    slot = next_slot(schedule, max(status.settled_time or now, now - jitter))
    return None if slot is None else slot + jitter


def _stalls_at(world: RecurringTaskWorld, problem: Problem | None, now: datetime) -> datetime | None:
    end = grace_end(world.task, now)
    return end + timedelta(microseconds=1) if problem is not None and end > now else None
