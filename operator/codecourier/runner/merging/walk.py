"""Goes through the pull requests of a task in order, up to the first conflict."""

from collections.abc import Collection
from dataclasses import dataclass

from codecourier.merging import (
    MERGE_PATH_MAX_LENGTH,
    MERGE_PATHS_MAX_COUNT,
    MergeSource,
    MergeState,
    SourceReport,
)
from codecourier.runner.git import Git
from codecourier.runner.merging.commits import MergeCommitter
from codecourier.runner.merging.conflicts import MergeOutput
from codecourier.runner.merging.mechanical import find_merge_base, merge_trees
from codecourier.runner.merging.resolution import find_hindrance
from codecourier.runner.step import one_line
from codecourier.task import Task

__all__ = ["MergeWalk", "OpenConflict", "describe_paths", "report_conflict", "tree_of", "walk_sources"]

_SHOWN_PATHS = 3


@dataclass(frozen=True)
class OpenConflict:
    """A conflict that the agent is to resolve."""

    source: MergeSource
    merged: MergeOutput


@dataclass(frozen=True)
class MergeWalk:
    """How far git alone came."""

    tip: str
    """The base commit with the clean merges on top."""

    reports: tuple[SourceReport, ...]
    """Of the pull requests that were handled; the last one may say Conflict. Without one that is left open."""

    conflict: OpenConflict | None
    """The conflict that is left to the agent; None where there is none for it."""


def tree_of(git: Git, commit: str) -> str:
    """Return the tree of a commit."""
    return git.text("rev-parse", "--verify", f"{commit}^{{tree}}")


def walk_sources(git: Git, task: Task, missing: Collection[str], committer: MergeCommitter) -> MergeWalk:
    """Merge in order; the commits that this makes are in the private git directory only.

    Parameters
    ----------
    git
        The private git directory.
    task
        A task with merges.
    missing
        Head commits that the repository does not have any more.
    committer
        Makes the merge commits.
    """
    tip, reports = task.base_commit, list[SourceReport]()
    sources = task.merge.sources if task.merge is not None else ()
    resolves = task.merge is not None and task.merge.resolves
    for source in sources:
        head, number = source.head_commit, source.number
        if head in missing:
            reports.append(SourceReport(number, MergeState.MISSING, reason="HeadNotFound"))
            continue
        base = find_merge_base(git, tip, head)
        if base == head:
            reports.append(SourceReport(number, MergeState.CONTAINED))
            continue
        if base is None:
            reports.append(SourceReport(number, MergeState.CONFLICT, reason="UnrelatedHistories"))
            break
        merged = merge_trees(git, tip, head, number)
        if merged.conflicts:
            hindrance = find_hindrance(merged, allow_ci_paths=task.allow_ci_paths)
            if resolves and hindrance is None:
                return MergeWalk(tip, tuple(reports), OpenConflict(source, merged))
            reports.append(report_conflict(number, merged, hindrance or "MergeConflict"))
            break
        if merged.tree == tree_of(git, tip):
            reports.append(SourceReport(number, MergeState.EMPTY))
            continue
        tip = committer.commit(merged.tree, tip, head, number)
        reports.append(SourceReport(number, MergeState.CLEAN, tip))
    return MergeWalk(tip, tuple(reports), None)


def report_conflict(number: int, merged: MergeOutput, reason: str) -> SourceReport:
    """Return the report of a pull request that was not merged because of conflicts."""
    return SourceReport(number, MergeState.CONFLICT, None, _named(merged), len(merged.paths), reason)


def describe_paths(report: SourceReport) -> str:
    """Return the conflicted paths of a report in a few words."""
    shown = ", ".join(repr(path) for path in report.paths[:_SHOWN_PATHS])
    more = report.path_count - min(len(report.paths), _SHOWN_PATHS)
    return f"{shown} and {more} more" if more else shown


def _named(merged: MergeOutput) -> tuple[str, ...]:
    paths = [path.decode("utf-8", "backslashreplace") for path in merged.paths[:MERGE_PATHS_MAX_COUNT]]
    return tuple(one_line(path, MERGE_PATH_MAX_LENGTH) or "?" for path in paths)
