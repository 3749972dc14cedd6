"""How the plan of a session says what happens: alike for all its parts."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.intents import Event, Plan
from codecourier.core.shared.outcome import with_outcome
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.issue_session import IssueSessionPhase, IssueSessionStatus, SessionRun

__all__ = ["plan_outcome", "work_sentence"]


def work_sentence(entry: SessionRun) -> str:
    """Return what a session says whose Run is at work."""
    return sentence(Reason.RUNNING, detail=f"Run {entry.run} works on the issue.")


def plan_outcome(
    world: IssueSessionWorld,
    status: IssueSessionStatus,
    phase: IssueSessionPhase,
    reason: str,
    text: str,
    now: datetime,
) -> Plan:
    """Return the plan that writes a phase and why, with an Event where that is news."""
    new = with_outcome(world.session, status, phase, reason, text, now)
    is_news = text != world.session.status.message
    event = Event(str(reason), text, is_warning=phase is IssueSessionPhase.FAILED)
    return Plan(status=new, events=(event,) if is_news else ())
