"""What the operator and a sandbox pod say to each other about the merging of pull requests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from codecourier.wire import COMMIT_ID, TaskError, check_line, check_match, check_range, check_text

__all__ = [
    "MERGE_PATHS_MAX_COUNT",
    "MERGE_PATH_MAX_LENGTH",
    "MERGE_SOURCES_MAX_COUNT",
    "PULL_REQUEST_MAX_NUMBER",
    "UNRESOLVABLE",
    "MergeReport",
    "MergeSource",
    "MergeState",
    "MergeSummary",
    "MergeTask",
    "SourceReport",
]

MERGE_SOURCES_MAX_COUNT = 50
"""Pull requests that one Run merges."""

MERGE_PATHS_MAX_COUNT = 20
"""Conflicted paths that are named of one pull request; all are counted."""

MERGE_PATH_MAX_LENGTH = 200
"""Longest path that is named, in characters; longer ones are cut."""

PULL_REQUEST_MAX_NUMBER = 2**53
"""Largest number of a pull request."""

UNRESOLVABLE = {
    "CiPathConflict": "the Workflow may not change the files in conflict, which steer CI",
    "FolderRenameConflict": "the two sides disagree about a folder that was renamed",
    "SubmoduleConflict": "a submodule is in conflict",
    "TooManyConflicts": "too many paths are in conflict",
    "UnrelatedHistories": "it shares no history with the base branch",
    "UnsafePathConflict": "a path in conflict has a name that CodeCourier does not write",
}
"""Reasons of a conflict that no agent is given, and what each means, as a part of a sentence."""

_UID = re.compile(r"[0-9A-Za-z-]{1,64}")
_REASON = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")


class MergeState(StrEnum):
    """What became of one pull request."""

    CLEAN = "Clean"
    """Merged by git alone."""

    RESOLVED = "Resolved"
    """It conflicted, and the agent resolved every conflict."""

    CONFLICT = "Conflict"
    """It conflicts and was not merged."""

    EMPTY = "Empty"
    """Merging it changes no file, so it was left out."""

    CONTAINED = "Contained"
    """What was merged before holds its head commit already."""

    MISSING = "Missing"
    """The repository does not have its head commit any more."""

    FORBIDDEN = "Forbidden"
    """It changes workflow files, and the credential for the repository may not."""

    @property
    def letter(self) -> str:
        """The letter that stands for it in `MergeSummary.states`."""
        return _LETTERS[self]


_LETTERS = {
    MergeState.CLEAN: "C",
    MergeState.RESOLVED: "R",
    MergeState.CONFLICT: "X",
    MergeState.EMPTY: "E",
    MergeState.CONTAINED: "K",
    MergeState.MISSING: "M",
    MergeState.FORBIDDEN: "F",
}
_STATES = {letter: state for state, letter in _LETTERS.items()}


@dataclass(frozen=True)
class MergeSource:
    """A pull request that is to be merged."""

    number: int
    head_commit: str
    """The commit that is merged, whatever the pull request's head is by then."""

    def __post_init__(self) -> None:
        check_range("number", self.number, 1, PULL_REQUEST_MAX_NUMBER)
        check_match("headCommit", self.head_commit, COMMIT_ID, "a full commit id in lower case")


@dataclass(frozen=True)
class MergeTask:
    """The merges of one Run: in order, up to the first conflict that an agent is to resolve or that ends the Run."""

    uid: str
    """UID of the object that made the Run: its progress ref is `progress_ref`."""

    step: int
    """Which Run of that object this is: progress that an earlier or the same one left may be replaced."""

    sources: tuple[MergeSource, ...]
    resolves: bool = False
    """Whether a conflict goes to the agent; if not, it is reported."""

    may_change_workflows: bool = True
    """Whether the repository's credential may change workflow files; True also where that is not known."""

    def __post_init__(self) -> None:
        check_match("uid", self.uid, _UID, "a UID")
        check_range("step", self.step, 0, 1_000_000)
        check_range("sources: number of items", len(self.sources), 1, MERGE_SOURCES_MAX_COUNT)

    @property
    def progress_ref(self) -> str:
        """The private ref that the merges are pushed to; no CI runs for it."""
        return f"refs/codecourier/merge/{self.uid}"


