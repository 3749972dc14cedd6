"""Pull requests in the REST API: what the records of Runs say of them."""

from __future__ import annotations

from codecourier.apiserver.answers import Instant, PageQuery, View
from codecourier.apiserver.ids import MERGE_JOB_ID, RUN_ID, MakerName
from codecourier.apiserver.words import PullRequestWord, reason_word, word_of
from codecourier.core.run.pull_request_text import build_title
from codecourier.core.shared.trash import is_trashed
from codecourier.pull_request import PullRequestState
from codecourier.resources.merge_job import JobResult, MergeJob
from codecourier.resources.pull_request import Check, Checks, ChecksStatus, PullRequest, PullRequestPhase
from codecourier.resources.run import Run

__all__ = [
    "PullRequestQuery",
    "PullRequestView",
    "is_shown",
    "is_unified_shown",
    "view_pull_request",
    "view_unified_pull_request",
]


class PullRequestQuery(PageQuery):
    """Which pull requests are asked for."""

    status: PullRequestWord | None = None
    """Only those of this status; absent: all."""

    runId: MakerName | None = None  # noqa: N815  the name in the query
    """Only that of this run, with the prefix `r_` or without, or of this merge (`mj_`); absent: of all."""


class CheckView(View):
    """One check of a pull request."""

    name: str
    status: str
    """Its conclusion once it is finished."""

    conclusion: str | None


class ChecksView(View):
    """The checks of a pull request."""

    status: str
    """One of pending, passed, failed, none."""

    checked_at: Instant | None
    """When the operator last saw a change of them; null: it has seen none yet."""

    checks: list[CheckView]
    """Up to 50: failed ones first, then pending ones."""


class PullRequestView(View):
    """The pull request of a run, or the new one of a merge."""

    run_id: str
    """What made it: a run, or a merge of many pull requests into one (`mj_`)."""

    run_name: str
    """The title of the pull request."""

    pr_url: str | None
    """Null until it exists."""

    pr_number: int | None
    """Null until it exists."""

    pr_status: str
    """One of creating, created, failed, skipped, merged, blocked_on_ci."""

    pr_state: str | None
    """Whether it was open, closed or merged when the operator last saw it; null before it exists."""

    ci_checks: ChecksView | None
    """Null before it exists."""


def is_shown(run: Run, status: PullRequestPhase | None) -> bool:
    """Return whether a list shows the pull request of a run; the run of a merge's step opens none.

    Parameters
    ----------
    run
        The run.
    status
        What became of the pull requests that are asked for; None: anything.
    """
    made = run.status.pull_request
    if made is None or run.spec.merge is not None or is_trashed(run):
        return False
    return status in {None, made.phase}


def view_pull_request(run: Run, made: PullRequest) -> PullRequestView:
    """Return what is shown of the pull request of a run."""
    state = _state_of(made)
    return PullRequestView(
        run_id=RUN_ID + run.name,
        run_name=build_title(run),
        pr_url=made.url,
        pr_number=made.number,
        pr_status=word_of(made.phase),
        pr_state=None if state is None else word_of(state),
        ci_checks=_view_checks(made.checks) if made.phase.exists else None,
    )


def is_unified_shown(job: MergeJob, status: PullRequestPhase | None) -> bool:
    """Return whether a list shows the new pull request of a merge; see `is_shown`."""
    made = job.status.result
    return made is not None and status in {None, _phase_of(job, made)}


def view_unified_pull_request(job: MergeJob, made: JobResult) -> PullRequestView:
    """Return what is shown of the new pull request of a merge."""
    phase = _phase_of(job, made)
    return PullRequestView(
        run_id=MERGE_JOB_ID + job.name,
        run_name=job.spec.title or f"Merge {len(job.spec.pull_requests)} pull requests",
        pr_url=made.url,
        pr_number=made.number,
        pr_status=word_of(phase),
        pr_state=word_of(made.state or PullRequestState.OPEN) if phase.exists else None,
        ci_checks=_view_checks(None) if phase.exists else None,
    )


def _phase_of(job: MergeJob, made: JobResult) -> PullRequestPhase:
    if made.state is PullRequestState.MERGED:
        return PullRequestPhase.MERGED
    if made.number is not None:
        return PullRequestPhase.CREATED
    return PullRequestPhase.FAILED if job.status.phase.is_finished else PullRequestPhase.CREATING


def _view_checks(checks: Checks | None) -> ChecksView:
    if checks is None:
        return ChecksView(status=word_of(ChecksStatus.NONE), checked_at=None, checks=[])
    return ChecksView(
        status=word_of(checks.status),
        checked_at=checks.check_time,
        checks=[_view_check(check) for check in checks.items],
    )


def _view_check(check: Check) -> CheckView:
    conclusion = None if check.conclusion is None else reason_word(check.conclusion)
    return CheckView(name=check.name, status=conclusion or reason_word(check.status), conclusion=conclusion)


def _state_of(made: PullRequest) -> PullRequestState | None:
    """Return the state of a pull request, of which earlier versions of the operator recorded only the phase."""
    if made.phase is PullRequestPhase.MERGED:
        return PullRequestState.MERGED
    return made.state or (PullRequestState.OPEN if made.phase.exists else None)
