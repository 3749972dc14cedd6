"""Workflow: the blueprint of Runs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from codecourier.resources.meta import (
    CustomResource,
    KindInfo,
    ListMap,
    Model,
    ObjectName,
    PrinterColumn,
    Rule,
    Status,
)

__all__ = [
    "START_TIMEOUT_SECONDS",
    "Agent",
    "CiPaths",
    "EnvironmentVariable",
    "FailurePullRequest",
    "PullRequestPolicy",
    "Resources",
    "Retry",
    "SecretKeyReference",
    "SecretVariable",
    "Workflow",
    "WorkflowSpec",
    "WorkflowStatus",
]

START_TIMEOUT_SECONDS = 600
"""How long a pod may wait for a node and its images where the Workflow says nothing else."""

# No zeros: Kubernetes treats a limit of zero as no limit.
Cpu = Annotated[str, Field(min_length=1, max_length=7, pattern=r"^[1-9][0-9]{0,5}m?$")]
Size = Annotated[str, Field(min_length=3, max_length=8, pattern=r"^[1-9][0-9]{0,5}(Mi|Gi)$")]
VariableName = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    Rule("!self.startsWith('CODECOURIER_')", "names that start with CODECOURIER_ are reserved"),
]
ShellStep = Annotated[str, Field(min_length=1, max_length=4096)]
Argument = Annotated[str, Field(max_length=4096)]


class Agent(Model):
    """The coding agent: any command that reads a prompt and changes files."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=64)]
    """Program and arguments, 1 to 64, without a shell. The prompt is on its standard input and in the file that
    `$CODECOURIER_PROMPT_FILE` names; it works in `$CODECOURIER_WORKSPACE`."""

    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 3600
    """Seconds after which the agent is stopped, 1 to 86,400. Its changes are pushed and the Run is Failed."""

    grace_period_seconds: Annotated[int, Field(ge=1, le=600)] = 15
    """Seconds between asking a process to end and killing it, 1 to 600."""


class SecretKeyReference(Model):
    """One key of a Secret of this namespace."""

    name: ObjectName
    """Name of the Secret. It must carry the label `codecourier.dev/agent-readable: "true"`."""

    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key within the Secret."""


class EnvironmentVariable(Model):
    """An environment variable of the agent with a plain value."""

    name: VariableName
    """Name of the variable."""

    value: Annotated[str, Field(max_length=4096)]
    """Its value, up to 4,096 characters; not for secrets."""


class SecretVariable(Model):
    """An environment variable of the agent whose value comes from a Secret."""

    name: VariableName
    """Name of the variable."""

    secret_key_ref: SecretKeyReference
    """Source of its value. Values that appear in the agent's changes or reports are never pushed."""


class Resources(Model):
    """What the agent's container may use, as request and limit."""

    cpu: Cpu = "1"
    """Processor time in processors or thousandths of one, at least `1m`, for example `500m` or `2`."""

    memory: Size = "1Gi"
    """Memory, at least `1Mi`, for example `512Mi` or `4Gi`. Once the container needs
    more, the kernel kills a process in it: that ends the step, even where the agent could go on, and the Run fails."""

    workspace: Size = "4Gi"
    """Disk for the checkout and what the agent writes, at least `1Mi`, for example `10Gi`."""


class Retry(Model):
    """How a try that failed for reasons outside the agent is retried."""

    max_tries: Annotated[int, Field(ge=1, le=10)] = 3
    """How many sandboxes one attempt may use, 1 to 10. An agent that fails is not retried."""

    backoff_seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    """Seconds before the second try, 1 to 3,600; doubled for each further one, up to an hour."""


class FailurePullRequest(StrEnum):
    """What happens to the work of a failed Run."""

    NEVER = "Never"
    DRAFT = "Draft"


class PullRequestPolicy(Model):
    """How pull requests are opened."""

    on_failure: FailurePullRequest = FailurePullRequest.NEVER
    """Whether a Run whose agent or checks failed opens a draft pull request (Draft) or only pushes its branch."""

    closes_issue: bool = False
    """Whether merging the pull request of an IssueSession closes its issue. If not, the pull request only links it."""


class CiPaths(StrEnum):
    """Whether a Run may change files that control continuous integration."""

    FORBID = "Forbid"
    ALLOW = "Allow"


class WorkflowSpec(Model):
    """A closed set of settings: no pod template, no volumes, no service account."""

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")]
    """Container image of the agent. It needs `sh` and what the agent's command and the steps use."""

    agent: Agent
    """The agent's command and its limits."""

    setup: Annotated[tuple[ShellStep, ...], Field(max_length=32)] = ()
    """Shell commands that prepare the workspace before the agent starts, up to 32; a failed one ends the Run."""

    verify: Annotated[tuple[ShellStep, ...], Field(max_length=32)] = ()
    """Shell commands that must succeed on the agent's result, up to 32. They do not replace the repository's CI:
    the code under test could forge them."""

    env: Annotated[tuple[EnvironmentVariable, ...], Field(max_length=64), ListMap(("name",))] = ()
    """Environment variables with plain values, up to 64."""

    secret_env: Annotated[tuple[SecretVariable, ...], Field(max_length=32), ListMap(("name",))] = ()
    """Environment variables from Secrets that agents may read, up to 32."""

    resources: Resources = Field(default_factory=Resources)
    """What the agent's container may use."""

    step_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    """Seconds for each of checkout, every setup step, every verify step, collect and publish, 1 to 86,400."""

    start_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = START_TIMEOUT_SECONDS
    """Seconds that each step may wait for its node, image and volumes before the try is abandoned, 1 to 86,400; the
    first counts from the pod's creation, each other from the end of the one before."""

    retry: Retry = Field(default_factory=Retry)
    """How a try that failed for reasons outside the agent is retried."""

    pull_request: PullRequestPolicy = Field(default_factory=PullRequestPolicy)
    """How pull requests are opened."""

    prompt_template: Annotated[str, Field(max_length=16_384)] = "{{ prompt }}"
    """Text around the prompt. `{{ prompt }}`, `{{ run }}`, `{{ repository }}`, `{{ base_branch }}`,
    `{{ sprint.number }}`, `{{ sprint.index }}` and `{{ sprint.count }}` are replaced; anything else in double
    braces fails the Run. The prompt itself is never a template."""

    ci_paths: CiPaths = CiPaths.FORBID
    """Whether a Run may change files that control CI (`.github/`, CODEOWNERS, other systems' files)."""

    runtime_class_name: ObjectName | None = None
    """RuntimeClass of the pods, for example of gVisor or Kata; a cluster without it refuses the pod."""


class WorkflowStatus(Status):
    """Whether the Workflow can be used."""


class Workflow(CustomResource):
    """Blueprint of Runs: image, agent command, steps around it, limits.

    Each attempt of a Run keeps it as it is when the attempt starts.
    """

    info: ClassVar[KindInfo] = KindInfo(
        kind="Workflow",
        plural="workflows",
        short_names=("ccw",),
        columns=(
            PrinterColumn("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            PrinterColumn("Reason", ".status.conditions[?(@.type=='Ready')].reason"),
            PrinterColumn("Image", ".spec.image"),
            PrinterColumn("Timeout", ".spec.agent.timeoutSeconds", type="integer", priority=1),
            PrinterColumn("Message", ".status.conditions[?(@.type=='Ready')].message", priority=1),
            PrinterColumn("Age", ".metadata.creationTimestamp", type="date"),
        ),
        name_max_length=63,
        is_trashable=True,
    )

    kind: str = "Workflow"
    spec: WorkflowSpec
    status: WorkflowStatus = Field(default_factory=WorkflowStatus)
