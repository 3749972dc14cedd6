"""How the simulated forge merges pull requests: in the background, as it was asked, and as it is by then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from codecourier.checks import MergeStrategy
from codecourier.github.operations.close_pull_request import ClosePullRequest
from codecourier.github.operations.merge_pull_request import (
    MergeAnswer,
    MergeConflicts,
    MergeProgress,
    MergePullRequest,
    MergeRefused,
    MergeRequested,
)
from codecourier.pull_request import PullRequestState
from tests.simulation.history import Merged
from tests.simulation.pulls import FAST, Pull

if TYPE_CHECKING:
    from tests.simulation.forge import ForgeServer

__all__ = ["Asked", "Landed", "Merger"]


@dataclass(frozen=True)
class Asked:
    """A request of an operator to merge, which has reached the forge."""

    operation: MergePullRequest
    time: float
    """Virtual seconds since the start."""


@dataclass(frozen=True)
class Landed:
    """A merge that was done."""

    number: int
    head: str
    base: str
    """Head of the base branch before it."""

    sha: str
    """What the base branch has now."""

    is_ours: bool
    """Whether an operator asked for it."""


@dataclass
class _Request:
    """A merge in the background."""

    operation: MergePullRequest
    is_done: bool = False
    error: MergeRefused | None = None
    """Why it failed; None: it did not."""

    def is_pending_for(self, number: int) -> bool:
        """Tell whether it is still to merge a pull request."""
        return self.operation.number == number and not self.is_done


@dataclass
class Merger:
    """Merges pull requests.

    Parameters
    ----------
    forge
        The forge.
    """

    forge: ForgeServer
    is_async: bool = True
    """Whether it can merge in the background."""

    required: set[str] = field(default_factory=set)
    """Branches that require the fast check."""

    had_rules: bool = False
    """Whether a branch ever required a check."""

    breaks: int = 0
    """How many of the next merges in the background fail for no reason that anybody could see before."""

    pause: Callable[[], float] = lambda: 0.0
    """Returns how many seconds the next merge in the background takes."""

    asked: list[Asked] = field(default_factory=list)
    landed: list[Landed] = field(default_factory=list)
    closed: list[ClosePullRequest] = field(default_factory=list)
    """What operators have closed."""

    _requests: list[_Request] = field(default_factory=list)
    """Merges in the background, the oldest first; their places are their numbers."""

    def ask(self, pull: Pull, operation: MergePullRequest) -> MergeAnswer:
        """Do what an operator asks for: look at a request that it knows, or make one, or merge at once."""
        self.asked.append(Asked(operation, asyncio.get_running_loop().time()))
        if not self.is_async:
            if pull.state is not PullRequestState.OPEN:
                raise MergeRefused("Pull Request is not mergeable (405)", status=405)
            self._merge(pull, operation)
            return MergeAnswer(MergeProgress.MERGED)
        if operation.request is not None:
            return self._look(int(operation.request))
        return self._submit(pull, operation)

    def _submit(self, pull: Pull, operation: MergePullRequest) -> MergeAnswer:
        number = next((n for n, known in enumerate(self._requests) if known.is_pending_for(pull.number)), None)
        if number is not None:
            known = self._requests[number].operation
            if (known.head, known.strategy) != (operation.head, operation.strategy):
                raise MergeRequested("another request to merge is there (409)", status=409)
            return self._look(number)
        if pull.state is PullRequestState.MERGED:
            return MergeAnswer(MergeProgress.MERGED)
        if pull.state is PullRequestState.CLOSED or pull.is_draft:
            raise MergeRefused("Pull request is closed, or a draft (400)", status=400)
        self._requests.append(_Request(operation))
        number, seconds = len(self._requests) - 1, self.pause()
        if seconds > 0:
            asyncio.get_running_loop().call_later(seconds, self._run, number)
        else:
            self._run(number)
        return self._look(number)

    def _look(self, number: int) -> MergeAnswer:
        request = self._requests[number]
        if request.error is not None:
            raise request.error
        if request.is_done:
            return MergeAnswer(MergeProgress.MERGED)
        return MergeAnswer(MergeProgress.PENDING, str(number))

    def _run(self, number: int) -> None:
        request = self._requests[number]
        request.is_done, pull = True, self.forge.find_pull(request.operation.number)
        try:
            if pull is None or pull.state is PullRequestState.CLOSED:
                raise MergeRefused("Pull request is closed.", status=200)  # noqa: TRY301 - as every refusal
            if self.breaks:
                self.breaks -= 1
                raise MergeRefused("Something went wrong.", status=200)  # noqa: TRY301
            if pull.state is not PullRequestState.MERGED:
                self._merge(pull, request.operation)
        except MergeRefused as error:
            request.error = error

    def _merge(self, pull: Pull, operation: MergePullRequest) -> None:
        if operation.head != pull.head_sha:
            raise MergeConflicts("Head branch was modified. Review and try the merge again. (409)", status=409)
        state = self.state_of(pull)
        if state in {"draft", "dirty", "blocked"}:
            raise MergeRefused(f"the pull request is {state} (405)", status=405)
        self.land(pull, operation.strategy, is_ours=True)

    def state_of(self, pull: Pull) -> str:
        """Return the forge's word for whether a pull request can be merged."""
        if pull.state is not PullRequestState.OPEN:
            return "unknown"
        if self._merged(pull).conflicts:
            return "dirty"
        if pull.is_draft:
            return "draft"
        if pull.base in self.required and pull.words.get(FAST) != "SUCCESS":
            return "blocked"
        return "clean" if set(pull.words.values()) <= {"SUCCESS"} else "unstable"

    def _merged(self, pull: Pull) -> Merged:
        return self.forge.history.merge(self.forge.branches[pull.base], pull.head_sha)

    def land(self, pull: Pull, strategy: MergeStrategy, *, is_ours: bool) -> None:
        """Merge a pull request onto its base, as it is now. Where it conflicts, people take what it has."""
        history, base = self.forge.history, self.forge.branches[pull.base]
        merged = self._merged(pull)
        theirs = {path: side for path, (_, side) in merged.conflicts.items() if side is not None}
        tree, note = {**merged.tree, **theirs}, f"#{pull.number}"
        if strategy is MergeStrategy.MERGE:
            sha = history.commit(base, tree, others=(pull.head_sha,), note=note).sha
        elif strategy is MergeStrategy.SQUASH:
            sha = history.commit(base, tree, note=note).sha
        else:
            sha = self._rebased(pull, base, tree)
        self.forge.branches[pull.base] = sha
        self.landed.append(Landed(pull.number, pull.head_sha, base, sha, is_ours))
        self.forge.change(pull, state=PullRequestState.MERGED, ended_at=self.forge.now(), merge_sha=sha)

    def _rebased(self, pull: Pull, base: str, tree: dict[str, str]) -> str:
        """Return the last of the commits of a pull request, put onto its base."""
        history, tip = self.forge.history, base
        fork = history.find_base(base, pull.head_sha) or ""
        for commit in list(history.since(fork, pull.head_sha))[:-1]:
            tip = history.commit(tip, {**history.commits[tip].tree, **commit.tree}, note=f"#{pull.number}").sha
        return history.commit(tip, tree, note=f"#{pull.number}").sha
