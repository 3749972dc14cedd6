"""What follows from the end of a step for the pull requests that it was given.

- Merged, with a verified commit that has them: Clean or Resolved, and the next step continues from that commit.
- A conflict that the agent did not resolve: tried again until the attempts are used up, then left out.
- A conflict that no agent is given, such as one of submodules: left out at once.
- A step that fails counts for nothing. With several pull requests they are tried in halves, so that the rest goes on
  without the one that fails; that one alone is left out.
- Trouble outside of the pull requests leaves them as they are: the step is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from codecourier.core.merge_job.ledger import DEFAULT_ATTEMPTS, with_sources
from codecourier.core.shared.reasons import RETRYABLE, ConditionType, Reason, cut, sentence
from codecourier.merging import UNRESOLVABLE, MergeState
from codecourier.resources.merge import MergedSource, MergeResult
from codecourier.resources.merge_job import JobSource, MergeJob, MergeJobStatus, MergeMode, MergeStep, SourceResult
from codecourier.resources.run import Run, RunPhase

__all__ = ["MOST_TROUBLES", "find_trouble", "settle"]

MOST_TROUBLES = 3
"""How many steps in a row may end for trouble outside of the pull requests; each had its Workflow's retries."""

MESSAGE_LENGTH = 1024
"""How many characters of a Run's message are kept."""

_OUTSIDE = frozenset(reason.value for reason in RETRYABLE)

_OF_AGENT = frozenset(
    {Reason.AGENT_FAILED.value, Reason.AGENT_TIMEOUT.value, Reason.OUT_OF_MEMORY.value, Reason.SECRET_IN_OUTPUT.value}
)
"""Reasons for which the same conflict may be resolved in another attempt."""

_RESULTS = {MergeState.CLEAN: SourceResult.CLEAN, MergeState.RESOLVED: SourceResult.RESOLVED}

_LEFT_OUT = {
    MergeState.EMPTY: Reason.MERGE_EMPTY,
    MergeState.CONTAINED: Reason.MERGE_CONTAINED,
    MergeState.MISSING: Reason.COMMIT_MISSING,
    MergeState.FORBIDDEN: Reason.WORKFLOW_PERMISSION,
}


@dataclass(frozen=True)
class _End:
    """How a step ended."""

    reason: str
    message: str
    merge: MergeResult | None

    @property
    def handled(self) -> tuple[MergedSource, ...]:
        """What it says of the pull requests that it was given, the first ones."""
        return () if self.merge is None else self.merge.sources


def settle(job: MergeJob, status: MergeJobStatus, step: MergeStep, run: Run, now: datetime) -> MergeJobStatus:
    """Return the status with the end of a step, and what follows from it; the Run is finished.

    Parameters
    ----------
    job
        The MergeJob.
    status
        Its status, in which the step is Running.
    step
        The step.
    run
        Its Run.
    now
        The time.
    """
    end = _end_of(step, run)
    is_merged = run.status.phase is RunPhase.COMPLETED and end.merge is not None and end.merge.tip is not None
    phase = run.status.phase
    if phase is RunPhase.COMPLETED and not is_merged:
        phase, end = RunPhase.FAILED, _End(Reason.REPORT_LOST.value, end.message, None)
    tip = None if end.merge is None or not is_merged else end.merge.tip
    closed = step.updated(
        phase=phase,
        head_commit=tip if tip != step.base_commit else None,
        finish_time=run.status.finish_time or now,
        reason=end.reason,
        message=end.message,
    )
    new = status.updated(steps=tuple(closed if s.index == step.index else s for s in status.steps))
    if is_merged and end.merge is not None:
        return _with_merged(job, new, end.merge, step)
    return new if phase is RunPhase.CANCELLED or end.reason in _OUTSIDE else _with_failure(job, new, step, end)


def find_trouble(status: MergeJobStatus) -> MergeStep | None:
    """Return the last step if too many in a row ended for trouble outside of the pull requests; None: go on."""
    last = status.steps[-MOST_TROUBLES:]
    is_over = len(last) == MOST_TROUBLES and all(
        step.phase is RunPhase.FAILED and step.reason in _OUTSIDE for step in last
    )
    return last[-1] if is_over else None


def _end_of(step: MergeStep, run: Run) -> _End:
    said = run.status.condition(ConditionType.SUCCEEDED)
    merge = run.status.merge
    if merge is not None and tuple(s.number for s in merge.sources) != step.numbers[: len(merge.sources)]:
        merge = None  # it reports on something else
    reason = Reason.STEP_FAILED.value if said is None else said.reason
    return _End(reason, cut(run.status.message, MESSAGE_LENGTH), merge)


