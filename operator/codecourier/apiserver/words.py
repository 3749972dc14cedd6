"""Enum values: PascalCase in the cluster, snake_case in the REST API. One table translates in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, WithJsonSchema

from codecourier.issue import IssueState
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import IssueSessionPhase
from codecourier.resources.merge_job import MergeJobPhase, MergeMode, MergeStrategy, SourceResult
from codecourier.resources.notification import NotificationType
from codecourier.resources.pull_request import ChecksStatus, PullRequestPhase
from codecourier.resources.recurring_task import Frequency
from codecourier.resources.run import RunPhase
from codecourier.resources.sandbox import SandboxPhase
from codecourier.resources.sprint_chain import SprintChainPhase, SprintPhase
from codecourier.resources.usage_record import UsageKind, UsageUnit

__all__ = [
    "WORDS",
    "FrequencyWord",
    "IssueSessionPhaseWord",
    "MergeStrategyWord",
    "PullRequestWord",
    "RunPhaseWord",
    "reason_word",
    "word_of",
]

E = TypeVar("E", bound=StrEnum)

_BEGIN = re.compile(r"(?<=[a-z])(?=[A-Z])")

_SERVED = (
    Frequency,
    SprintChainPhase,
    SprintPhase,
    PullRequestPhase,
    PullRequestState,
    ChecksStatus,
    RunPhase,
    SandboxPhase,
    IssueSessionPhase,
    NotificationType,
    UsageKind,
    UsageUnit,
    IssueState,
    MergeJobPhase,
    MergeMode,
    MergeStrategy,
    SourceResult,
)

WORDS: Mapping[type[StrEnum], Mapping[str, StrEnum]] = {
    kind: {_BEGIN.sub("_", value.value).lower(): value for value in kind} for kind in _SERVED
}
"""The values of each enum that is served, by their word in the REST API."""


def word_of(value: StrEnum) -> str:
    """Return the word of a value."""
    return next(word for word, known in WORDS[type(value)].items() if known is value)


def reason_word(reason: str) -> str:
    """Return the word of a reason, of our catalogue or of Kubernetes."""
    return _BEGIN.sub("_", reason).lower()


def _read(kind: type[StrEnum]) -> BeforeValidator:
    words = WORDS[kind]

    def parse(word: Any) -> StrEnum:
        if not isinstance(word, str) or word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return words[word]

    return BeforeValidator(parse)


def _schema(kind: type[StrEnum]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": list(WORDS[kind])})


FrequencyWord = Annotated[Frequency, _read(Frequency), _schema(Frequency)]
"""A frequency in a body."""

PullRequestWord = Annotated[PullRequestPhase, _read(PullRequestPhase), _schema(PullRequestPhase)]
"""What became of a pull request, in a query."""

RunPhaseWord = Annotated[RunPhase, _read(RunPhase), _schema(RunPhase)]
"""The status of a run in a query."""

IssueSessionPhaseWord = Annotated[IssueSessionPhase, _read(IssueSessionPhase), _schema(IssueSessionPhase)]
"""A phase of an IssueSession in a query."""

MergeStrategyWord = Annotated[MergeStrategy, _read(MergeStrategy), _schema(MergeStrategy)]
"""How a pull request is merged, in a body."""
