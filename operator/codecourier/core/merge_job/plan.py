"""How a MergeJob goes through its life.

Pending → Running → Completed | Failed | Cancelled.

- Pending → Running: Project, Workflow and repository are there; the base and each pull request are recorded with the
  commits that count, and the first step is claimed.
- Running: at most one step is Running. It is claimed in the ledger, with the commit that it continues from, before its
  Run is made; the Run keeps a finalizer until the ledger has its end. The end of a step and the claim of the next one
  are one write.
- Running → Completed: every pull request is decided, and the new one is open; or, in mode Single, the host has merged
  the pull request.
- Running → Failed: none could be merged, the host does not take the new one, or the merge did not pass its gate.
- Cancelled: a user set `spec.cancelled`, or deleted the MergeJob, before it was finished. A Run at work is stopped
  first.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from codecourier.core.merge_job.finished import plan_finished
from codecourier.core.merge_job.lane import work_until
from codecourier.core.merge_job.ledger import (
    active_step,
    build_step_run,
    claim_step,
    count_merged,
    is_run_of_step,
    pending,
    result_branch,
    with_sources,
)
from codecourier.core.merge_job.outcome import plan_outcome, plan_refusal
from codecourier.core.merge_job.record import record
from codecourier.core.merge_job.result import plan_found, plan_result
from codecourier.core.merge_job.settle import find_trouble, settle
from codecourier.core.merge_job.single import cancel_single, plan_single
from codecourier.core.merge_job.stacking import plan_stack_start
from codecourier.core.merge_job.start import find_start_problem
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.run.status import find_delay
from codecourier.core.shared.creations import (
    LOOK_AGAIN,
    START_LIMIT,
    absent_from,
    given_up_from,
    has_arrived,
    is_certain,
)
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create, Plan, asking
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.outcome import accepted
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import (
    MOST_STEPS,
    JobResult,
    MergeJob,
    MergeJobPhase,
    MergeJobStatus,
    MergeMode,
    MergeStep,
    SourceResult,
)
from codecourier.resources.run import Run, RunPhase

__all__ = ["needs_references", "plan_merge_job"]


def needs_references(job: MergeJob) -> bool:
    """Tell whether the plan depends on Project and Workflow: that of a stop, or after the end, does not."""
    return not (_is_stopped(job) or job.status.phase.is_finished)


def _is_stopped(job: MergeJob) -> bool:
    """Tell whether a user cancels or deletes the merge, or did cancel it and has taken that back since."""
    return job.is_deleting or job.spec.cancelled or bool(job.status.stopping)


@asking
def plan_merge_job(world: MergeJobWorld, now: datetime) -> Plan:
    """Return what is to be done for a MergeJob now."""
    job, status = world.job, world.job.status
    if status.phase.is_finished:
        return plan_finished(world, now)
    if job.is_deleting and world.is_namespace_ending:
        return Plan(release_finalizer=True)
    if FINALIZER not in job.metadata.finalizers and not job.is_deleting:
        return Plan(add_finalizer=True)
    if status.phase is MergeJobPhase.RUNNING:
        return _plan_running(world, now)
    if _is_stopped(job):
        return _cancel(world, status, now)
    return _begin(world, now)


def _begin(world: MergeJobWorld, now: datetime) -> Plan:
    problem = find_start_problem(world)
    if problem is None and (stacked := plan_stack_start(world, now)) is not None:
        return stacked
    recorded = record(world, now) if problem is None else problem
    if isinstance(recorded, Problem):
        return plan_refusal(world, world.job.status, recorded, now)
    return _advance(world, recorded, now)


def _plan_running(world: MergeJobWorld, now: datetime) -> Plan:
    job, status = world.job, world.job.status
    step = active_step(status)
    if step is None:
        if not _is_stopped(job):
            return _advance(world, status, now)
        # What an earlier request has made counts, though a user has cancelled since.
        find = cancel_single if job.spec.mode is MergeMode.SINGLE else plan_found
        return find(world, status, now) or _cancel(world, status, now)
    run = next((run for run in world.runs if run.name == step.run), None)
    if run is None:
        return _plan_unmade(world, step, now)
    if run.status.phase.is_finished:
        return _plan_ended(world, step, run, now)
    if _is_stopped(job):
        stopping = status.updated(stopping=(step.run,), lane=None)
        text = sentence(Reason.STOPPING)
        return plan_outcome(world, stopping, MergeJobPhase.RUNNING, Reason.STOPPING, text, now)
    return _working(world, status.updated(waiting_for=find_delay(run) or ""), step, run.status.phase, now)


def _plan_ended(world: MergeJobWorld, step: MergeStep, run: Run, now: datetime) -> Plan:
    """Decide what follows from the end of a step: one write with its end."""
    job = world.job
    if not is_run_of_step(job.status, step, run):
        return _give_up(world, step, Reason.STEP_UNKNOWN, sentence(Reason.STEP_UNKNOWN, run=run.name), now)
    status = settle(job, job.status.updated(waiting_for=""), step, run, now)
    if _is_stopped(job):
        return _cancel(world, status, now)
    if run.status.phase is RunPhase.CANCELLED:
        text = sentence(Reason.STEP_CANCELLED, run=run.name)
        return plan_outcome(world, status, MergeJobPhase.CANCELLED, Reason.STEP_CANCELLED, text, now)
    trouble = find_trouble(status)
    if trouble is not None:
        reason, text = trouble.reason or Reason.STEP_FAILED.value, trouble.message or ""
        return plan_outcome(world, status, MergeJobPhase.FAILED, reason, text, now)
    return _advance(world, status, now)


def _plan_unmade(world: MergeJobWorld, step: MergeStep, now: datetime) -> Plan:
    """Make the Run of a step that is claimed, say what refuses it, or end the merge.

    The creation was not answered or the operator stopped in between. The finalizer of a Run that was made keeps it
    until this ledger has its end, so one that is absent was never made.
    """
    job, status = world.job, world.job.status
    create = Create(build_step_run(job, status, step))
    problem = world.failures.get(create)
    if problem is None:
        return Plan(creates=(create,))
    deadline = now if _is_stopped(job) else step.claim_time + START_LIMIT
    given_up = absent_from(problem) if _is_stopped(job) else given_up_from(problem, deadline)
    if given_up is not None and now >= given_up:
        if not has_arrived(world.facts, problem, create.resource):
            return _give_up(world, step, problem.reason, problem.message, now)
        given_up = now + LOOK_AGAIN
    status = status.updated(lane=work_until(status.lane, step, RunPhase.PENDING, now))
    waiting = plan_outcome(world, status, MergeJobPhase.RUNNING, problem.reason, problem.message, now)
    creates = (create,) if now < deadline or is_certain(problem) else ()
    return replace(waiting, creates=creates, look_again=given_up)


def _give_up(world: MergeJobWorld, step: MergeStep, reason: Reason, text: str, now: datetime) -> Plan:
    """End the merge with a step whose Run was never made, or is not its own."""
    status, is_stopped = world.job.status, _is_stopped(world.job)
    phase = RunPhase.CANCELLED if is_stopped else RunPhase.FAILED
    closed = step.updated(phase=phase, finish_time=now, reason=reason.value, message=text)
    ended = status.updated(steps=tuple(closed if s.index == step.index else s for s in status.steps))
    if is_stopped:
        return _cancel(world, ended, now)
    return plan_outcome(world, ended, MergeJobPhase.FAILED, reason, text, now)


def _advance(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan:
    """Claim the next step, or what follows after the last one; `status` has the ends of all others."""
    if len(status.steps) >= MOST_STEPS:
        status = _without_steps(status)
    if not pending(status):
        return _conclude(world, status, now)
    if (problem := find_start_problem(world)) is not None:
        return plan_refusal(world, status, problem, now)
    claimed = claim_step(world.job, accepted(world.job, status, now), now)
    step = claimed.steps[-1]
    create = Create(build_step_run(world.job, claimed, step))
    return replace(_working(world, claimed, step, RunPhase.PENDING, now), creates=(create,))


def _conclude(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan:
    """Go on to the merge at the host or to the new pull request, or fail where that would have nothing."""
    found: Plan | MergeJobStatus
    if world.job.spec.mode is MergeMode.SINGLE:
        found = plan_single(world, status, now)
        return found if isinstance(found, Plan) else _advance(world, found, now)
    if not count_merged(status):
        first = next((f"{source.url}: {source.message}" for source in status.sources), "")
        text = sentence(Reason.NOTHING_MERGED, count=len(status.sources), detail=first)
        return plan_outcome(world, status, MergeJobPhase.FAILED, Reason.NOTHING_MERGED, text, now)
    if status.result is not None:
        found = plan_result(world, status, status.result, now)
        return found if isinstance(found, Plan) else _advance(world, found, now)
    result = JobResult(branch=result_branch(world.job))
    text = sentence(Reason.OPENING_PULL_REQUEST, branch=result.branch)
    claimed = status.updated(result=result, suspected=())
    return plan_outcome(world, claimed, MergeJobPhase.RUNNING, Reason.OPENING_PULL_REQUEST, text, now)


def _without_steps(status: MergeJobStatus) -> MergeJobStatus:
    """Return the status in which what is left is left out, as no further step may be made."""
    text = sentence(Reason.STEP_LIMIT, limit=MOST_STEPS)
    left = (source for source in status.sources if source.result is SourceResult.PENDING)
    excluded = {"result": SourceResult.EXCLUDED, "reason": Reason.STEP_LIMIT.value, "message": text}
    return with_sources(status, (source.updated(**excluded) for source in left))


def _working(world: MergeJobWorld, status: MergeJobStatus, step: MergeStep, phase: RunPhase, now: datetime) -> Plan:
    lane = work_until(status.lane, step, phase, now)
    status = status.updated(lane=lane)
    decided = len(status.sources) - len(pending(status))
    text = sentence(
        Reason.RUNNING,
        detail=f"Run {step.run} merges {len(step.numbers)} pull request{'s' * (len(step.numbers) != 1)}; "
        f"{decided} of {len(status.sources)} are decided.",
    )
    plan = plan_outcome(world, status, MergeJobPhase.RUNNING, Reason.RUNNING, text, now)
    return replace(plan, look_again=None if lane is None else lane.until)


def _cancel(world: MergeJobWorld, status: MergeJobStatus, now: datetime) -> Plan:
    reason = Reason.DELETED if world.job.is_deleting else Reason.CANCELLED
    return plan_outcome(world, status, MergeJobPhase.CANCELLED, reason, sentence(reason), now)
