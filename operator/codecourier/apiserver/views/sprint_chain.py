"""SprintChains in the REST API: object to JSON, and body to what is written."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.bodies import Body, PromptText, Text
from codecourier.apiserver.ids import RUN_ID, SPRINT_CHAIN_ID, WORKFLOW_ID, WorkflowName
from codecourier.apiserver.views.chain_wishes import starts_again
from codecourier.apiserver.words import word_of
from codecourier.core.shared.reasons import ConditionType
from codecourier.core.shared.wishes import asks_for_attempt
from codecourier.core.sprint_chain.cancelling import is_chain_cancelled
from codecourier.kube.api import Json
from codecourier.resources.meta import BranchName, ConditionStatus
from codecourier.resources.sprint_chain import (
    MAX_SPRINTS,
    SprintChain,
    SprintChainPhase,
    SprintPhase,
    SprintStatus,
)

__all__ = [
    "NAMES",
    "ChainCreation",
    "ChainDetail",
    "ChainState",
    "ChainView",
    "build_chain_spec",
    "is_accepted",
    "view_chain",
    "view_chain_detail",
    "view_created_chain",
    "view_deleted_chain",
]

NAMES = {
    "workflowRef.name": "workflowId",
    "repositoryUrl": "githubRepoUrl",
    "baseBranch": "branchName",
    "sprintRange.first": "sprintRange.0",
    "sprintRange.last": "sprintRange.1",
}
"""Names in the REST API of those fields of the spec that are called otherwise there."""

SprintNumber = Annotated[int, Field(ge=0, le=1_000_000)]


def _check_range(numbers: list[int]) -> list[int]:
    first, last = numbers
    if first > last:
        raise ValueError("the first number must not be greater than the last")
    if last - first >= MAX_SPRINTS:
        raise ValueError(f"a chain has at most {MAX_SPRINTS} sprints")
    return numbers


class ChainCreation(Body):
    """A new sprint chain."""

    workflow_id: WorkflowName
    """Workflow of each sprint."""

    sprint_range: Annotated[list[SprintNumber], Field(min_length=2, max_length=2), AfterValidator(_check_range)]
    """Numbers of the first and the last sprint; at most 100 sprints."""

    prompt: PromptText
    """The task of all sprints together, up to 65,536 bytes."""

    github_repo_url: Annotated[Text, Field(min_length=1, max_length=512)]
    """Repository to work on, one of the Project's."""

    branch_name: BranchName | None = None
    """Branch that the first sprint starts from; null: the repository's default branch."""

    resume_from_sprint: Annotated[int, Field(ge=0, le=MAX_SPRINTS - 1)] | None = None
    """Zero-based index of the sprint to start with; those before it are omitted."""

    @field_validator("resume_from_sprint")
    @classmethod
    def _check_index(cls, index: int | None, info: ValidationInfo) -> int | None:
        numbers = info.data.get("sprint_range")
        if index is not None and numbers is not None and index > numbers[1] - numbers[0]:
            raise ValueError("must be a zero-based index within sprintRange")
        return index


class ChainState(View):
    """What is shown of a sprint chain that was created or deleted."""

    id: str
    status: str


class SprintView(View):
    """A sprint of a chain."""

    index: int
    """Zero-based position in the range."""

    number: int
    status: str
    run_id: str | None
    pr_url: str | None
    pr_status: str | None
    base_commit: str | None
    """The commit that the sprint starts from."""

    head_commit: str | None
    """The commit that the next sprint starts from."""

    started_at: Instant | None
    finished_at: Instant | None
    message: str | None


class ChainView(View):
    """A sprint chain."""

    id: str
    status: str
    sprint_range: Annotated[list[int], Field(min_length=2, max_length=2)]
    """Numbers of the first and the last sprint."""

    current_sprint_index: int
    resume_from_sprint: int | None
    """The index that an attempt which was asked for and has not begun will start with."""

    sprint_pr_urls: list[str]
    """Pull requests of the completed sprints that made one, in order."""

    workflow_id: str
    created_at: Instant | None
    is_paused: bool
    """Whether no further sprint starts until it is unpaused."""

    is_cancel_requested: bool
    """Whether it is being cancelled, or has been: its active sprint stops, and no further one starts."""