def _with_merged(job: MergeJob, status: MergeJobStatus, merge: MergeResult, step: MergeStep) -> MergeJobStatus:
    """Return the status with what a verified commit has, and what it has not."""
    known = {source.number: source for source in status.sources}
    changed = tuple(_merged(job, known[said.number], said) for said in merge.sources)
    decided = {source.number for source in changed if source.result is not SourceResult.PENDING}
    has_commit = merge.tip is not None and merge.tip != step.base_commit
    new = with_sources(status, changed).updated(
        head_commit=merge.tip if has_commit else status.head_commit,
        head_tree=merge.tree if has_commit else status.head_tree,
        suspected=tuple(number for number in status.suspected if number not in decided),
    )
    if merge.sources:
        return new
    return _with_failure(job, new, step, _End(Reason.STEP_FAILED.value, "The step merged nothing.", None))


def _merged(job: MergeJob, source: JobSource, said: MergedSource) -> JobSource:
    if said.state is MergeState.CONFLICT:
        return _conflicting(job, source, said, said.reason or "", said.reason or Reason.MERGE_CONFLICT.value)
    if said.state in _LEFT_OUT:
        return _left_out(source, said.state)
    tried = source.attempts + (said.state is MergeState.RESOLVED)
    return source.updated(result=_RESULTS[said.state], commit=said.commit, attempts=min(tried, 10))


def _with_failure(job: MergeJob, status: MergeJobStatus, step: MergeStep, end: _End) -> MergeJobStatus:
    """Return the status after a step that counts for nothing."""
    known = {source.number: source for source in status.sources}
    forbidden = [known[said.number] for said in end.handled if said.state is MergeState.FORBIDDEN]
    if forbidden and end.reason == Reason.WORKFLOW_PERMISSION.value:
        # Now it is known: the steps that follow leave such pull requests out by themselves.
        known_now = status.updated(may_change_workflows=False)
        return with_sources(known_now, (_left_out(source, MergeState.FORBIDDEN) for source in forbidden))
    tried = tuple(said.number for said in end.handled) or step.numbers
    last = end.handled[-1] if end.handled else None
    if last is not None and last.state is MergeState.CONFLICT:
        return with_sources(status, (_conflicting(job, known[last.number], last, end.message, end.reason),))
    if len(tried) > 1:
        return status.updated(suspected=tried)
    source = known[tried[0]]
    had_conflict = end.reason in _OF_AGENT or (last is not None and last.state is MergeState.RESOLVED)
    if had_conflict:
        return with_sources(status, (_attempted(job, source, end.message, end.reason),))
    return with_sources(status, (_excluded(source, end.reason, end.message),))


def _conflicting(job: MergeJob, source: JobSource, said: MergedSource, detail: str, reason: str) -> JobSource:
    """Return a pull request that conflicts: left out at once where no agent is given such a conflict."""
    hindrance = UNRESOLVABLE.get(said.reason or "")
    if hindrance is None or job.spec.mode is MergeMode.SINGLE:
        return _attempted(job, source, detail, reason)
    text = sentence(Reason.MERGE_UNRESOLVABLE, detail=hindrance)
    return _excluded(source, Reason.MERGE_UNRESOLVABLE.value, text)


def _attempted(job: MergeJob, source: JobSource, detail: str, reason: str) -> JobSource:
    """Return a pull request whose conflicts are not resolved: left out after the last attempt, or without any."""
    if job.spec.mode is MergeMode.SINGLE:
        return _excluded(source, reason, detail)
    limit = job.spec.max_attempts or DEFAULT_ATTEMPTS
    tried = source.updated(attempts=min(source.attempts + 1, limit))
    if tried.attempts < limit:
        return tried
    text = sentence(Reason.MERGE_CONFLICT, count=tried.attempts, limit=limit, detail=detail)
    return _excluded(tried, reason, text)


def _left_out(source: JobSource, state: MergeState) -> JobSource:
    reason = _LEFT_OUT[state]
    text = sentence(reason, commit=source.head_commit, detail="it changes such files.")
    return _excluded(source, reason.value, text)


def _excluded(source: JobSource, reason: str, message: str) -> JobSource:
    return source.updated(result=SourceResult.EXCLUDED, reason=reason, message=cut(message, MESSAGE_LENGTH))
