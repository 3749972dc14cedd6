"""The task that the operator gives to a sandbox pod, as JSON in an annotation of the pod.

Also exports the rest of the contract between the two: the results (`codecourier.result`) and the paths in the pod
(`codecourier.layout`).
"""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass

from codecourier.address import ADDRESS_FORM, split_address
from codecourier.layout import (
    AGENT_ENV,
    AGENT_UID,
    CANARY_ENV_PREFIX,
    CONTAINER_AGENT,
    CONTAINER_CHECKOUT,
    CONTAINER_COLLECT,
    CONTAINER_PUBLISH,
    CONTAINER_VERIFY,
    COURIER_UID,
    EXIT_PROVIDER_LIMIT,
    LAYOUT,
    ROOT_ENV,
    SHARED_GID,
    Layout,
)
from codecourier.merging import MergeTask
from codecourier.result import (
    DETAILS_MAX_BYTES,
    LEARNING_MAX_BYTES,
    LEARNINGS_MAX_COUNT,
    NOTES_MAX_COUNT,
    PUBLISH_RESULT_MAX_BYTES,
    QUANTITY_MAX,
    STEP_REPORT_MAX_BYTES,
    USAGE_MAX_ITEMS,
    Details,
    Publication,
    PublishResult,
    StepReport,
    StepState,
    UsageItem,
    frame_details,
    parse_details,
)
from codecourier.wire import COMMIT_ID, Message, TaskError, check_line, check_match, check_range, check_text

__all__ = [
    "AGENT_UID",
    "CANARY_ENV_PREFIX",
    "CONTAINER_AGENT",
    "CONTAINER_CHECKOUT",
    "CONTAINER_COLLECT",
    "CONTAINER_PUBLISH",
    "CONTAINER_VERIFY",
    "COURIER_UID",
    "DETAILS_MAX_BYTES",
    "EXIT_PROVIDER_LIMIT",
    "LAYOUT",
    "LEARNINGS_MAX_COUNT",
    "LEARNING_MAX_BYTES",
    "NOTES_MAX_COUNT",
    "PROMPT_MAX_BYTES",
    "PUBLISH_RESULT_MAX_BYTES",
    "QUANTITY_MAX",
    "ROOT_ENV",
    "SHARED_GID",
    "STEP_REPORT_MAX_BYTES",
    "TASK_ANNOTATION",
    "TASK_MAX_BYTES",
    "USAGE_MAX_ITEMS",
    "Author",
    "Details",
    "Layout",
    "Limits",
    "MergeTask",
    "Publication",
    "PublishResult",
    "RunIdentity",
    "StepReport",
    "StepState",
    "Task",
    "TaskError",
    "UsageItem",
    "frame_details",
    "parse_details",
]

TASK_ANNOTATION = "codecourier.dev/task"
"""Annotation of the pod that carries the task; the downward API projects it as ``task.json``."""

TASK_MAX_BYTES = 192 * 1024
"""Largest task in bytes of JSON: all annotations of one object share 256 KiB."""

PROMPT_MAX_BYTES = 128 * 1024
"""Largest prompt in bytes of UTF-8: a user's 64 KiB and what the operator adds."""

_VARIABLE = re.compile(r"CODECOURIER_[A-Z0-9_]{1,64}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,252}")
_REF_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.@-]$|^[-/.]|[/.]$")


def _check_branch(where: str, name: str) -> None:
    check_text(where, name, minimum=1, maximum=244)
    if _REF_BAD.search(name) or name in {"@", "HEAD"} or name.startswith("refs/"):
        raise TaskError(f"{where}: {name[:100]!r} is not a branch name that git accepts")


@dataclass(frozen=True)
class RunIdentity:
    """The Run that a task belongs to."""

    namespace: str
    name: str
    uid: str

    def __post_init__(self) -> None:
        check_line("namespace", self.namespace, maximum=63)
        check_line("name", self.name, maximum=253)
        check_match("uid", self.uid, re.compile(r"[0-9A-Za-z-]{1,64}"), "a UID")


@dataclass(frozen=True)
class Author:
    """Identity of our commits."""

    name: str
    email: str

    def __post_init__(self) -> None:
        check_line("name", self.name, maximum=128)
        check_line("email", self.email, maximum=254)
        for field in ("name", "email"):
            if re.search(r"[<>]", getattr(self, field)) or not getattr(self, field).strip(" .,:;\"'\\"):
                raise TaskError(f"{field}: holds < or >, or nothing that git would keep")


@dataclass(frozen=True)
class Limits:
    """Bounds on what one try may change."""

    max_files: int = 10_000
    """Added, changed and deleted paths."""

    max_file_bytes: int = 20 * 1024 * 1024
    """Apparent size of one added or changed file."""

    max_total_bytes: int = 200 * 1024 * 1024
    """Apparent size of all added and changed files."""

    def __post_init__(self) -> None:
        check_range("maxFiles", self.max_files, 1, 1_000_000)
        check_range("maxFileBytes", self.max_file_bytes, 1, 2**40)
        check_range("maxTotalBytes", self.max_total_bytes, 1, 2**40)


