"""What ``git merge-tree --write-tree -z --messages`` says of one merge: the tree and the conflicts. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from codecourier.runner.manifest import GITLINK_MODE

__all__ = ["Conflict", "ConflictKind", "MergeOutput", "Stage", "parse_merge_output"]

_OURS, _THEIRS = 2, 3
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class ConflictKind(StrEnum):
    """How two sides conflict, in words for the agent."""

    CONTENT = "both sides changed it"
    BOTH_ADDED = "both sides added it"
    MODIFY_DELETE = "one side changed it, the other deleted it"
    RENAME_RENAME = "the sides renamed it differently"
    RENAME_DELETE = "one side renamed it, the other deleted it"
    BINARY = "both sides changed it, and it is binary"
    SUBMODULE = "a submodule"
    FILE_DIRECTORY = "a file on one side, a folder on the other"
    MODE = "of different types on the two sides"
    FOLDER_RENAME = "in a folder that one side renamed"
    OTHER = "git could not merge it"


_KINDS = {
    "CONFLICT (contents)": ConflictKind.CONTENT,
    "CONFLICT (binary)": ConflictKind.BINARY,
    "CONFLICT (file/directory)": ConflictKind.FILE_DIRECTORY,
    "CONFLICT (distinct modes)": ConflictKind.MODE,
    "CONFLICT (modify/delete)": ConflictKind.MODIFY_DELETE,
    "CONFLICT (rename/rename)": ConflictKind.RENAME_RENAME,
    "CONFLICT (rename involved in collision)": ConflictKind.BOTH_ADDED,
    "CONFLICT (rename/delete)": ConflictKind.RENAME_DELETE,
    "CONFLICT (directory rename suggested)": ConflictKind.FOLDER_RENAME,
    "CONFLICT (file in way of directory rename)": ConflictKind.FOLDER_RENAME,
    "CONFLICT(directory rename collision)": ConflictKind.FOLDER_RENAME,
    "CONFLICT(directory rename unclear split)": ConflictKind.FOLDER_RENAME,
}
"""By git's short words for a message, which it keeps the same for programs."""


@dataclass(frozen=True)
class Stage:
    """A path as one side, or what both started from, has it."""

    mode: str
    oid: str


@dataclass(frozen=True)
class Conflict:
    """Paths that have to be settled together, such as the old and the new names of a renamed file."""

    paths: frozenset[bytes]
    """All paths that git names in it, also those that the result does not have."""

    stages: Mapping[bytes, Mapping[int, Stage]]
    """Those of `paths` that git leaves to be settled, by stage: 1 of the merge base, 2 ours, 3 theirs."""

    kinds: tuple[ConflictKind, ...]

    def allows(self, path: bytes) -> bool:
        """Whether settling it may change a path: one of its own, or one below a folder that is in a file's way."""
        if path in self.paths:
            return True
        return ConflictKind.FILE_DIRECTORY in self.kinds and any(path.startswith(name + b"/") for name in self.paths)


@dataclass(frozen=True)
class MergeOutput:
    """The result of one merge."""

    tree: str
    """The merged tree; where there are conflicts, with their markers."""

    conflicts: tuple[Conflict, ...]

    @property
    def paths(self) -> tuple[bytes, ...]:
        """The paths to be settled, sorted; where git names none, those that it says are in its way."""
        staged = {path for conflict in self.conflicts for path in conflict.stages}
        named = {path for conflict in self.conflicts if not conflict.stages for path in conflict.paths}
        return tuple(sorted(staged | named))


def parse_merge_output(output: bytes) -> MergeOutput:
    """Parse what git printed.

    Raises
    ------
    ValueError
        If it is not of that form.
    """
    fields = iter(output.split(b"\0"))
    tree = next(fields).decode("ascii")
    if not _OID.fullmatch(tree):
        raise ValueError("no tree")
    stages: dict[bytes, dict[int, Stage]] = {}
    for field in fields:
        if not field:
            break
        head, tab, path = field.partition(b"\t")
        mode, oid, stage = head.decode("ascii").split(" ")
        if not tab:
            raise ValueError("an entry without a path")
        stages.setdefault(path, {})[int(stage)] = Stage(mode, oid)
    messages = [(words, names) for words, names in _messages(fields) if words.startswith("CONFLICT")]
    return MergeOutput(tree, tuple(_group(stages, messages)))


def _messages(fields: Iterator[bytes]) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield git's short words and the paths of each message; after them it may print advice on submodules."""
    for count in fields:
        if not count.isdigit():
            return
        names = tuple(next(fields) for _ in range(int(count)))
        words = next(fields).decode("ascii")
        next(fields)
        yield words, names


def _group(
    stages: Mapping[bytes, Mapping[int, Stage]], messages: Iterable[tuple[str, tuple[bytes, ...]]]
) -> Iterator[Conflict]:
    """Put paths together that a message names together, in near-linear time."""
    parents: dict[bytes, bytes] = {path: path for path in stages}

    def find(path: bytes) -> bytes:
        while parents.setdefault(path, path) != path:
            parents[path] = parents[parents[path]]
            path = parents[path]
        return path

    named = [(words, names) for words, names in messages if names]
    for _, names in named:
        for name in names[1:]:
            parents[find(name)] = find(names[0])
    kinds: dict[bytes, dict[ConflictKind, None]] = {}
    for words, names in named:
        kinds.setdefault(find(names[0]), {})[_KINDS.get(words, ConflictKind.OTHER)] = None
    members: dict[bytes, list[bytes]] = {}
    for path in sorted(parents):
        members.setdefault(find(path), []).append(path)
    for root, paths in members.items():
        staged = {path: stages[path] for path in paths if path in stages}
        yield Conflict(frozenset(paths), staged, tuple(_refine(kinds.get(root, {}), staged)))


def _refine(kinds: Iterable[ConflictKind], stages: Mapping[bytes, Mapping[int, Stage]]) -> Iterator[ConflictKind]:
    """Say more exactly what git calls a conflict of contents."""
    found = list(kinds) or [ConflictKind.OTHER]
    if any(stage.mode == GITLINK_MODE for sides in stages.values() for stage in sides.values()):
        found = [ConflictKind.SUBMODULE]
    elif ConflictKind.BINARY in found:
        found = [kind for kind in found if kind is not ConflictKind.CONTENT]
    for kind in found:
        is_added = any(set(sides) == {_OURS, _THEIRS} for sides in stages.values())
        yield ConflictKind.BOTH_ADDED if kind is ConflictKind.CONTENT and is_added else kind
