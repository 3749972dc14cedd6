"""The results of a sandbox pod: how each step ended, what was published, and details beside the commit.

Each step leaves a termination message; what does not fit there is one framed line in the log of ``publish``.
Everything that comes out of a pod is untrusted and parsed strictly.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import typing
from dataclasses import dataclass
from enum import StrEnum

from codecourier.merging import MergeReport, MergeSummary
from codecourier.wire import COMMIT_ID, Message, TaskError, check_line, check_match, check_range, check_text

__all__ = [
    "DETAILS_MAX_BYTES",
    "LEARNINGS_MAX_COUNT",
    "LEARNING_MAX_BYTES",
    "NOTES_MAX_COUNT",
    "PUBLISH_RESULT_MAX_BYTES",
    "QUANTITY_MAX",
    "STEP_REPORT_MAX_BYTES",
    "USAGE_MAX_ITEMS",
    "Details",
    "Publication",
    "PublishResult",
    "StepReport",
    "StepState",
    "UsageItem",
    "frame_details",
    "parse_details",
]

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
"""Distinct (service, kind, unit) of one try."""

NOTES_MAX_COUNT = 50
"""Remarks of one try on what was left out and why."""

QUANTITY_MAX = 2**53 - 1
"""Largest quantity or cost: the largest integer that every JSON reader keeps exactly."""

_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
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


@dataclass(frozen=True)
class StepReport(Message):
    """How one step ended: the termination message of checkout, agent, verify and collect.

    The containers of agent and verify always exit with 0, so that the next one runs; this message carries their result.
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
    """Of the command that decided the result, or None if none ran."""

    retry_after_seconds: int | None = None
    """How long the provider (agent) or the forge (checkout) asks us to wait, from the end of the step."""

    output: str | None = None
    """Last lines of the step's command; only in the details."""

    def __post_init__(self) -> None:
        check_match("step", self.step, re.compile(r"[a-z]{1,16}"), "a container's name")
        check_match("reason", self.reason, _REASON, "a reason in PascalCase")
        check_range("exitCode", self.exit_code or 0, 0, 255)
        check_range("retryAfterSeconds", self.retry_after_seconds or 0, 0, 30 * 86_400)


@dataclass(frozen=True)
class PublishResult(Message):
    """The result of the try: the termination message of publish."""

    MAX_BYTES: typing.ClassVar[int] = PUBLISH_RESULT_MAX_BYTES
    CUT_FIELDS: typing.ClassVar[tuple[str, ...]] = ("message", "title")

    state: Publication
    reason: str
    message: str = ""
    commit: str | None = None
    """Tip of the run's branch with the work, also if an earlier try pushed it; None without work."""

    title: str | None = None
    """The agent's title for the work, defused, or the task's default."""

    files: int = 0
    """Files changed between the task's base commit and the tip; `insertions` and `deletions` count lines."""

    insertions: int = 0
    deletions: int = 0
    details_digest: str | None = None
    """SHA-256 of the details in the log, in hexadecimal digits; None if there are none."""

    agent_state: StepState | None = None
    """From the report files, which the agent could forge; the trusted report is its container's termination message."""

    agent_reason: str | None = None
    agent_exit_code: int | None = None
    retry_after_seconds: int | None = None
    """How long the provider (ProviderLimit) or the forge (ForgeUnavailable) asks us to wait, from publish's end."""

    merge: MergeSummary | None = None
    """What was merged, in few bytes; `commit` is the tip. None where the task was to merge nothing."""

    def __post_init__(self) -> None:
        check_match("reason", self.reason, _REASON, "a reason in PascalCase")
        if self.agent_reason is not None:
            check_match("agentReason", self.agent_reason, _REASON, "a reason in PascalCase")
        if self.commit is not None:
            check_match("commit", self.commit, COMMIT_ID, "a full commit id")
        if self.details_digest is not None:
            check_match("detailsDigest", self.details_digest, re.compile(r"[0-9a-f]{64}"), "a SHA-256")
        for name in ("files", "insertions", "deletions"):
            check_range(name, getattr(self, name), 0, QUANTITY_MAX)
        check_range("agentExitCode", self.agent_exit_code or 0, 0, 255)
        check_range("retryAfterSeconds", self.retry_after_seconds or 0, 0, 30 * 86_400)


@dataclass(frozen=True)
class UsageItem:
    """What the agent reports that it consumed, summed over its reports."""

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
    """What the agent and the steps report beside the commit: one framed line in the log of publish."""

    MAX_BYTES: typing.ClassVar[int] = DETAILS_MAX_BYTES

    summary: str = ""
    """The agent's summary, first line included, cleaned of control characters; not defused."""

    usage: tuple[UsageItem, ...] = ()
    steps: tuple[StepReport, ...] = ()
    learnings: tuple[str, ...] = ()
    """Lessons that the agent proposes."""

    notes: tuple[str, ...] = ()
    """What was left out or changed, and why."""

    merge: MergeReport | None = None
    """What became of each pull request; None where the task was to merge nothing."""

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
        The result's digest; a line with another digest is ignored.

    Returns
    -------
    Details or None
        None if no line is complete and valid: the details are lost, the result stands.
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
