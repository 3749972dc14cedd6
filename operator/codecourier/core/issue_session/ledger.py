"""The ledger of a session: how the entry of a Run is claimed and closed, and the Run that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from codecourier.address import plain_issue_address
from codecourier.core.issue_session.context import build_context, build_prompt
from codecourier.core.issue_session.world import IssueSessionWorld
from codecourier.core.shared.creations import START_LIMIT, given_up_from
from codecourier.core.shared.facts import IssueFact, Problem
from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, session_run_name
from codecourier.core.shared.reasons import ConditionType
from codecourier.resources.issue_session import MOST_RUNS, IssueSession, IssueSessionStatus, SessionRun
from codecourier.resources.meta import ObjectMeta
from codecourier.resources.run import IssueLink, Origin, Run, RunPhase, RunSpec

__all__ = [
    "active_run",
    "build_run",
    "claim_run",
    "close_runs",
    "close_unmade",
    "count_made",
    "index_of",
    "last_pull_request",
    "unmade_until",
]


def active_run(status: IssueSessionStatus) -> SessionRun | None:
    """Return the entry whose end is awaited; None: there is none."""
    return next((entry for entry in status.runs if entry.phase is RunPhase.RUNNING), None)


def count_made(status: IssueSessionStatus) -> int:
    """Return how many Runs the session has made, those included that a lost status does not list any more."""
    return status.runs[-1].index + 1 if status.runs else 0


def last_pull_request(status: IssueSessionStatus) -> SessionRun | None:
    """Return the latest entry with a pull request; None: there is none."""
    return next((entry for entry in reversed(status.runs) if entry.pull_request_url is not None), None)


def claim_run(
    session: IssueSession,
    status: IssueSessionStatus,
    instruction: str | None,
    base: SessionRun | None,
    now: datetime,
) -> IssueSessionStatus:
    """Return the status that claims the next Run.

    Parameters
    ----------
    session
        The session.
    status
        Its status so far.
    instruction
        What a user asked for in a follow-up; None: this is the first Run.
    base
        The earlier entry that it builds on; None: it starts from the base branch.
    now
        The time.
    """
    index = count_made(status)
    entry = SessionRun(
        index=index,
        run=session_run_name(session.name, session.uid, index),
        claim_time=now,
        instruction=instruction,
        base_commit=None if base is None else base.head_commit,
        pull_request_base=None if base is None else base.branch,
    )
    return status.updated(runs=(*status.runs, entry), run_count=index + 1)


def index_of(session: IssueSession, run: Run) -> int | None:
    """Return which Run of the session this is; None: it only says that the session made it."""
    index = run.spec.origin.index if run.spec.origin is not None else None
    if index is None or index >= MOST_RUNS or run.name != session_run_name(session.name, session.uid, index):
        return None
    return index


def close_runs(status: IssueSessionStatus, runs: Iterable[Run]) -> IssueSessionStatus:
    """Return the status with the ends of those of these Runs whose end was awaited."""
    ended = {run.name: run for run in runs if run.status.phase.is_finished}
    entries = tuple(
        _closed(entry, ended[entry.run]) if entry.phase is RunPhase.RUNNING and entry.run in ended else entry
        for entry in status.runs
    )
    return _with_runs(status, entries)


def close_unmade(status: IssueSessionStatus, entry: SessionRun, problem: Problem, now: datetime) -> IssueSessionStatus:
    """Return the status in which the Run of an entry was never made, because the API server refused it."""
    closed = entry.updated(
        phase=RunPhase.FAILED,
        instruction=None,
        finish_time=now,
        reason=problem.reason.value,
        message=problem.message,
    )
    return _with_runs(status, tuple(closed if e.index == entry.index else e for e in status.runs))


def unmade_until(entry: SessionRun, problem: Problem) -> datetime | None:
    """Return from when on a Run that the API server refuses is given up; None: it cannot be told yet."""
    return given_up_from(problem, entry.claim_time + START_LIMIT)


def build_run(world: IssueSessionWorld, status: IssueSessionStatus, entry: SessionRun, issue: IssueFact) -> Run:
    """Return the Run of an entry. Its finalizer keeps it until the ledger has its end."""
    session, workflow = world.session, world.workflow
    closes = workflow is not None and workflow.spec.pull_request.closes_issue
    return Run(
        metadata=ObjectMeta(
            name=entry.run,
            namespace=session.namespace,
            labels={LABEL_ORIGIN_UID: session.uid},
            finalizers=(FINALIZER,),
        ),
        spec=RunSpec(
            workflow_ref=session.spec.workflow_ref,
            prompt=build_prompt(session, entry),
            repository_url=world.repository_url,
            base_branch=session.spec.base_branch,
            base_commit=entry.base_commit,
            pull_request_base=entry.pull_request_base,
            context=build_context(session, status, entry, issue),
            issue=IssueLink(url=plain_issue_address(session.spec.issue_url), closes=closes),
            origin=Origin(kind=session.kind, name=session.name, uid=session.uid, index=entry.index),
        ),
    )


def _closed(entry: SessionRun, run: Run) -> SessionRun:
    ended, pull_request = run.status, run.status.pull_request
    said = ended.condition(ConditionType.SUCCEEDED)
    has_pushed = ended.head_commit is not None and ended.head_commit != ended.base_commit
    return entry.updated(
        phase=ended.phase,
        instruction=None,
        uid=run.uid,
        attempt=ended.attempt or None,
        branch=ended.branch if has_pushed else None,
        head_commit=ended.head_commit if has_pushed else None,
        pull_request=None if pull_request is None else pull_request.phase,
        pull_request_url=None if pull_request is None else pull_request.url,
        finish_time=ended.finish_time,
        reason=None if said is None else said.reason,
        message=ended.message,
    )


def _with_runs(status: IssueSessionStatus, entries: tuple[SessionRun, ...]) -> IssueSessionStatus:
    changed = status.updated(runs=entries)
    last = last_pull_request(changed)
    active = active_run(changed)
    return changed.updated(
        pull_request_url=None if last is None else last.pull_request_url,
        stopping=() if active is None else status.stopping,
    )
