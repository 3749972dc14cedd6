"""IssueSessions in the REST API: object to JSON, body to spec, and follow-ups."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from pydantic import AfterValidator, Field

from codecourier.address import ISSUE_ADDRESS_MAX_LENGTH, split_issue_address
from codecourier.apiserver.answers import Instant, PageQuery, View
from codecourier.apiserver.bodies import Body, PromptText, Text
from codecourier.apiserver.ids import ISSUE_SESSION_ID, RUN_ID, WORKFLOW_ID, WorkflowName
from codecourier.apiserver.refusal import Refusal
from codecourier.apiserver.words import IssueSessionPhaseWord, word_of
from codecourier.core.issue_session.follow_up import digest_of_follow_up, find_wish
from codecourier.core.shared.naming import ANNOTATION_FOLLOW_UP
from codecourier.kube.api import Json
from codecourier.resources.issue_session import (
    INSTRUCTION_MAX_LENGTH,
    MOST_COMMENTS,
    MOST_RUNS,
    IssueSession,
    SessionRun,
)
from codecourier.resources.meta import BranchName
from codecourier.text import visible

__all__ = [
    "NAMES",
    "FollowUp",
    "SessionCreation",
    "SessionDetail",
    "SessionQuery",
    "SessionState",
    "SessionView",
    "ask_follow_up",
    "build_session_spec",
    "is_listed",
    "title_of_new",
    "view_session",
    "view_session_detail",
    "view_session_state",
]

NAMES = {"workflowRef.name": "workflowId", "baseBranch": "branchName"}
"""Names in the REST API of those fields of the spec that are called otherwise there."""

_PULL = "/pull/"


def _check_issue(url: str) -> str:
    url = url.rstrip("/")
    if _PULL in url:
        raise ValueError("is the address of a pull request: give that of an issue")
    split_issue_address(url)
    return url


def _check_unlike(numbers: list[int]) -> list[int]:
    if len({*numbers}) < len(numbers):
        raise ValueError("must name each comment once")
    return numbers


def _check_instruction(text: str) -> str:
    if not visible(text).strip():
        raise ValueError("must have a visible character")
    return text.strip()


class SessionCreation(Body):
    """A new issue session."""

    issue_url: Annotated[Text, Field(max_length=ISSUE_ADDRESS_MAX_LENGTH), AfterValidator(_check_issue)]
    """Address of the issue; its repository is one of the Project's."""

    workflow_id: WorkflowName
    """Workflow of each run."""

    prompt: PromptText | None = None
    """The task of the first run, up to 65,536 bytes; null: to do what the issue asks for."""

    comment_ids: Annotated[
        list[Annotated[int, Field(ge=1, le=2**53)]], Field(max_length=MOST_COMMENTS), AfterValidator(_check_unlike)
    ] = Field(default_factory=list)
    """Comments of the issue that agents read too, by the numbers at the end of their addresses; at most 10."""

    branch_name: BranchName | None = None
    """Branch that the runs start from; null: the repository's default branch."""

    max_runs: Annotated[int, Field(ge=1, le=MOST_RUNS)] = 5
    """How many runs the session may make, 1 to 20, follow-ups included."""


class FollowUp(Body):
    """What another run of an issue session is to do."""

    instruction: Annotated[Text, Field(max_length=INSTRUCTION_MAX_LENGTH), AfterValidator(_check_instruction)]
    """The task in addition to the issue, up to 4,096 characters."""


class SessionQuery(PageQuery):
    """Which issue sessions are asked for."""

    status: IssueSessionPhaseWord | None = None
    """Only those in this status."""


class SessionState(View):
    """What is shown of an issue session that was created."""

    id: str
    status: str


class SessionView(SessionState):
    """An issue session."""

    issue_url: str
    issue_title: str | None
    """The issue's title. Any user of its host may have written it: show it as text, never as HTML."""

    issue_state: str | None
    """`open`, `closed`, `transferred` or `deleted`; null: its host has not shown it yet."""

    workflow_id: str
    runs_made: int
    max_runs: int
    pr_url: str | None
    """The latest pull request."""

    message: str | None
    """What happens now, has happened or is wrong, as a sentence."""

    created_at: Instant | None
    finished_at: Instant | None


