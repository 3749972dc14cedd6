"""What the agent may do to a conflict, and when all of it is settled."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from codecourier.runner.git import Git
from codecourier.runner.manifest import GITLINK_MODE, LINK_MODE, BaseEntry, parse_listing
from codecourier.runner.merging.conflicts import Conflict, ConflictKind, MergeOutput
from codecourier.runner.paths import PathError, check_path, is_ci_path
from codecourier.runner.step import StepError
from codecourier.runner.walk import show

__all__ = ["CONFLICTS_MAX_COUNT", "check_resolution", "find_hindrance"]

CONFLICTS_MAX_COUNT = 200
"""Conflicted paths that an agent is given; more are reported instead."""

_OURS, _THEIRS = 2, 3
_MARKER = re.compile(rb"^(?:<{7}|={7}|>{7}|\|{7})(?:[ \t].*)?\r?$", re.MULTILINE)


def find_hindrance(merged: MergeOutput, *, allow_ci_paths: bool) -> str | None:
    """Return why no agent may resolve these conflicts, in PascalCase; None where one may.

    It is found before the agent starts, as its result would be refused.

    Parameters
    ----------
    merged
        A merge with conflicts.
    allow_ci_paths
        Whether the Workflow may change files that steer CI.
    """
    if any(ConflictKind.SUBMODULE in conflict.kinds for conflict in merged.conflicts):
        return "SubmoduleConflict"
    if any(not conflict.stages for conflict in merged.conflicts):
        return "FolderRenameConflict"
    if len(merged.paths) > CONFLICTS_MAX_COUNT:
        return "TooManyConflicts"
    if not allow_ci_paths and any(map(is_ci_path, merged.paths)):
        return "CiPathConflict"
    for path in merged.paths:
        try:
            check_path(path)
        except PathError:
            return "UnsafePathConflict"
    return None


@dataclass(frozen=True)
class _Side:
    """The tree of one side, and the objects in it."""

    entries: Mapping[bytes, BaseEntry]
    oids: Mapping[str, int]
    """With their sizes in bytes."""


@dataclass(frozen=True)
class _Resolution:
    """A merge with its conflicts, and the tree that the agent has made of it."""

    git: Git
    merged: MergeOutput
    sides: Mapping[int, _Side]
    """By stage: 2 ours, 3 theirs."""

    result: Mapping[bytes, BaseEntry]
    changed: frozenset[bytes]
    """Paths in which it differs from the merged tree."""

    maximum: int
    """Bytes of a file that may be new."""


def check_resolution(
    git: Git,
    merged: MergeOutput,
    parents: tuple[str, str],
    tree: str,
    staged: Collection[bytes],
    maximum: int,
) -> None:
    """Refuse a resolution that changes too much, or that leaves something open.

    Parameters
    ----------
    git
        The private git directory.
    merged
        The merge with its conflicts.
    parents
        What is merged onto, and what is merged.
    tree
        The tree with the agent's changes.
    staged
        Conflicted paths that the agent has staged as settled.
    maximum
        Bytes of a file that may be new.

    Raises
    ------
    StepError
        With a sentence that names the path.
    """
    changes = git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", merged.tree, tree)
    ours, theirs = (_list(git, parent) for parent in parents)
    resolution = _Resolution(
        git=git,
        merged=merged,
        sides={
            _OURS: _Side(ours, {entry.oid: entry.size for entry in ours.values()}),
            _THEIRS: _Side(theirs, {entry.oid: entry.size for entry in theirs.values()}),
        },
        result=_list(git, tree),
        changed=frozenset(path for path in changes.split(b"\0") if path),
        maximum=maximum,
    )
    for path in sorted(resolution.changed):
        if not any(conflict.allows(path) for conflict in merged.conflicts):
            raise StepError(
                "PathNotConflicted",
                f"The resolution changes {show(path)}, which is not in conflict; only conflicted paths may change.",
            )
    for conflict in merged.conflicts:
        _check_settled(resolution, conflict, staged)
        _check_content(resolution, conflict)


def _list(git: Git, tree: str) -> dict[bytes, BaseEntry]:
    return parse_listing(git.run("ls-tree", "-r", "-l", "-z", "--full-tree", tree))


def _check_settled(resolution: _Resolution, conflict: Conflict, staged: Collection[bytes]) -> None:
    if any(map(conflict.allows, resolution.changed)) or conflict.stages.keys() & set(staged):
        return
    path = min(conflict.stages)
    raise StepError(
        "ConflictUnsettled",
        f"The conflict in {show(path)} is not settled ({', '.join(conflict.kinds)}): change the file, delete it, or"
        " stage it as it is.",
    )


def _check_content(resolution: _Resolution, conflict: Conflict) -> None:
    """Refuse a link that neither side had, and markers: a line counts as one beyond as often as both sides have it."""
    known, has_link = _read_sides(resolution, conflict)
    suspects = {*conflict.stages, *filter(conflict.allows, resolution.changed)} & resolution.result.keys()
    for path in sorted(suspects):
        entry = resolution.result[path]
        if entry.mode == LINK_MODE and not has_link:
            raise StepError("LinkNotConflicted", f"{show(path)} became a symbolic link, which neither side has there.")
        is_of_a_side = any(entry.oid in side.oids for side in resolution.sides.values())
        if is_of_a_side or entry.mode == GITLINK_MODE:
            continue
        if entry.size > resolution.maximum:
            raise StepError("OutputTooLarge", f"{show(path)} has {entry.size} bytes, more than one file may have.")
        if left := _count_markers(resolution.git, entry.oid) - known:
            line = min(left).decode("utf-8", "replace")
            raise StepError(
                "ConflictMarkersLeft",
                f"{show(path)} still has the line {line[:80]!r}, with which git marks a conflict.",
            )


def _read_sides(resolution: _Resolution, conflict: Conflict) -> tuple[Counter[bytes], bool]:
    """Return how often the sides have each line that looks like a marker, and whether one has a symbolic link.

    A stage may be of neither side: of a file that both have renamed, git stages what it has merged, with its markers.
    """
    lines, has_link = Counter[bytes](), False
    for number, side in resolution.sides.items():
        entries = {(entry.mode, entry.oid, entry.size) for path in conflict.paths if (entry := side.entries.get(path))}
        for stages in conflict.stages.values():
            stage = stages.get(number)
            if stage is not None and stage.oid in side.oids:
                entries.add((stage.mode, stage.oid, side.oids[stage.oid]))
        has_link = has_link or any(mode == LINK_MODE for mode, _, _ in entries)
        for oid, size in {(oid, size) for mode, oid, size in entries if mode != GITLINK_MODE}:
            if size <= resolution.maximum:
                lines += _count_markers(resolution.git, oid)
    return lines, has_link


def _count_markers(git: Git, oid: str) -> Counter[bytes]:
    content = git.run("cat-file", "blob", oid)
    return Counter(line.rstrip(b"\r") for line in _MARKER.findall(content))
