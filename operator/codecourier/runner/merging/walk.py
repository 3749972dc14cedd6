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

__all__ = [
    "MergeWalk",
    "OpenConflict",
    "changes_workflows",
    "describe_paths",
    "report_conflict",
    "report_forbidden",
    "tree_of",
    "walk_sources",
]

_SHOWN_PATHS = 3
_WORKFLOWS = ".github/workflows"
"""Folder whose files a host lets only credentials with that permission change."""


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
    tip, reports, merge = task.base_commit, list[SourceReport](), task.merge
    for source in merge.sources if merge is not None else ():
        number, head = source.number, source.head_commit
        if head in missing:
            reports.append(SourceReport(number, MergeState.MISSING, reason="HeadNotFound"))
            continue
        found = _look(git, task, source, tip)
        if isinstance(found, OpenConflict):
            return MergeWalk(tip, tuple(reports), found)
        if isinstance(found, str):
            tip = committer.commit(found, tip, head, number)
            found = SourceReport(number, MergeState.CLEAN, tip)
        reports.append(found)
        if found.state is MergeState.CONFLICT:
            break
    return MergeWalk(tip, tuple(reports), None)


def _look(git: Git, task: Task, source: MergeSource, tip: str) -> str | OpenConflict | SourceReport:
    """Return the tree of a clean merge, a conflict for the agent, or why the pull request is not merged."""
    head, number, merge = source.head_commit, source.number, task.merge
    base = find_merge_base(git, tip, head)
    if base == head:
        return SourceReport(number, MergeState.CONTAINED)
    if base is None:
        return SourceReport(number, MergeState.CONFLICT, reason="UnrelatedHistories")
    merged = merge_trees(git, tip, head, number)
    if merge is not None and not merge.may_change_workflows and changes_workflows(git, tip, merged):
        return report_forbidden(number)
    if merged.conflicts:
        hindrance = find_hindrance(merged, allow_ci_paths=task.allow_ci_paths)
        if merge is not None and merge.resolves and hindrance is None:
            return OpenConflict(source, merged)
        return report_conflict(number, merged, hindrance or "MergeConflict")
    return SourceReport(number, MergeState.EMPTY) if merged.tree == tree_of(git, tip) else merged.tree


def changes_workflows(git: Git, tip: str, merged: MergeOutput) -> bool:
    """Return whether a merge onto a tip changes, or has to settle, files of GitHub's workflows."""
    if any(path.startswith(f"{_WORKFLOWS}/".encode()) for path in merged.paths):
        return True
    # Nothing is renamed here: a file that leaves the folder is a change of it.
    arguments = ("-r", "-z", "--no-renames", "--name-only")
    return bool(git.run("diff-tree", *arguments, tip, merged.tree, "--", _WORKFLOWS))


def report_forbidden(number: int) -> SourceReport:
    """Return the report of a pull request that changes workflow files, which the credential may not."""
    return SourceReport(number, MergeState.FORBIDDEN, reason="WorkflowPermission")


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