class SessionRunView(View):
    """A run of an issue session."""

    index: int
    run_id: str
    status: str
    instruction: str | None
    """What a user asked for in a follow-up; null in the first run, and once the run is finished."""

    pr_url: str | None
    pr_status: str | None
    finished_at: Instant | None
    message: str | None


class SessionDetail(SessionView):
    """An issue session with its runs."""

    prompt: str | None
    comment_ids: list[int]
    branch_name: str | None
    follow_up_message: str | None
    """Why the last follow-up made no run; null if it made one."""

    runs: list[SessionRunView]


def is_listed(session: IssueSession, query: SessionQuery) -> bool:
    """Tell whether a list with these filters has a session."""
    return query.status in (None, session.status.phase)


def view_session_state(session: IssueSession) -> SessionState:
    """Return what the answer to a creation shows of a session."""
    return SessionState(id=ISSUE_SESSION_ID + session.name, status=word_of(session.status.phase))


def view_session(session: IssueSession) -> SessionView:
    """Return what a list shows of a session."""
    spec, status = session.spec, session.status
    issue = status.issue
    return SessionView(
        **dict(view_session_state(session)),
        issue_url=spec.issue_url,
        issue_title=None if issue is None else issue.title,
        issue_state=None if issue is None else word_of(issue.state),
        workflow_id=WORKFLOW_ID + spec.workflow_ref.name,
        runs_made=status.run_count,
        max_runs=spec.max_runs,
        pr_url=status.pull_request_url,
        message=status.message or None,
        created_at=session.metadata.creation_timestamp,
        finished_at=status.finish_time,
    )


def view_session_detail(session: IssueSession) -> SessionDetail:
    """Return all that is shown of a session."""
    spec = session.spec
    return SessionDetail(
        **dict(view_session(session)),
        prompt=spec.prompt,
        comment_ids=list(spec.comment_ids),
        branch_name=spec.base_branch,
        follow_up_message=session.status.follow_up_message or None,
        runs=[_view_run(entry) for entry in session.status.runs],
    )


def _view_run(entry: SessionRun) -> SessionRunView:
    return SessionRunView(
        index=entry.index,
        run_id=RUN_ID + entry.run,
        status=word_of(entry.phase),
        instruction=entry.instruction,
        pr_url=entry.pull_request_url,
        pr_status=None if entry.pull_request is None else word_of(entry.pull_request),
        finished_at=entry.finish_time,
        message=entry.message,
    )


def title_of_new(body: SessionCreation) -> str:
    """Return what a new session is named from: the repository's name and the issue's number."""
    repository, number = split_issue_address(body.issue_url)
    return f"{repository.rpartition('/')[2]} {number}"


def build_session_spec(body: SessionCreation, issue_url: str) -> Json:
    """Return the spec of a new session on the issue of an address."""
    optional = {"prompt": body.prompt, "baseBranch": body.branch_name}
    return {
        "issueUrl": issue_url,
        "workflowRef": {"name": body.workflow_id},
        "commentIds": body.comment_ids,
        "maxRuns": body.max_runs,
    } | {field: value for field, value in optional.items() if value is not None}


def ask_follow_up(session: IssueSession, instruction: str) -> Json:
    """Return the merge patch that asks a session for another run; empty: the same is asked for already.

    Raises
    ------
    Refusal
        409 if the session has made all its runs, is being deleted, or would not notice what is asked for.
    """
    wish = {"metadata": {"annotations": {ANNOTATION_FOLLOW_UP: instruction}}}
    is_same = digest_of_follow_up(wish["metadata"]["annotations"]) == digest_of_follow_up(session.metadata.annotations)
    if (message := _find_obstacle(session, is_same=is_same)) is not None:
        raise Refusal(HTTPStatus.CONFLICT, message)
    return {} if is_same else wish


def _find_obstacle(session: IssueSession, *, is_same: bool) -> str | None:
    pending = find_wish(session)
    if session.is_deleting:
        return "The session is being deleted. Create another one."
    if pending is not None and pending.is_first:
        return "The session has not begun its first run. Ask for a follow-up once it has."
    if is_same and pending is None:
        return "The last follow-up had the same instruction, so this one would not be noticed. Change its words."
    if not is_same and pending is not None:
        return "The session has not begun the last follow-up yet, which this one would replace. Ask again later."
    if session.status.run_count >= session.spec.max_runs:
        return f"The session has made {session.status.run_count} runs, which is all that its maxRuns allows."
    return None
