"""MergeJobs in the REST API: object to JSON, and what a user can ask of one that is there."""

from __future__ import annotations

from http import HTTPStatus

from codecourier.address import split_pull_request_address
from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import MERGE_JOB_ID, RUN_ID, WORKFLOW_ID
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.words import reason_word, word_of
from codecourier.core.explain.waits import find_wait
from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY
from codecourier.core.shared.reasons import ConditionType
from codecourier.kube.api import Json
from codecourier.resources.merge_job import (
    JobSource,
    MergeJob,
    MergeJobPhase,
    MergeMode,
    MergeStep,
    MergeStrategy,
    SourceResult,
)
from codecourier.resources.meta import ConditionStatus

__all__ = [
    "MergeDetail",
    "MergeState",
    "MergeView",
    "cancel_merge",
    "is_merge_accepted",
    "view_created_status",
    "view_merge",
    "view_merge_detail",
    "view_merge_state",
]


class MergeState(View):
    """What is shown of a merge that was started or cancelled."""

    id: str
    status: str


class MergeSourceView(View):
    """A pull request that is merged."""

    pr_url: str
    pr_number: int
    run_id: str | None
    """The run that made it; null: none of this project's did, or that is not known yet."""

    result: str
    """One of pending, clean, resolved, excluded."""

    reason: str | None
    """Why it was left out, as a word for programs; null otherwise."""

    message: str | None
    """Why it was left out, or how its conflicts were resolved, as a sentence; null otherwise."""


class MergeView(MergeState):
    """A merge: of many pull requests into one, or of one pull request."""

    mode: str
    """combine or single."""

    pull_requests: list[MergeSourceView]
    """In the order in which they are merged."""

    base_branch: str | None
    """The branch to merge into; null: not known yet."""

    base_sha: str | None
    """The head of that branch on which the merge is made."""

    head_sha: str | None
    """The last commit of the merge that was verified."""

    merge_strategy: str | None
    """One of merge, squash, rebase; null for combine."""

    skip_ci_check: bool
    """Whether a single merge does not wait for checks."""

    result_pr_url: str | None
    """The new pull request of a combine; null before it exists."""

    waiting_for: str | None
    """What an unfinished merge waits for, as a sentence; null while it works."""

    message: str | None
    """What is happening or has happened, as a sentence."""

    requested_by: str | None
    """The user of the last request that changed it; null where it was made without the REST API."""

    created_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None


class MergeStepView(View):
    """A run of a merge."""

    index: int
    run_id: str
    status: str
    pr_numbers: list[int]
    """Numbers of the pull requests that it is given, in order."""

    base_sha: str
    """The commit that it continues from."""

    head_sha: str | None
    """The commit that it ended with."""

    reason: str | None
    """Why it ended as it did, as a word for programs."""

    message: str | None
    started_at: Instant
    finished_at: Instant | None


class MergeCheckView(View):
    """A check that a single merge waits for or that stops it."""

    name: str
    state: str
    """pending, missing, or its conclusion in the host's words."""


class MergeDetail(MergeView):
    """A merge with its runs and checks."""

    workflow_id: str | None
    """Workflow that resolves conflicts and tries the result; null: the project's for merges, or that of the run."""

    branch_name: str | None
    """Branch of the new pull request of a combine; null: not known yet."""

    title: str | None
    """Title that was asked for."""

    max_attempts: int | None
    """How often the agent may try to resolve the conflicts of one pull request; null: the default."""

    close_sources: bool
    result_pr_number: int | None
    merged_sha: str | None
    """The commit on the base branch that has a single merge; null before."""

    merged_at: Instant | None
    is_cancel_requested: bool
    checks: list[MergeCheckView]
    steps: list[MergeStepView]


def is_merge_accepted(job: MergeJob) -> bool:
    """Return whether the operator has accepted a merge, or has even begun it."""
    ready = job.status.condition(ConditionType.READY)
    return job.status.phase is not MergeJobPhase.PENDING or (ready is not None and ready.status == ConditionStatus.TRUE)


def view_created_status(job: MergeJob) -> str:
    """Return the status in the answer to a creation: a merge that was accepted counts as running."""
    is_running = job.status.phase is MergeJobPhase.PENDING and is_merge_accepted(job)
    return word_of(MergeJobPhase.RUNNING if is_running else job.status.phase)