class ChainDetail(ChainView):
    """A sprint chain with its sprints."""

    prompt: str
    github_repo_url: str | None
    branch_name: str | None
    attempt: int
    deletion_requested_at: Instant | None
    sprints: list[SprintView]


def view_chain(chain: SprintChain) -> ChainView:
    """Return what a list shows of a chain."""
    spec, status = chain.spec, chain.status
    made = [sprint.pull_request_url for sprint in status.sprints if sprint.phase is SprintPhase.COMPLETED]
    return ChainView(
        id=SPRINT_CHAIN_ID + chain.name,
        status=word_of(SprintChainPhase.PENDING if starts_again(chain) else status.phase),
        sprint_range=[spec.sprint_range.first, spec.sprint_range.last],
        current_sprint_index=status.current_sprint_index,
        resume_from_sprint=spec.resume_from_sprint if asks_for_attempt(spec, status) else None,
        sprint_pr_urls=[url for url in made if url is not None],
        workflow_id=WORKFLOW_ID + spec.workflow_ref.name,
        created_at=chain.metadata.creation_timestamp,
        is_paused=spec.suspend,
        is_cancel_requested=is_chain_cancelled(chain) and not starts_again(chain),
    )


def view_chain_detail(chain: SprintChain) -> ChainDetail:
    """Return all that is shown of a chain."""
    spec, status = chain.spec, chain.status
    return ChainDetail(
        **dict(view_chain(chain)),
        prompt=spec.prompt,
        github_repo_url=status.repository_url or spec.repository_url,
        branch_name=status.base_branch or spec.base_branch,
        attempt=status.attempt or spec.attempt,
        deletion_requested_at=chain.metadata.deletion_timestamp,
        sprints=[_view_sprint(sprint) for sprint in status.sprints],
    )


def _view_sprint(sprint: SprintStatus) -> SprintView:
    return SprintView(
        index=sprint.index,
        number=sprint.number,
        status=word_of(sprint.phase),
        run_id=None if sprint.run is None else RUN_ID + sprint.run,
        pr_url=sprint.pull_request_url,
        pr_status=None if sprint.pull_request is None else word_of(sprint.pull_request),
        base_commit=sprint.base_commit,
        head_commit=sprint.head_commit,
        started_at=sprint.start_time,
        finished_at=sprint.finish_time,
        message=sprint.message,
    )


def is_accepted(chain: SprintChain) -> bool:
    """Return whether the operator has accepted a chain, or has even begun it."""
    ready = chain.status.condition(ConditionType.READY)
    return chain.status.phase is not SprintChainPhase.PENDING or (
        ready is not None and ready.status == ConditionStatus.TRUE
    )


def view_created_chain(chain: SprintChain) -> ChainState:
    """Return what the answer to a creation shows: a chain that was accepted counts as running."""
    phase = chain.status.phase
    is_running = phase is SprintChainPhase.PENDING and is_accepted(chain)
    return ChainState(
        id=SPRINT_CHAIN_ID + chain.name, status=word_of(SprintChainPhase.RUNNING if is_running else phase)
    )


def view_deleted_chain(name: str, left: SprintChain | None) -> ChainState:
    """Return what the answer to a deletion shows; None: the chain is gone, so nothing of it runs."""
    phase = SprintChainPhase.CANCELLED if left is None else left.status.phase
    return ChainState(id=SPRINT_CHAIN_ID + name, status=word_of(phase))


def build_chain_spec(body: ChainCreation, repository_url: str) -> Json:
    """Return the spec of a new chain that works on one of the Project's repositories."""
    first, last = body.sprint_range
    optional = {"baseBranch": body.branch_name, "resumeFromSprint": body.resume_from_sprint}
    return {
        "workflowRef": {"name": body.workflow_id},
        "sprintRange": {"first": first, "last": last},
        "prompt": body.prompt,
        "repositoryUrl": repository_url,
    } | {field: value for field, value in optional.items() if value is not None}
