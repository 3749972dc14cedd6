"""Runs in the REST API: object to JSON, and body to what is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from codecourier.apiserver.answers import Instant, PageQuery, View
from codecourier.apiserver.bodies import Body, PromptText, Text
from codecourier.apiserver.ids import (
    ISSUE_SESSION_ID,
    RECURRING_TASK_ID,
    RUN_ID,
    SANDBOX_ID,
    SPRINT_CHAIN_ID,
    WORKFLOW_ID,
    RecurringTaskName,
    SprintChainName,
    WorkflowName,
)
from codecourier.apiserver.views.run_usage import RunUsageView, cost_of, view_run_usage
from codecourier.apiserver.words import RunPhaseWord, reason_word, word_of
from codecourier.core.explain.waits import find_wait
from codecourier.core.run.status import attempt_status, starts_again
from codecourier.core.shared.reasons import ConditionType, cut
from codecourier.core.shared.wishes import is_cancelled
from codecourier.kube.api import Json
from codecourier.resources.issue_session import IssueSession
from codecourier.resources.meta import BranchName, ConditionStatus
from codecourier.resources.recurring_task import RecurringTask
from codecourier.resources.run import Run, RunPhase, Try
from codecourier.resources.sprint_chain import SprintChain
from codecourier.resources.usage_record import UsageRecord

__all__ = [
    "NAMES",
    "RunCreation",
    "RunDetail",
    "RunQuery",
    "RunState",
    "RunView",
    "build_run_spec",
    "is_listed",
    "is_run_accepted",
    "run_title",
    "view_run",
    "view_run_detail",
    "view_run_state",
]

NAMES = {"workflowRef.name": "workflowId", "repositoryUrl": "githubRepoUrl", "baseBranch": "branchName"}
"""Names in the REST API of those fields of the spec that are called otherwise there."""

_TITLE_LENGTH = 100


class RunCreation(Body):
    """A new run."""

    workflow_id: WorkflowName
    """Workflow to run."""

    prompt: PromptText
    """The task for the agent, up to 65,536 bytes."""

    github_repo_url: Annotated[Text, Field(min_length=1, max_length=512)] | None = None
    """Repository to work on, one of the Project's; null: the Project's default."""

    branch_name: BranchName | None = None
    """Branch to start from and to open the pull request against; null: the repository's default branch."""

    title: Annotated[Text, Field(min_length=1, max_length=200)] | None = None
    """The run in a few words, 1 to 200 characters; null: the agent gives it one."""


class RunQuery(PageQuery):
    """Which runs are asked for; filters that are given all count."""

    status: RunPhaseWord | None = None
    """Only runs in this status."""

    workflowId: WorkflowName | None = None  # noqa: N815  the name in the query
    """Only runs of this workflow."""

    sprintChainId: SprintChainName | None = None  # noqa: N815
    """Only runs that this sprint chain made."""

    recurringTaskId: RecurringTaskName | None = None  # noqa: N815
    """Only runs that this recurring task made."""


class TryView(View):
    """One sandbox of the present attempt."""

    number: int
    """Number of the try within the attempt, from 1."""

    sandbox_id: str
    status: str
    reason: str | None
    """Why it ended as it did, as a word for programs."""

    message: str | None
    started_at: Instant | None
    finished_at: Instant | None


class RunState(View):
    """What is shown of a run that was created, cancelled or retried."""

    id: str
    status: str
    attempt: int
    """The attempt that the status is about, from 1."""

    is_cancel_requested: bool
    """Whether the attempt stops, or has stopped, because a user asked for it."""


class RunView(RunState):
    """A run."""

    title: str
    """Its own title, else the agent's, else the first words of the prompt."""

    workflow_id: str
    github_repo_url: str | None
    branch_name: str | None
    """The branch that it starts from; null: the repository's default branch, not found out yet."""

    pr_url: str | None
    pr_number: int | None
    pr_status: str | None
    waiting_for: str | None
    """What an unfinished run waits for, as a word for programs; null while it works. `message` says it in full."""

    message: str | None
    """What is happening or has happened, as a sentence."""

    sprint_chain_id: str | None
    recurring_task_id: str | None
    issue_session_id: str | None
    created_at: Instant | None
    started_at: Instant | None
    """When the attempt first ran."""

    finished_at: Instant | None


class RunDetail(RunView):
    """A run with what became of its attempt."""

    prompt: str
    base_commit: str | None
    """The commit that the attempt started from."""

    work_branch: str | None
    """The branch that the attempt pushes to."""

    head_commit: str | None
    """The pushed commit, or the base commit where the run changed nothing."""

    summary: str | None
    """The agent's summary of its work."""

    files_changed: int | None
    insertions: int | None
    deletions: int | None
    scheduled_for: Instant | None
    """The slot of the recurring task that made the run; null where a user asked for it, and in other runs."""

    recurrence_pattern: str | None
    sprint_number: int | None
    deletion_requested_at: Instant | None
    tries: list[TryView]
    usage: list[RunUsageView] | None
    """What the tries of the attempt consumed; null: nothing was recorded yet."""

    cost_usd: float | None
    """What they cost together; null: nothing was recorded yet."""