@dataclass(frozen=True)
class SourceReport:
    """What became of one pull request."""

    number: int
    state: MergeState
    commit: str | None = None
    """The merge commit; None where there is none."""

    paths: tuple[str, ...] = ()
    """Conflicted paths, the first ones, for people."""

    path_count: int = 0
    """Number of all conflicted paths."""

    reason: str | None = None
    """Why it was not merged, in PascalCase; None where it was."""

    def __post_init__(self) -> None:
        check_range("number", self.number, 1, PULL_REQUEST_MAX_NUMBER)
        check_range("paths: number of items", len(self.paths), 0, MERGE_PATHS_MAX_COUNT)
        check_range("pathCount", self.path_count, 0, 2**53)
        for index, path in enumerate(self.paths):
            check_line(f"paths[{index}]", path, maximum=4 * MERGE_PATH_MAX_LENGTH)
        if self.commit is not None:
            check_match("commit", self.commit, COMMIT_ID, "a full commit id")
        if self.reason is not None:
            check_match("reason", self.reason, _REASON, "a reason in PascalCase")


@dataclass(frozen=True)
class MergeReport:
    """What became of the pull requests that a Run handled, as the details have it."""

    sources: tuple[SourceReport, ...] = ()
    """Those that were handled, in the task's order and without a gap."""

    tree: str | None = None
    """Tree of the tip; None where nothing of it was kept."""

    def __post_init__(self) -> None:
        check_range("sources: number of items", len(self.sources), 0, MERGE_SOURCES_MAX_COUNT)
        if self.tree is not None:
            check_match("tree", self.tree, COMMIT_ID, "a full id of a tree")

    @property
    def summary(self) -> MergeSummary:
        """The same in few bytes."""
        reason = next((source.reason for source in reversed(self.sources) if source.reason is not None), None)
        return MergeSummary("".join(source.state.letter for source in self.sources), self.tree, reason)


@dataclass(frozen=True)
class MergeSummary:
    """What is left of a report where the details are lost: it fits into the termination message of publish."""

    states: str = ""
    """A letter for each pull request that was handled, in the task's order; see `MergeState.letter`."""

    tree: str | None = None
    """Tree of the tip; None where nothing of it was kept."""

    reason: str | None = None
    """Why the last of those that were not merged was not, in PascalCase."""

    def __post_init__(self) -> None:
        check_text("states", self.states, maximum=MERGE_SOURCES_MAX_COUNT)
        if unknown := sorted(set(self.states) - _STATES.keys()):
            raise TaskError(f"states: {unknown[0]!r} stands for no state")
        if self.tree is not None:
            check_match("tree", self.tree, COMMIT_ID, "a full id of a tree")
        if self.reason is not None:
            check_match("reason", self.reason, _REASON, "a reason in PascalCase")

    def expand(self, sources: tuple[MergeSource, ...]) -> MergeReport:
        """Return the report as far as it is known.

        Parameters
        ----------
        sources
            Those of the task.

        Raises
        ------
        TaskError
            If more were handled than there were.
        """
        if len(self.states) > len(sources):
            raise TaskError(f"states: {len(self.states)} pull requests were handled, of {len(sources)}")
        states = [_STATES[letter] for letter in self.states]
        last = max((index for index, state in enumerate(states) if state in _UNMERGED), default=None)
        return MergeReport(
            tuple(
                SourceReport(source.number, state, reason=self.reason if index == last else None)
                for index, (source, state) in enumerate(zip(sources, states, strict=False))
            ),
            self.tree,
        )


_UNMERGED = frozenset({MergeState.CONFLICT, MergeState.MISSING, MergeState.FORBIDDEN})
