"""What the operator and a sandbox pod say to each other: the task, the result, and where things lie in the pod.

The task travels as JSON in an annotation of the pod; each step answers with a termination message; what does not fit
there is one framed line in the log of ``publish``. Everything that comes out of a pod is untrusted and parsed strictly.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import re
import typing
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from codecourier.layout import (
    AGENT_ENV,
    AGENT_UID,
    CANARY_ENV_PREFIX,
    CONTAINER_AGENT,
    CONTAINER_CHECKOUT,
    CONTAINER_COLLECT,
    CONTAINER_METER,
    CONTAINER_PUBLISH,
    CONTAINER_VERIFY,
    COURIER_UID,
    EXIT_PROVIDER_LIMIT,
    LAYOUT,
    ROOT_ENV,
    SHARED_GID,
    Layout,
)
from codecourier.wire import Message, TaskError, check_line, check_match, check_range, check_text

__all__ = [
    "AGENT_UID",
    "CANARY_ENV_PREFIX",
    "CONTAINER_AGENT",
    "CONTAINER_CHECKOUT",
    "CONTAINER_COLLECT",
    "CONTAINER_METER",
    "CONTAINER_PUBLISH",
    "CONTAINER_VERIFY",
    "COURIER_UID",
    "DETAILS_MAX_BYTES",
    "EXIT_PROVIDER_LIMIT",
    "LAYOUT",
    "LEARNINGS_MAX_COUNT",
    "LEARNING_MAX_BYTES",
    "NOTES_MAX_COUNT",
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
"""Largest task in bytes of JSON: annotations of one object end at 256 KiB together."""

PROMPT_MAX_BYTES = 128 * 1024
"""Largest prompt in bytes of UTF-8, with what the operator adds to a person's 64 KiB."""

STEP_REPORT_MAX_BYTES = 2048
"""Largest termination message of a step; the kubelet keeps 4 KiB for a container and 12 KiB for all of a pod's."""

PUBLISH_RESULT_MAX_BYTES = 1024
"""Largest termination message of publish, in bytes."""

DETAILS_MAX_BYTES = 256 * 1024
"""Largest details, in bytes of JSON before they are framed."""

LEARNINGS_MAX_COUNT = 5
"""Learnings that one try may propose."""

LEARNING_MAX_BYTES = 1024
"""Largest proposed learning, in bytes of UTF-8."""

USAGE_MAX_ITEMS = 64
"""Different (service, kind, unit) of one try."""

NOTES_MAX_COUNT = 50
"""Remarks of one try about what was left out and why."""

QUANTITY_MAX = 2**53 - 1
"""Largest quantity or cost: what every JSON reader keeps exactly."""

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_VARIABLE = re.compile(r"CODECOURIER_[A-Z0-9_]{1,64}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,252}")
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
_REF_BAD = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[/.@-]$|^[-/.]|[/.]$")
_FRAME = "CODECOURIER-DETAILS"


class StepState(StrEnum):
    """How a step ended."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Publication(StrEnum):
    """What publish did."""

    PUSHED = "Pushed"
    NO_CHANGE = "NoChange"
    FAILED = "Failed"


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
    """All that a sandbox pod is told, but for credentials and the workflow's environment."""

    MAX_BYTES: typing.ClassVar[int] = TASK_MAX_BYTES

    run: RunIdentity
    attempt: int
    """A person's attempt, from 1."""

    try_number: int
    """Sandbox within the attempt, from 1."""

    repository_url: str
    """https, without user, query or fragment."""

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
    """Title of the commit where the agent wrote no summary."""

    setup: tuple[str, ...] = ()
    """Shell commands before the agent."""

    verify: tuple[str, ...] = ()
    """Shell commands after the agent, in a container of their own."""

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
    """Variables of the agent with secret values: these values must not appear in what it leaves."""

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
        check_line("repositoryUrl", self.repository_url, maximum=2048)
        try:
            url = urlsplit(self.repository_url)
            port = url.port
        except ValueError:
            raise TaskError(f"repositoryUrl: {self.repository_url!r} is not a URL") from None
        unsafe = "@" in url.netloc or url.query or url.fragment or re.search(r"[\s\\%'\"]|/\.\.?(/|$)", url.path)
        if url.scheme != "https" or not url.hostname or url.path.strip("/") == "" or port == 0 or unsafe:
            raise TaskError("repositoryUrl: must be https://host[:port]/path without user, query, fragment or escapes")
        _check_branch("baseBranch", self.base_branch)
        _check_branch("branch", self.branch)
        if self.branch == self.base_branch:
            raise TaskError("branch: is the base branch; the work needs a branch of its own")
        check_match("baseCommit", self.base_commit, _OID, "a full commit id in lower case")

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


@dataclass(frozen=True)
class StepReport(Message):
    """How one step ended: the termination message of checkout, agent, verify and collect.

    The containers of agent and verify always exit with 0, so that the next one runs; this message says how they fared.
    It holds nothing that the agent printed: the last lines are in the details, searched for secret values.
    """

    MAX_BYTES: typing.ClassVar[int] = STEP_REPORT_MAX_BYTES
    CUT_FIELDS: typing.ClassVar[tuple[str, ...]] = ("output", "message")

    step: str
    """Name of the container."""

    state: StepState
    reason: str
    """PascalCase, from the step's own closed set."""

    message: str = ""
    """A sentence for people."""

    exit_code: int | None = None
    """Of the command that decided, or None where none ran."""

    retry_after_seconds: int | None = None
    """How long the provider (agent) or the forge (checkout) wants us to wait, from the end of the step."""

    output: str | None = None
    """Last lines of the step's command; only in the details."""

    def __post_init__(self) -> None:
        check_match("step", self.step, re.compile(r"[a-z]{1,16}"), "a container's name")
        check_match("reason", self.reason, _REASON, "a reason in PascalCase")
        check_range("exitCode", self.exit_code or 0, 0, 255)
        check_range("retryAfterSeconds", self.retry_after_seconds or 0, 0, 30 * 86_400)


