"""How an IssueSession goes through its life.

Pending → Running → Completed | Failed | Cancelled; a follow-up that a user asks for makes it Running again.

- Pending → Running: Project, Workflow and an open issue of the Project's are there. A Run is claimed in the ledger
  before it is made; it keeps a finalizer until the ledger has its end. So no Run is made twice.
- Running: a closed, transferred or deleted issue stops the Run. A locked one, or a renamed repository, does not.
- The end of a Run is written before any host is asked, as the Run waits for it.
- A session that is finished still follows whether its issue is open, less and less often.
- Deletion leaves the Runs alone, so a session holds no finalizer.
"""

from __future__ import annotations

from datetime import datetime

from codecourier.core.issue_session.comment import with_comment
from codecourier.core.issue_session.follow_up import find_wish
from codecourier.core.issue_session.issue import (
    LOOK_AT_ACTIVE,
    LOOK_AT_NEW,
    Halt,
    find_halt,
    look_at_issue,
    next_look_at,
    with_issue,
)
from codecourier.core.issue_session.ledger import active_run, build_run, close_runs, close_unmade, unmade_until
from codecourier.core.issue_session.outcome import plan_outcome, work_sentence
from codecourier.core.issue_session.recovery import adopt_runs
from codecourier.core.issue_session.start import plan_wish
from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.creations import LOOK_AGAIN, has_arrived
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import next_look
from codecourier.core.shared.intents import Create, Plan, asking
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reasons import Reason
from codecourier.resources.issue_session import IssueSession, IssueSessionPhase, IssueSessionStatus, SessionRun
from codecourier.resources.run import RunPhase

__all__ = ["needs_references", "plan_issue_session"]

_PHASES = {
    RunPhase.COMPLETED: IssueSessionPhase.COMPLETED,
    RunPhase.FAILED: IssueSessionPhase.FAILED,
    RunPhase.CANCELLED: IssueSessionPhase.CANCELLED,
}
"""How a session ends whose last Run ended so."""


def needs_references(session: IssueSession) -> bool:
    """Tell whether the plan depends on Project and Workflow: that of a deletion, or after the end, does not."""
    return not session.is_deleting and (not session.status.phase.is_finished or find_wish(session) is not None)


@asking
def plan_issue_session(world: IssueSessionWorld, now: datetime) -> Plan:
    """Return what is to be done for an IssueSession now."""
    session = world.session
    if session.is_deleting or world.is_namespace_ending:
        return Plan()
    adopted = adopt_runs(session, world.runs, now)
    if (lost := active_run(adopted)) is not None and adopted != session.status:
        return plan_outcome(world, adopted, IssueSessionPhase.RUNNING, Reason.RUNNING, work_sentence(lost), now)
    status = close_runs(session.status, world.runs)
    if status.runs != session.status.runs:
        return _plan_ended(world, status, now)
    active, wish = active_run(status), find_wish(session)
    if active is not None:
        plan = _plan_active(world, active, now)
    elif wish is not None:
        plan = plan_wish(world, wish, now)
    else:
        plan = _plan_finished(world, now)
    return with_comment(world, plan, now)


def _plan_ended(world: IssueSessionWorld, status: IssueSessionStatus, now: datetime) -> Plan:
    """Write the end of a Run, and that of the session with the last one."""
    session, last, active = world.session, status.runs[-1], active_run(status)
    if active is not None:
        return plan_outcome(world, status, IssueSessionPhase.RUNNING, Reason.RUNNING, work_sentence(active), now)
    reason, text = last.reason or Reason.RUNNING.value, last.message or ""
    halt = find_halt(world, status.issue) if last.phase is RunPhase.CANCELLED and session.status.stopping else None
    if halt is not None:
        reason, text = halt.reason.value, halt.message
    return plan_outcome(world, status, _PHASES[last.phase], reason, f"Run {last.run}: {text}", now)


def _plan_finished(world: IssueSessionWorld, now: datetime) -> Plan:
    """Follow what becomes of the issue of a session that has nothing to do."""
    session, status = world.session, world.session.status
    age = next_look_at(status.issue)
    if age is None:
        return Plan(status=accepted(session, status, now))
    issue = look_at_issue(world, age, has_comments=False)
    return Plan(status=accepted(session, with_issue(session, status, issue), now), look_again=now + age)


def _plan_active(world: IssueSessionWorld, active: SessionRun, now: datetime) -> Plan:
    session = world.session
    if all(run.name != active.run for run in world.runs):
        return _plan_unmade(world, active, now)
    issue = look_at_issue(world, LOOK_AT_ACTIVE, has_comments=False)
    status = with_issue(session, session.status, issue)
    halt = find_halt(world, status.issue)
    reason, text = Reason.RUNNING, work_sentence(active)
    if halt is not None:
        reason, text = halt.reason, halt.message
    plan = plan_outcome(
        world,
        status.updated(stopping=() if halt is None else (active.run,)),
        IssueSessionPhase.RUNNING,
        reason,
        text,
        now,
    )
    return _looking(plan, now + LOOK_AT_ACTIVE)


def _plan_unmade(world: IssueSessionWorld, active: SessionRun, now: datetime) -> Plan:
    """Make the Run that is claimed, say what refuses it, or give it up.

    The creation was not answered or the operator stopped in between. The finalizer of a Run that was made keeps it
    until this ledger has its end, so one that is absent was never made.
    """
    status = world.session.status
    issue = look_at_issue(world, LOOK_AT_NEW, has_comments=True)
    if isinstance(issue, Problem):
        return _looking(_outcome_of(world, status, issue, now), next_look(world.session, issue, now, world.credentials))
    create = Create(build_run(world, status, active, issue))
    problem, halt = world.failures.get(create), find_halt(world, issue)
    if halt is not None:
        # A request for it may be on its way, so it is made all the same, and stopped before it starts.
        status = with_issue(world.session, status, issue).updated(stopping=(active.run,))
    if problem is None:
        stopped = Plan() if halt is None else _outcome_of(world, status, halt, now)
        return Plan(status=stopped.status, creates=(create,), events=stopped.events)
    given_up = unmade_until(active, problem)
    if given_up is not None and now >= given_up:
        if not has_arrived(world.facts, problem, create.resource):
            closed = close_unmade(status, active, problem, now)
            return plan_outcome(world, closed, IssueSessionPhase.FAILED, problem.reason, problem.message, now)
        given_up = now + LOOK_AGAIN
    waiting = _outcome_of(world, status, problem, now)
    return Plan(status=waiting.status, creates=(create,), events=waiting.events, look_again=given_up)


def _outcome_of(world: IssueSessionWorld, status: IssueSessionStatus, why: Problem | Halt, now: datetime) -> Plan:
    return plan_outcome(world, status, IssueSessionPhase.RUNNING, why.reason, why.message, now)


def _looking(plan: Plan, time: datetime) -> Plan:
    return Plan(status=plan.status, events=plan.events, look_again=time)
