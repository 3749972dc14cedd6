"""Pull requests of the simulated forge, and how it shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from codecourier.checks import Check, CheckState
from codecourier.github.operations.look_at_pull_requests import CheckView, PullRequestLook
from codecourier.github.operations.pull_request import PullRequestFacts
from codecourier.pull_request import PullRequestState
from tests.simulation.history import Commit

__all__ = ["FAST", "MAIN", "SLOW", "URL", "Pull", "Push", "checks_of", "facts_of", "look_of"]

URL = "https://forge.test/example/shop"
"""The only repository."""

MAIN = "main"

FAST, SLOW = "test", "slow"
"""The checks that there can be at a head."""

_STATES = {"SUCCESS": CheckState.PASSED, "FAILURE": CheckState.FAILED, "PENDING": CheckState.PENDING}


@dataclass(frozen=True)
class Pull:
    """A pull request."""

    number: int
    head: str
    base: str
    title: str
    body: str
    is_draft: bool
    head_sha: str
    created_at: datetime
    state: PullRequestState = PullRequestState.OPEN
    ended_at: datetime | None = None
    """When it was merged or closed."""

    check: str | None = None
    """What the fast check of its head says, in GraphQL's words; None: it was not reported."""

    slow_check: str | None = None
    """The same of the slow one."""

    checked_at: datetime | None = None
    """When a check last changed."""

    is_fork: bool = False
    merge_sha: str | None = None
    """The commit on the base branch that has it; None: it is not merged."""

    @property
    def words(self) -> Mapping[str, str]:
        """What each check says that was reported."""
        said = {FAST: self.check, SLOW: self.slow_check}
        return {name: word for name, word in said.items() if word is not None}


@dataclass(frozen=True)
class Push:
    """A push that was accepted."""

    branch: str
    commit: Commit
    sandbox: str


def facts_of(pull: Pull, *, has_marker: bool) -> PullRequestFacts:
    """Return a pull request as the REST API shows it."""
    return PullRequestFacts(
        number=pull.number,
        url=f"{URL}/pull/{pull.number}",
        state=pull.state,
        is_draft=pull.is_draft,
        head_branch=pull.head,
        head_sha=pull.head_sha,
        base_branch=pull.base,
        has_marker=has_marker,
        title=pull.title,
        created_at=pull.created_at,
    )


def look_of(pull: Pull) -> PullRequestLook:
    """Return a pull request as the GraphQL API shows it."""
    is_merged = pull.state is PullRequestState.MERGED
    return PullRequestLook(
        state=pull.state,
        is_draft=pull.is_draft,
        title=pull.title,
        head_branch=pull.head,
        is_from_fork=pull.is_fork,
        head_sha=pull.head_sha,
        base_branch=pull.base,
        merged_at=pull.ended_at if is_merged else None,
        merge_sha=pull.merge_sha if is_merged else None,
        closed_at=pull.ended_at,
        checks=tuple(CheckView(name, *_progress(word), is_required=False) for name, word in pull.words.items()),
        rollup=_rollup(pull),
        has_more_checks=False,
    )


def checks_of(pull: Pull) -> Iterator[Check]:
    """Yield the checks of a head as the REST API shows them."""
    for name, word in pull.words.items():
        said = "in_progress" if word == "PENDING" else word.lower()
        yield Check(name, 1, _STATES[word], said, pull.checked_at)


def _progress(word: str) -> tuple[str, str | None]:
    return ("IN_PROGRESS", None) if word == "PENDING" else ("COMPLETED", word)


def _rollup(pull: Pull) -> str | None:
    words = set(pull.words.values())
    return next((word for word in ("FAILURE", "PENDING", "SUCCESS") if word in words), None)