@dataclass(frozen=True)
class PublishResult(Message):
    """What became of the try: the termination message of publish."""

    MAX_BYTES: typing.ClassVar[int] = PUBLISH_RESULT_MAX_BYTES
    CUT_FIELDS: typing.ClassVar[tuple[str, ...]] = ("message", "title")

    state: Publication
    reason: str
    message: str = ""
    commit: str | None = None
    """Tip of the run's branch with the work, also when an earlier try had pushed it; None without work."""

    title: str | None = None
    """The agent's title for the work, defused, or the task's default."""

    files: int = 0
    """Changed files, between the task's base commit and the tip; so for insertions and deletions (lines)."""

    insertions: int = 0
    deletions: int = 0
    details_digest: str | None = None
    """SHA-256 of the details in the log, in hexadecimal digits; None where there are none."""

    agent_state: StepState | None = None
    """From the report files, which the agent could forge: its container speaks in its own termination message."""

    agent_reason: str | None = None
    agent_exit_code: int | None = None
    retry_after_seconds: int | None = None
    """How long the provider (ProviderLimit) or the forge (ForgeUnavailable) wants us to wait, from publish's end."""

    def __post_init__(self) -> None:
        check_match("reason", self.reason, _REASON, "a reason in PascalCase")
        if self.agent_reason is not None:
            check_match("agentReason", self.agent_reason, _REASON, "a reason in PascalCase")
        if self.commit is not None:
            check_match("commit", self.commit, _OID, "a full commit id")
        if self.details_digest is not None:
            check_match("detailsDigest", self.details_digest, re.compile(r"[0-9a-f]{64}"), "a SHA-256")
        for name in ("files", "insertions", "deletions"):
            check_range(name, getattr(self, name), 0, QUANTITY_MAX)
        check_range("agentExitCode", self.agent_exit_code or 0, 0, 255)
        check_range("retryAfterSeconds", self.retry_after_seconds or 0, 0, 30 * 86_400)


@dataclass(frozen=True)
class UsageItem:
    """What the agent says it consumed, added up over its reports."""

    service: str
    kind: str
    unit: str
    quantity: int
    cost_micro_usd: int = 0
    """In millionths of a US dollar."""

    def __post_init__(self) -> None:
        for name in ("service", "kind", "unit"):
            check_line(name, getattr(self, name), maximum=63)
        check_range("quantity", self.quantity, 0, QUANTITY_MAX)
        check_range("costMicroUsd", self.cost_micro_usd, 0, QUANTITY_MAX)


@dataclass(frozen=True)
class Details(Message):
    """What the agent and the steps left beside the commit: one framed line in publish's log."""

    MAX_BYTES: typing.ClassVar[int] = DETAILS_MAX_BYTES

    summary: str = ""
    """The agent's summary, first line included, cleaned of control characters; not defused."""

    usage: tuple[UsageItem, ...] = ()
    steps: tuple[StepReport, ...] = ()
    learnings: tuple[str, ...] = ()
    """Lessons that the agent proposes."""

    notes: tuple[str, ...] = ()
    """What was left out or changed on the way, and why."""

    def __post_init__(self) -> None:
        check_text("summary", self.summary, maximum=65_536)
        check_range("usage: number of items", len(self.usage), 0, USAGE_MAX_ITEMS)
        check_range("steps: number of items", len(self.steps), 0, 8)
        check_range("learnings: number of items", len(self.learnings), 0, LEARNINGS_MAX_COUNT)
        check_range("notes: number of items", len(self.notes), 0, NOTES_MAX_COUNT)
        for index, learning in enumerate(self.learnings):
            check_text(f"learnings[{index}]", learning, minimum=1, maximum=LEARNING_MAX_BYTES)
        for index, note in enumerate(self.notes):
            check_line(f"notes[{index}]", note, maximum=1024)


def frame_details(details: Details) -> tuple[str, str]:
    """Make the line for the log.

    Returns
    -------
    tuple
        The line without its end, and the digest for ``PublishResult.details_digest``.
    """
    payload = details.to_json().encode()
    digest = hashlib.sha256(payload).hexdigest()
    return f"{_FRAME}:{digest}:{base64.b64encode(payload).decode()}", digest


def parse_details(log_text: str, digest: str) -> Details | None:
    """Find the details in a log.

    Parameters
    ----------
    log_text
        Log of publish, whole or its end.
    digest
        What the result says; a line with another digest is not ours.

    Returns
    -------
    Details or None
        None where no line is complete and right: the details are lost, the result stands.
    """
    for line in log_text.splitlines():
        _, found, encoded = line.rpartition(f"{_FRAME}:{digest}:")
        if not found or len(encoded) > DETAILS_MAX_BYTES * 4 // 3 + 4:
            continue
        try:
            payload = base64.b64decode(encoded, validate=True)
            if hashlib.sha256(payload).hexdigest() == digest:
                return Details.from_json(payload)
        except (binascii.Error, TaskError):
            continue
    return None