@dataclass(frozen=True)
class Task(Message):
    """Everything that a sandbox pod is given, except credentials and the workflow's environment."""

    MAX_BYTES: typing.ClassVar[int] = TASK_MAX_BYTES

    run: RunIdentity
    attempt: int
    """The user's attempt, from 1."""

    try_number: int
    """Sandbox within the attempt, from 1."""

    repository_url: str
    """Follows the grammar of `codecourier.address`."""

    base_branch: str
    base_commit: str
    """Commit that the work starts from, in full."""

    branch: str
    """The run's own branch, to which the work is pushed."""

    prompt: str
    agent_command: tuple[str, ...]
    """Command and arguments, run without a shell's interpretation."""

    commit_author: Author
    default_title: str
    """Title of the commit if the agent wrote no summary."""

    setup: tuple[str, ...] = ()
    """Shell commands before the agent."""

    verify: tuple[str, ...] = ()
    """Shell commands after the agent, in a separate container."""

    agent_timeout_seconds: int = 3600
    step_timeout_seconds: int = 900
    """For each setup and verify step."""

    grace_period_seconds: int = 10
    """Between SIGTERM and SIGKILL."""

    allow_ci_paths: bool = False
    """Whether the work may touch files that steer CI."""

    limits: Limits = Limits()
    max_pack_bytes: int = 256 * 1024 * 1024
    """Compressed size of the work."""

    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    """Further ``CODECOURIER_…`` variables for the agent."""

    canary_env: tuple[str, ...] = ()
    """The agent's variables with secret values; these values must not occur in its work."""

    only_verified: bool = False
    """Whether work is pushed only where the agent ended well and the verify steps passed."""

    merge: MergeTask | None = None
    """What is merged onto the base commit; None: the agent works on its own."""

    def __post_init__(self) -> None:
        check_range("attempt", self.attempt, 1, 1_000_000)
        check_range("tryNumber", self.try_number, 1, 1_000_000)
        self._check_repository()
        check_text("prompt", self.prompt, minimum=1, maximum=PROMPT_MAX_BYTES)
        check_line("defaultTitle", self.default_title, maximum=512)
        self._check_commands()
        check_range("agentTimeoutSeconds", self.agent_timeout_seconds, 1, 7 * 86_400)
        check_range("stepTimeoutSeconds", self.step_timeout_seconds, 1, 86_400)
        check_range("gracePeriodSeconds", self.grace_period_seconds, 1, 600)
        check_range("maxPackBytes", self.max_pack_bytes, 1, 2**40)
        self._check_environment()

    def _check_repository(self) -> None:
        if split_address(self.repository_url) is None:
            raise TaskError(f"repositoryUrl: must be {ADDRESS_FORM}")
        _check_branch("baseBranch", self.base_branch)
        _check_branch("branch", self.branch)
        if self.branch == self.base_branch:
            raise TaskError("branch: is the base branch; the work needs a separate branch")
        check_match("baseCommit", self.base_commit, COMMIT_ID, "a full commit id in lower case")
        sources = self.merge.sources if self.merge is not None else ()
        if any(len(source.head_commit) != len(self.base_commit) for source in sources):
            raise TaskError("merge: a head commit and the base commit have ids of different hashes")

    def _check_commands(self) -> None:
        if not self.agent_command or not self.agent_command[0]:
            raise TaskError("agentCommand: is empty")
        for index, word in enumerate(self.agent_command):
            check_text(f"agentCommand[{index}]", word, maximum=65_536)
        for name in ("setup", "verify"):
            steps: tuple[str, ...] = getattr(self, name)
            check_range(f"{name}: number of steps", len(steps), 0, 64)
            for index, step in enumerate(steps):
                check_text(f"{name}[{index}]", step, minimum=1, maximum=65_536)

    def _check_environment(self) -> None:
        for name, value in self.variables.items():
            check_match("variables", name, _VARIABLE, "a name such as CODECOURIER_SPRINT_NUMBER")
            if name in AGENT_ENV or name.startswith(CANARY_ENV_PREFIX):
                raise TaskError(f"variables: {name} is set by the sandbox itself")
            check_text(f"variables[{name!r}]", value, maximum=4096)
        for name in self.canary_env:
            check_match("canaryEnv", name, _ENV_NAME, "a name of an environment variable")

    @property
    def object_format(self) -> str:
        """Git's name of the repository's hash: ``sha1`` or ``sha256``."""
        return "sha1" if len(self.base_commit) == 40 else "sha256"  # noqa: PLR2004 - hexadecimal digits of SHA-1