def run_title(run: Run) -> str:
    """Return what people know a run by."""
    first = next((line for line in run.spec.prompt.splitlines() if line.strip()), run.name)
    return run.spec.title or attempt_status(run).title or cut(first.strip(), _TITLE_LENGTH)


def _origin_id(run: Run, kind: str, prefix: str) -> str | None:
    origin = run.spec.origin
    return prefix + origin.name if origin is not None and origin.kind == kind else None


def view_run_state(run: Run) -> RunState:
    """Return what the answer to a creation, cancellation or retry shows of a run."""
    status = attempt_status(run)
    return RunState(
        id=RUN_ID + run.name,
        status=word_of(status.phase),
        attempt=status.attempt,
        is_cancel_requested=is_cancelled(run.spec, run.status) and not starts_again(run),
    )


def view_run(run: Run) -> RunView:
    """Return what a list shows of a run."""
    spec, status = run.spec, attempt_status(run)
    made = status.pull_request
    wait = None if status.phase.is_finished else find_wait(status)
    return RunView(
        **dict(view_run_state(run)),
        title=run_title(run),
        workflow_id=WORKFLOW_ID + spec.workflow_ref.name,
        github_repo_url=status.repository_url or spec.repository_url,
        branch_name=status.base_branch or spec.base_branch,
        pr_url=None if made is None else made.url,
        pr_number=None if made is None else made.number,
        pr_status=None if made is None else word_of(made.phase),
        waiting_for=None if wait is None else reason_word(wait.reason),
        message=status.message or None,
        sprint_chain_id=_origin_id(run, SprintChain.info.kind, SPRINT_CHAIN_ID),
        recurring_task_id=_origin_id(run, RecurringTask.info.kind, RECURRING_TASK_ID),
        issue_session_id=_origin_id(run, IssueSession.info.kind, ISSUE_SESSION_ID),
        created_at=run.metadata.creation_timestamp,
        started_at=status.start_time,
        finished_at=status.finish_time,
    )


def view_run_detail(run: Run, records: Sequence[UsageRecord] = ()) -> RunDetail:
    """Return all that is shown of a run, with the records of its attempt's tries."""
    spec, status = run.spec, attempt_status(run)
    change = status.change
    return RunDetail(
        **dict(view_run(run)),
        prompt=spec.prompt,
        base_commit=status.base_commit or spec.base_commit,
        work_branch=status.branch,
        head_commit=status.head_commit,
        summary=status.summary,
        files_changed=None if change is None else change.files,
        insertions=None if change is None else change.insertions,
        deletions=None if change is None else change.deletions,
        scheduled_for=spec.scheduled_for,
        recurrence_pattern=None if spec.recurrence_pattern is None else reason_word(spec.recurrence_pattern),
        sprint_number=None if spec.sprint is None else spec.sprint.number,
        deletion_requested_at=run.metadata.deletion_timestamp,
        tries=[_view_try(done) for done in status.tries],
        usage=view_run_usage(records),
        cost_usd=cost_of(records),
    )


def _view_try(done: Try) -> TryView:
    return TryView(
        number=done.number,
        sandbox_id=SANDBOX_ID + done.sandbox,
        status=word_of(done.phase),
        reason=None if done.reason is None else reason_word(done.reason),
        message=done.message,
        started_at=done.start_time,
        finished_at=done.finish_time,
    )


def is_run_accepted(run: Run) -> bool:
    """Return whether the operator has accepted a run, or has even begun it."""
    ready = run.status.condition(ConditionType.READY)
    return run.status.phase is not RunPhase.PENDING or (ready is not None and ready.status == ConditionStatus.TRUE)


def is_listed(run: Run, query: RunQuery) -> bool:
    """Return whether a run meets all filters of a query."""
    origin = run.spec.origin
    by_origin = {SprintChain.info.kind: query.sprintChainId, RecurringTask.info.kind: query.recurringTaskId}
    wanted = [(kind, name) for kind, name in by_origin.items() if name is not None]
    return (
        (query.status is None or attempt_status(run).phase is query.status)
        and (query.workflowId is None or run.spec.workflow_ref.name == query.workflowId)
        and all(origin is not None and (origin.kind, origin.name) == made_by for made_by in wanted)
    )


def build_run_spec(body: RunCreation, repository_url: str) -> Json:
    """Return the spec of a new run that works on one of the Project's repositories."""
    optional = {"baseBranch": body.branch_name, "title": body.title}
    return {
        "workflowRef": {"name": body.workflow_id},
        "prompt": body.prompt,
        "repositoryUrl": repository_url,
    } | {field: value for field, value in optional.items() if value is not None}
