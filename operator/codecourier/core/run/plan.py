"""How a Run goes through its life.

Pending → Queued ⇄ Running → Completed | Failed | Cancelled; a greater `spec.attempt` starts again at Pending.

- Pending → Running: everything that it names is there and the Project's list of admitted Runs has this try. One write
  names the revision of the Workflow, which is there already, and the Sandbox before it is made.
- Pending → Queued: everything is there, but the Project's plan gives no place, or what the try starts from cannot be
  found out yet.
- Queued → Running: the Project's list of admitted Runs has this try.
- Running → Queued: the try failed for reasons outside the agent, or the agent's provider asked to wait.
- Running, pull request Creating: the work is pushed. The pull request is looked for before one is opened.
- Running, pull request Failed: its host refuses it, or the Run has to stop and only people can fix the problem.
  It is looked for a last time, then the Run ends.
- Running → Completed | Failed: the Sandbox's end leaves nothing to try or to open, or the pull request is there. Both
  are facts, so a later cancellation comes too late, and the Notifications are made before the status is written.
- → Cancelled: only once no Sandbox of it is unfinished (invariant 5).

Within an attempt a finished Run stays as it is (invariant 4). Only the Notifications of an end that was a decision are
still settled, and its pull request is followed, which is a field of its own: Created ⇄ BlockedOnCI, both → Merged.
Further Runs may continue that pull request (`core.run.follow_up`); one that is at work is over before the Run goes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from codecourier.core.origin import Origin, is_stop_requested
from codecourier.core.run.debts import owe_records, settle_run
from codecourier.core.run.end import claim_end
from codecourier.core.run.follow_up import is_settled, with_follow_up
from codecourier.core.run.proposals import with_proposals
from codecourier.core.run.pull_request import plan_pull_request
from codecourier.core.run.pull_request_life import follow_pull_request
from codecourier.core.run.recorded import restore_revision
from codecourier.core.run.result import close_try, is_decided, plan_result, record_usage
from codecourier.core.run.start import plan_again, plan_pending, plan_queued
from codecourier.core.run.status import attempt_status, starts_again, working_sentence
from codecourier.core.run.unmade import close_unmade, plan_unmade, plan_unmade_stop
from codecourier.core.run.world import RunWorld
from codecourier.core.shared.intents import Create, Plan, asking
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.outcome import accepted, with_outcome
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.wishes import is_cancelled
from codecourier.resources.run import Run, RunPhase, RunStatus
from codecourier.resources.sandbox import Sandbox, SandboxPhase

__all__ = ["needs_references", "plan_run"]

FOLLOW_UP_PAUSE = timedelta(minutes=1)
"""When a Run that is being deleted looks again whether its follow-up is over."""

_USUAL = frozenset({Reason.RUNNING, Reason.STOPPING})
"""What a Sandbox says when there is nothing to fix."""


def needs_references(run: Run, origin: Origin | None) -> bool:
    """Tell whether the plan depends on Project and Workflow: that of a stop, or of a Run that is over, does not."""
    if run.status.phase.is_finished:
        return starts_again(run)
    return not is_stop_requested(run, origin)


@asking
def plan_run(world: RunWorld, now: datetime) -> Plan:
    """Return what is to be done for a Run now."""
    return owe_records(world, _plan(world, now))


def _plan(world: RunWorld, now: datetime) -> Plan:  # noqa: PLR0911  one line for each state
    run, status = world.run, world.run.status
    if FINALIZER not in run.metadata.finalizers and not run.is_deleting:
        return Plan(add_finalizer=True)
    if status.phase.is_finished and (not starts_again(run) or settle_run(world, now) is not None):
        return _settle(world, now)
    if starts_again(run):
        return plan_again(run, now)
    status = attempt_status(run)
    if status.phase is RunPhase.RUNNING and status.pull_request is not None:
        return plan_pull_request(world, status.pull_request, now)
    sandbox = _current_sandbox(world, status)
    if sandbox is not None and is_decided(world, sandbox):
        return plan_result(world, sandbox, now)
    if is_stop_requested(run, world.origin):
        return _plan_stop(world, status, now)
    if status.phase is RunPhase.PENDING:
        return plan_pending(world, status, now)
    if status.phase is RunPhase.QUEUED:
        return plan_queued(world, now)
    return _plan_running(world, now)


def _current_sandbox(world: RunWorld, status: RunStatus) -> Sandbox | None:
    if status.phase is not RunPhase.RUNNING or not status.tries:
        return None
    name = status.tries[-1].sandbox
    return next((s for s in world.sandboxes if s.name == name), None)


def _plan_running(world: RunWorld, now: datetime) -> Plan:
    run, status = world.run, world.run.status
    sandbox = _current_sandbox(world, status)
    if sandbox is None:
        return plan_unmade(world, now)
    if not sandbox.status.phase.is_finished:
        return replace(_follow(run, sandbox, now), creates=restore_revision(world, status))
    return plan_result(world, sandbox, now)


def _follow(run: Run, sandbox: Sandbox, now: datetime) -> Plan:
    """Show what keeps the Sandbox waiting, for as long as that lasts: people look at the Run to fix it.

    A Sandbox says nothing of a pod that comes up as fast as usual.
    """
    succeeded = sandbox.status.condition(ConditionType.SUCCEEDED)
    reason, text = Reason.RUNNING.value, working_sentence(run, run.status.attempt, sandbox.name)
    if succeeded is not None and succeeded.reason not in _USUAL:
        reason, text = succeeded.reason, succeeded.message
    if text == run.status.message:
        return Plan()
    return Plan(status=with_outcome(run, run.status, RunPhase.RUNNING, reason, text, now))


def _plan_stop(world: RunWorld, status: RunStatus, now: datetime) -> Plan:
    run, records, sandbox = world.run, tuple[Create, ...](), None
    if status.phase is RunPhase.RUNNING:
        sandbox = _current_sandbox(world, status)
        if sandbox is None and (waiting := plan_unmade_stop(world, now)) is not None:
            return waiting
        if sandbox is not None and not sandbox.status.phase.is_finished:
            text = sentence(Reason.STOPPING)
            return Plan(status=with_outcome(run, status, RunPhase.RUNNING, Reason.STOPPING, text, now))
        if sandbox is not None:
            records = record_usage(world, sandbox)
            status = close_try(status, sandbox)
        else:
            status = close_unmade(status, SandboxPhase.CANCELLED, *_stop_words(world, status), now)
    reason, text = _stop_words(world, status)
    new = with_outcome(run, accepted(run, status, now), RunPhase.CANCELLED, reason, text, now)
    plan = replace(claim_end(world, new.updated(retry_time=None), reason, now), records=records)
    return plan if sandbox is None else with_proposals(world, plan, sandbox, now)


def _stop_words(world: RunWorld, status: RunStatus) -> tuple[Reason, str]:
    """Return why the Run was stopped."""
    last = status.tries[-1] if status.tries else None
    if last is not None and last.reason == Reason.PROCESS_UNCONFIRMED:
        return Reason.PROCESS_UNCONFIRMED, last.message or ""
    is_by_wish = is_cancelled(world.run.spec, status)
    if world.run.is_deleting and not is_by_wish:
        return Reason.DELETED, sentence(Reason.DELETED)
    if is_by_wish or world.origin is None:
        return Reason.CANCELLED, sentence(Reason.CANCELLED)
    return Reason.CANCELLED, world.origin.stop_sentence


def _settle(world: RunWorld, now: datetime) -> Plan:
    """Keep the ledger of a finished Run, and let one go that is being deleted."""
    run, status = world.run, world.run.status
    if (settling := settle_run(world, now)) is not None:
        return settling
    if run.is_deleting:
        if not is_settled(world, now):
            return Plan(look_again=now + FOLLOW_UP_PAUSE)
        return Plan(release_finalizer=_is_recorded(world))
    plan = with_follow_up(world, follow_pull_request(world, accepted(run, status, now), now), now)
    return replace(plan, status=None) if plan.status == status else plan


def _is_recorded(world: RunWorld) -> bool:
    """Tell whether the ledger of the Run's origin, if there is one, holds the Run's end."""
    return world.is_namespace_ending or world.origin is None or world.origin.has_recorded(world.run)