def view_merge_state(job: MergeJob) -> MergeState:
    """Return what the answer to a cancellation shows of a merge."""
    return MergeState(id=MERGE_JOB_ID + job.name, status=word_of(job.status.phase))


def view_merge(job: MergeJob) -> MergeView:
    """Return what a list shows of a merge."""
    spec, status = job.spec, job.status
    is_single = spec.mode is MergeMode.SINGLE
    wait = None if status.phase.is_finished else find_wait(status)
    return MergeView(
        **dict(view_merge_state(job)),
        mode=word_of(spec.mode),
        pull_requests=[_view_source(source) for source in status.sources] or list(map(_view_asked, spec.pull_requests)),
        base_branch=status.base_branch or spec.base_branch,
        base_sha=status.base_commit,
        head_sha=status.head_commit,
        merge_strategy=word_of(spec.merge_strategy or MergeStrategy.SQUASH) if is_single else None,
        skip_ci_check=spec.skip_ci_check,
        result_pr_url=None if status.result is None else status.result.url,
        waiting_for=status.waiting_for or (None if wait is None else wait.message),
        message=status.message or None,
        requested_by=job.metadata.annotations.get(ANNOTATION_REQUESTED_BY),
        created_at=job.metadata.creation_timestamp,
        started_at=status.start_time,
        finished_at=status.finish_time,
    )


def view_merge_detail(job: MergeJob) -> MergeDetail:
    """Return all that is shown of a merge."""
    spec, result, landing = job.spec, job.status.result, job.status.landing
    workflow = job.status.workflow or (None if spec.workflow_ref is None else spec.workflow_ref.name)
    return MergeDetail(
        **dict(view_merge(job)),
        workflow_id=None if workflow is None else WORKFLOW_ID + workflow,
        branch_name=spec.branch_name if result is None else result.branch,
        title=spec.title,
        max_attempts=spec.max_attempts,
        close_sources=spec.close_sources,
        result_pr_number=None if result is None else result.number,
        merged_sha=None if landing is None else landing.commit,
        merged_at=None if landing is None else landing.merge_time,
        is_cancel_requested=spec.cancelled,
        checks=[MergeCheckView(name=check.name, state=reason_word(check.state)) for check in job.status.checks],
        steps=[_view_step(step) for step in job.status.steps],
    )


def _view_source(source: JobSource) -> MergeSourceView:
    return MergeSourceView(
        pr_url=source.url,
        pr_number=source.number,
        run_id=None if source.run is None else RUN_ID + source.run,
        result=word_of(source.result),
        reason=None if source.reason is None else reason_word(source.reason),
        message=source.message,
    )


def _view_asked(url: str) -> MergeSourceView:
    """Return what is shown of a pull request of which the operator has recorded nothing yet."""
    _, number = split_pull_request_address(url)
    pending = word_of(SourceResult.PENDING)
    return MergeSourceView(pr_url=url, pr_number=number, run_id=None, result=pending, reason=None, message=None)


def _view_step(step: MergeStep) -> MergeStepView:
    return MergeStepView(
        index=step.index,
        run_id=RUN_ID + step.run,
        status=word_of(step.phase),
        pr_numbers=list(step.numbers),
        base_sha=step.base_commit,
        head_sha=step.head_commit,
        reason=None if step.reason is None else reason_word(step.reason),
        message=step.message,
        started_at=step.claim_time,
        finished_at=step.finish_time,
    )


def cancel_merge(job: MergeJob) -> Json:
    """Return the merge patch that stops a merge; empty: it stops, or has been stopped, already.

    Raises
    ------
    Refusal
        409 if it has completed or failed.
    """
    phase = job.status.phase
    if phase in {MergeJobPhase.COMPLETED, MergeJobPhase.FAILED}:
        message = f"The merge is over: it has {phase.lower()}. There is nothing left to cancel."
        raise Refusal(HTTPStatus.CONFLICT, message)
    return {} if job.spec.cancelled or phase is MergeJobPhase.CANCELLED else {"spec": {"cancelled": True}}
