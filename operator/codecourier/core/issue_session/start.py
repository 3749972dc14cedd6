"""How a session begins a Run: what is asked for, what it needs, what it builds on."""

from __future__ import annotations

from datetime import datetime

from codecourier.core.issue_session.follow_up import Wish
from codecourier.core.issue_session.issue import LOOK_AT_ACTIVE, LOOK_AT_NEW, Halt, find_halt, look_at_issue, with_issue
from codecourier.core.issue_session.ledger import build_run, claim_run, count_made
from codecourier.core.issue_session.outcome import plan_outcome, work_sentence
from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.facts import BranchHeadAsk, IssueFact, Problem, PullRequestsAsk
from codecourier.core.shared.grace import next_look
from codecourier.core.shared.intents import Create, Event, Plan
from codecourier.core.shared.outcome import accepted, refused
from codecourier.core.shared.reasons import ConditionType, Reason, sentence
from codecourier.core.shared.references import find_secret_problem, find_workflow
from codecourier.core.shared.trash import is_trashed
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import (
    IssueSession,
    IssueSessionPhase,
    IssueSessionStatus,
    SessionRun,
)

__all__ = ["plan_wish"]

_TRASHED = Problem(Reason.SESSION_TRASHED, sentence(Reason.SESSION_TRASHED))


def plan_wish(world: IssueSessionWorld, wish: Wish, now: datetime) -> Plan:
    """Claim and make the Run that is asked for, or say why not: for good, or what is missing."""
    session = world.session
    if (text := _find_fault(session, wish)) is not None:
        return _decline(world, session.status, wish, Halt(Reason.FOLLOW_UP_DECLINED, text), now)
    issue = _TRASHED if is_trashed(session) else look_at_issue(world, LOOK_AT_NEW, has_comments=True)
    if isinstance(issue, Problem):
        return _refuse(world, session.status, issue, now)
    status = with_issue(session, session.status, issue)
    if (halt := find_halt(world, issue)) is not None:
        return _decline(world, status, wish, halt, now)
    problem = _find_problem(world, issue)
    if problem is not None:
        return _refuse(world, status, problem, now)
    base = _find_base(world)
    if isinstance(base, Problem):
        return _refuse(world, status, base, now)
    claimed = claim_run(session, status, wish.instruction, base, now)
    if not wish.is_first:
        claimed = claimed.updated(handled_follow_up=wish.digest, follow_up_message="")
    entry = claimed.runs[-1]
    running = accepted(session, claimed, now)
    plan = plan_outcome(world, running, IssueSessionPhase.RUNNING, Reason.RUNNING, work_sentence(entry), now)
    run = build_run(world, claimed, entry, issue)
    return Plan(status=plan.status, creates=(Create(run),), events=plan.events, look_again=now + LOOK_AT_ACTIVE)


def _find_fault(session: IssueSession, wish: Wish) -> str | None:
    """Return why a follow-up makes no Run whatever the issue says, as a sentence; None: it may."""
    detail = wish.fault
    made = count_made(session.status)
    if detail is None and made >= session.spec.max_runs:
        detail = f"the session has made {made} Runs and spec.maxRuns is {session.spec.max_runs}"
    return None if detail is None else sentence(Reason.FOLLOW_UP_DECLINED, detail=detail)


def _find_problem(world: IssueSessionWorld, issue: IssueFact) -> Problem | None:
    """Return what a Run would lack; None: nothing."""
    session = world.session
    workflow = find_workflow(world.workflow, session.spec.workflow_ref.name, has_sprint=False)
    if isinstance(workflow, Problem):
        return workflow
    if issue.missing_comments:
        reason = Reason.COMMENT_NOT_FOUND
        first = issue.missing_comments[0]
        return Problem(reason, sentence(reason, comment=first, url=session.spec.issue_url))
    versions = world.agent_secrets.versions if world.agent_secrets.is_followed else None
    return find_secret_problem(world.facts, session.namespace, workflow.spec, versions)


def _find_base(world: IssueSessionWorld) -> SessionRun | Problem | None:
    """Return the last Run whose pull request is open, with its branch's present head; None: there is none.

    Users push to the branches of pull requests too, or push others over them.
    """
    for entry in reversed(world.session.status.runs):
        if entry.pull_request_url is None or entry.branch is None or entry.uid is None:
            continue
        found = world.facts.get(PullRequestsAsk(world.access, entry.branch, entry.uid, entry.attempt or 1))
        if isinstance(found, Problem):
            return found
        if all(item.state is not PullRequestState.OPEN for item in found.items):
            continue
        head = world.facts.get(BranchHeadAsk(world.access, entry.branch))
        if isinstance(head, Problem):
            return head
        if head.commit is not None:
            return entry.updated(head_commit=head.commit)
    return None


def _decline(world: IssueSessionWorld, status: IssueSessionStatus, wish: Wish, halt: Halt, now: datetime) -> Plan:
    """Say for good that no Run is made: a session that has none ends, another one keeps how it ended."""
    session = world.session
    if wish.is_first:
        return plan_outcome(world, accepted(session, status, now), halt.phase, halt.reason, halt.message, now)
    new = accepted(session, status, now).updated(handled_follow_up=wish.digest, follow_up_message=halt.message)
    return Plan(status=new, events=(Event(Reason.FOLLOW_UP_DECLINED.value, halt.message, is_warning=True),))


def _refuse(world: IssueSessionWorld, status: IssueSessionStatus, problem: Problem, now: datetime) -> Plan:
    """Say what is missing, and wait for it."""
    session = world.session
    said = session.status.condition(ConditionType.READY)
    is_new = said is None or said.reason != problem.reason
    return Plan(
        status=refused(session, status, problem, now),
        events=(Event.of(problem),) if is_new else (),
        look_again=next_look(session, problem, now, world.credentials, world.agent_secrets),
    )
