"""What a plan may ask of the world outside the cache, and what it is told.

A plan that lacks a fact asks for it in `Plan.asks`; the shell looks and plans again with the answer in
`world.facts`. The same table holds what became of an effect that the plan wanted and that did not work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from codecourier.core.shared.reasons import Reason

__all__ = [
    "AgentSecretsAsk",
    "AgentSecretsFact",
    "BranchHeadAsk",
    "BranchHeadFact",
    "Facts",
    "LogAsk",
    "LogFact",
    "Problem",
    "PullRequestFact",
    "PullRequestState",
    "PullRequestsAsk",
    "PullRequestsFact",
    "RepositoryAsk",
    "RepositoryFact",
    "RunVersionAsk",
    "RunVersionFact",
    "SandboxAsk",
    "SandboxFact",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a fact could not be had or an effect did not work."""

    reason: Reason
    """One of the catalogue's reasons."""

    message: str
    """The sentence of the reason."""

    retry_time: datetime | None = None
    """Not before this time; None: the usual backoff."""

    is_final: bool = False
    """Whether trying again cannot help."""

    since: datetime | None = None
    """When it first stood in the way of an effect; None where nobody has counted."""


@dataclass(frozen=True, slots=True)
class RepositoryAsk:
    """Ask whether the Project's credential reaches a repository."""

    namespace: str
    url: str


@dataclass(frozen=True, slots=True)
class RepositoryFact:
    """What is known of a repository."""

    default_branch: str


@dataclass(frozen=True, slots=True)
class BranchHeadAsk:
    """Ask where the head of a branch is."""

    namespace: str
    url: str
    branch: str


@dataclass(frozen=True, slots=True)
class BranchHeadFact:
    """The commit at a branch's head; None: there is no such branch."""

    commit: str | None


class PullRequestState(StrEnum):
    """Life of a pull request at its host."""

    OPEN = "Open"
    CLOSED = "Closed"
    MERGED = "Merged"


@dataclass(frozen=True, slots=True)
class PullRequestsAsk:
    """Ask which pull requests of a branch carry our marker, in any state."""

    namespace: str
    url: str
    head_branch: str
    run_uid: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PullRequestFact:
    """A pull request that carries our marker."""

    number: int
    url: str
    state: PullRequestState
    is_draft: bool
    creation_time: datetime


@dataclass(frozen=True, slots=True)
class PullRequestsFact:
    """The pull requests that carry our marker, oldest first."""

    items: tuple[PullRequestFact, ...]


@dataclass(frozen=True, slots=True)
class RunVersionAsk:
    """Ask the API server itself, not a cache, which version of a Run is there now."""

    namespace: str
    run: str


@dataclass(frozen=True, slots=True)
class RunVersionFact:
    """The resourceVersion of a Run; None: it is gone."""

    resource_version: str | None


@dataclass(frozen=True, slots=True)
class LogAsk:
    """Ask what a container of a pod printed."""

    namespace: str
    pod: str
    pod_uid: str
    container: str


@dataclass(frozen=True, slots=True)
class LogFact:
    """A container's log; None: it is lost."""

    text: str | None


@dataclass(frozen=True, slots=True)
class AgentSecretsAsk:
    """Ask whether agents may read keys of Secrets, given as pairs of Secret name and key."""

    namespace: str
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AgentSecretsFact:
    """The pairs that may not be read, or are not there."""

    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SandboxAsk:
    """Ask the API server itself which Sandbox has a name now: a cache may not have heard of a new one yet."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class SandboxFact:
    """The UID of a Sandbox; None: there is none of that name."""

    uid: str | None


Facts = Mapping[Any, Any]
"""Answers by question, and problems by effect."""
