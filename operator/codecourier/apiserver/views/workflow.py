"""Workflows in the REST API: object to JSON."""

from __future__ import annotations

from codecourier.apiserver.answers import Instant, View
from codecourier.apiserver.ids import WORKFLOW_ID
from codecourier.core.shared.reasons import ConditionType
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.workflow import CiPaths, FailurePullRequest, Workflow

__all__ = ["WorkflowDetail", "WorkflowView", "view_workflow", "view_workflow_detail"]


class WorkflowView(View):
    """A workflow."""

    id: str
    image: str
    timeout_seconds: int
    """Seconds after which the agent is stopped."""

    is_ready: bool | None
    """Whether runs can use it; null: the operator has not said so yet."""

    message: str | None
    """Why it cannot be used; null if it can."""

    created_at: Instant | None


class SecretVariableView(View):
    """An environment variable of the agent that comes from a Secret; its value is never shown."""

    name: str
    secret: str
    """Name of the Secret."""

    key: str
    """Key within the Secret."""


class WorkflowDetail(WorkflowView):
    """A workflow with its settings."""

    command: list[str]
    grace_period_seconds: int
    setup: list[str]
    verify: list[str]
    prompt_template: str
    env: list[str]
    """Names of the agent's environment variables with plain values."""

    secret_env: list[SecretVariableView]
    cpu: str
    memory: str
    workspace: str
    step_timeout_seconds: int
    start_timeout_seconds: int
    max_tries: int
    backoff_seconds: int
    opens_draft_on_failure: bool
    """Whether failed work is opened as a draft pull request."""

    closes_issue: bool
    """Whether merging the pull request of an issue session closes its issue."""

    may_change_ci: bool
    """Whether a run may change files that control continuous integration."""

    runtime_class_name: str | None


def view_workflow(workflow: Workflow) -> WorkflowView:
    """Return what a list shows of a Workflow."""
    ready = workflow.status.condition(ConditionType.READY)
    is_ready = (
        None if ready is None or ready.status == ConditionStatus.UNKNOWN else ready.status == ConditionStatus.TRUE
    )
    return WorkflowView(
        id=WORKFLOW_ID + workflow.name,
        image=workflow.spec.image,
        timeout_seconds=workflow.spec.agent.timeout_seconds,
        is_ready=is_ready,
        message=None if ready is None or is_ready else ready.message,
        created_at=workflow.metadata.creation_timestamp,
    )


def view_workflow_detail(workflow: Workflow) -> WorkflowDetail:
    """Return all that is shown of a Workflow: no values of variables, as users put secrets into plain ones, too."""
    spec = workflow.spec
    return WorkflowDetail(
        **dict(view_workflow(workflow)),
        command=list(spec.agent.command),
        grace_period_seconds=spec.agent.grace_period_seconds,
        setup=list(spec.setup),
        verify=list(spec.verify),
        prompt_template=spec.prompt_template,
        env=[variable.name for variable in spec.env],
        secret_env=[
            SecretVariableView(name=v.name, secret=v.secret_key_ref.name, key=v.secret_key_ref.key)
            for v in spec.secret_env
        ],
        cpu=spec.resources.cpu,
        memory=spec.resources.memory,
        workspace=spec.resources.workspace,
        step_timeout_seconds=spec.step_timeout_seconds,
        start_timeout_seconds=spec.start_timeout_seconds,
        max_tries=spec.retry.max_tries,
        backoff_seconds=spec.retry.backoff_seconds,
        opens_draft_on_failure=spec.pull_request.on_failure is FailurePullRequest.DRAFT,
        closes_issue=spec.pull_request.closes_issue,
        may_change_ci=spec.ci_paths is CiPaths.ALLOW,
        runtime_class_name=spec.runtime_class_name,
    )
