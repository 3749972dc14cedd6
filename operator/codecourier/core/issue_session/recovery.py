"""Runs of a session that its ledger does not know: the status was lost, or restored from a backup."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from codecourier.core.issue_session.follow_up import find_instruction
from codecourier.core.issue_session.ledger import count_made, index_of
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.issue_session import IssueSession, IssueSessionStatus, SessionRun
from codecourier.resources.run import Run, RunPhase

__all__ = ["adopt_runs"]


def adopt_runs(session: IssueSession, runs: Iterable[Run], now: datetime) -> IssueSessionStatus:
    """Return the session's status with those of its Runs that its ledger lacks.

    A Run is claimed before it is made, so there are such Runs only if the status went back since. The session's Runs
    work one after the other: of those before, each has ended. What they were asked for is not asked for again.
    """
    status, made = session.status, tuple(runs)
    known = {entry.index for entry in status.runs}
    lost = {index: run for run in made if (index := index_of(session, run)) is not None and index not in known}
    if not lost:
        return status
    present = {run.name for run in made}
    old = (_ended(entry) if _is_past(entry, max(lost)) and entry.run not in present else entry for entry in status.runs)
    entries = sorted((*old, *(_claim(index, run, now) for index, run in lost.items())), key=lambda entry: entry.index)
    adopted = status.updated(runs=tuple(entries))
    instruction, digest = find_instruction(session)
    if any(run.spec.prompt == instruction for run in lost.values()):
        adopted = adopted.updated(handled_follow_up=digest, follow_up_message="")
    return adopted.updated(run_count=count_made(adopted))


def _is_past(entry: SessionRun, newest: int) -> bool:
    return entry.phase is RunPhase.RUNNING and entry.index < newest


def _ended(entry: SessionRun) -> SessionRun:
    reason = Reason.END_UNKNOWN
    return entry.updated(
        phase=RunPhase.FAILED, instruction=None, reason=reason.value, message=sentence(reason, run=entry.run)
    )


def _claim(index: int, run: Run, now: datetime) -> SessionRun:
    return SessionRun(
        index=index,
        run=run.name,
        claim_time=run.metadata.creation_timestamp or now,
        base_commit=run.spec.base_commit,
        pull_request_base=run.spec.pull_request_base,
    )
