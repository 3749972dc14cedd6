"""The step after the agent: finds what changed in the workspace and packs it for publish.

Runs as the agent's user, without any credential, once every process of the agent is gone. It walks the tree itself; no
git process sees the workspace or the repository in it (ignore.py asks git the one question that needs it).
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from codecourier.runner.canaries import Canaries
from codecourier.runner.ignore import Ignorer
from codecourier.runner.manifest import (
    BASE_LISTING,
    CONFLICTS_FILE,
    DETAILS_FILE,
    FILE_MODES,
    GITLINK_MODE,
    LINK_MODE,
    MANIFEST_FILE,
    PACK_FILE,
    BaseEntry,
    Change,
    Manifest,
    parse_listing,
)
from codecourier.runner.pack import PackWriter
from codecourier.runner.paths import PathError, check_path, find_collision, is_ci_path, resolves_inside
from codecourier.runner.reports import read_details
from codecourier.runner.staged import read_settled_paths, read_staged_modes
from codecourier.runner.step import Context, StepError, run_step
from codecourier.runner.walk import Entry, Tree, hash_blob, show
from codecourier.task import CONTAINER_COLLECT, Layout, StepReport, StepState, Task
from codecourier.trees import remove_tree

__all__ = ["collect"]

_ENTRIES_MAX_COUNT = 2_000_000
"""Bound on the entries read in a workspace; ignored folders are not entered."""

_EXECUTABLE = 0o100


@dataclass
class _Collection:
    """The state of one walk."""

    task: Task
    tree: Tree
    base: dict[bytes, BaseEntry]
    staged: dict[bytes, str]
    """Modes that the agent has staged and the start commit lacks."""

    seen: dict[bytes, BaseEntry] = field(default_factory=dict)
    """The new tree, without gitlinks."""

    links: dict[bytes, bytes] = field(default_factory=dict)
    """Targets of all symbolic links in the new tree."""

    files: dict[bytes, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> list[bytes]:
        """Paths that the work adds or changes."""
        return [path for path, entry in self.seen.items() if self.base.get(path) != entry]

    @property
    def deleted(self) -> list[bytes]:
        """Paths that the work deletes; a submodule that is not initialised has no files, so it never counts."""
        return [path for path, entry in self.base.items() if entry.mode != GITLINK_MODE and path not in self.seen]


def collect(context: Context) -> StepReport:
    """Do the whole step.

    Raises
    ------
    StepError
        If the work cannot be pushed safely; nothing is handed on.
    """
    layout, task = context.layout, context.task
    canaries = Canaries.from_environment(task.canary_env)
    listing = Path(layout.control, BASE_LISTING).read_bytes()
    # The agent may write the folder around it. Nothing of the agent runs any more, so a look before is enough.
    if not Path(layout.workspace).is_dir() or Path(layout.workspace).is_symlink():
        raise StepError("UnsafeEntry", "The folder of the workspace was removed or replaced; keep it as it is.")
    tree, base = Tree(layout.workspace), parse_listing(listing)
    work = _Collection(task, tree, base, read_staged_modes(tree, task.object_format, base))
    scratch = Path(tempfile.mkdtemp(dir=layout.outbox))
    try:
        _walk(work, Ignorer(work.tree, scratch))
    finally:
        remove_tree(Path(scratch))
    _check(work, canaries)
    manifest = replace(_pack(work, canaries, Path(layout.outbox, PACK_FILE)), settled=_read_settled(work, layout))
    details = read_details(Tree(layout.reports), canaries, work.notes)
    Path(layout.outbox, MANIFEST_FILE).write_bytes(manifest.to_json())
    Path(layout.outbox, DETAILS_FILE).write_text(details.to_json(), encoding="utf-8")
    count = len(manifest.changes) + len(manifest.deleted)
    words = "1 path changed." if count == 1 else f"{count} paths changed."
    return StepReport(CONTAINER_COLLECT, StepState.SUCCEEDED, "Collected", words)


def _read_settled(work: _Collection, layout: Layout) -> tuple[str, ...]:
    """Return which of the conflicts that the agent was given it has staged."""
    if work.task.merge is None:
        return ()
    paths = [path for path in Path(layout.control, CONFLICTS_FILE).read_bytes().split(b"\0") if path]
    settled = read_settled_paths(work.tree, work.task.object_format, paths)
    return tuple(os.fsdecode(path) for path in sorted(settled))


def _walk(work: _Collection, ignorer: Ignorer) -> None:
    """Walk the workspace level by level, as the ignore rules need."""
    tracked_folders = {path[:index] for path in work.base for index, byte in enumerate(path) if byte == ord("/")}
    folders, count = [b""], 0
    while folders:
        entries = [entry for folder in folders for entry in _list(work, folder)]
        count += len(entries)
        if count > _ENTRIES_MAX_COUNT:
            raise StepError("OutputTooLarge", f"The workspace holds more than {_ENTRIES_MAX_COUNT} files and folders.")
        ignored = ignorer.ignored(entries)
        folders = []
        for entry in entries:
            if not entry.is_folder:
                if entry.path not in ignored or entry.path in work.base:
                    _take(work, entry)
            elif entry.path not in ignored or entry.path in tracked_folders:
                folders.append(entry.path)


def _list(work: _Collection, folder: bytes) -> Iterator[Entry]:
    for entry in work.tree.list(folder):
        base = work.base.get(entry.path)
        if base is not None and base.mode == GITLINK_MODE:
            if not entry.is_folder:
                raise StepError("SubmoduleChanged", f"{show(entry.path)} is a submodule; it cannot become a file.")
        elif entry.path.rpartition(b"/")[2] != b".git":
            yield entry
        elif folder:
            work.notes.append(f"{show(folder)} is a separate repository: its files were taken, its history was not.")


def _take(work: _Collection, entry: Entry) -> None:
    """Record a file or link with its blob id."""
    base = work.base.get(entry.path)
    if entry.is_link:
        target = work.tree.read_link(entry.path)
        work.links[entry.path] = target
        oid = hash_blob(work.task.object_format, target)
        work.seen[entry.path] = BaseEntry(LINK_MODE, oid, len(target))
    elif entry.is_file:
        if entry.size > work.task.limits.max_file_bytes and (base is None or base.size != entry.size):
            raise StepError(
                "OutputTooLarge", f"{show(entry.path)} has {entry.size} bytes, more than one file may have."
            )
        mode = _mode(work, entry)
        oid = work.tree.hash(work.task.object_format, entry.path, entry.size)
        work.seen[entry.path] = BaseEntry(mode, oid, entry.size)
        work.files[entry.path] = entry
    else:
        work.notes.append(f"{show(entry.path)} is neither file, folder nor link and was left out.")


def _mode(work: _Collection, entry: Entry) -> str:
    """Return the mode of a file: as it is on disk, and as it is staged where the file was left as it had been."""
    mode = "100755" if entry.mode & _EXECUTABLE else "100644"
    base = work.base.get(entry.path)
    before = base.mode if base is not None and base.mode in FILE_MODES else "100644"
    return work.staged.get(entry.path, mode) if mode == before else mode


def _check(work: _Collection, canaries: Canaries) -> None:
    """Apply every rule to what changed; what the repository had before is not checked."""
    changed, deleted = work.changed, work.deleted
    limits = work.task.limits
    if len(changed) + len(deleted) > limits.max_files:
        raise StepError(
            "OutputTooLarge",
            f"The work changes {len(changed) + len(deleted)} files, more than {limits.max_files}."
            " Put build output into .gitignore.",
        )
    total = sum(work.seen[path].size for path in changed)
    if total > limits.max_total_bytes:
        raise StepError("OutputTooLarge", f"The work has {total} bytes, more than {limits.max_total_bytes}.")
    for path in changed:
        canaries.check(path, "the name of a file")
        _check_entry(work, path)
    if not work.task.allow_ci_paths and (steering := next(filter(is_ci_path, [*changed, *deleted]), None)):
        raise StepError(
            "CiPathChanged",
            f"The work changes {show(steering)}, which steers CI or reviews; only a Workflow with allowCiPaths may.",
        )
    if collision := find_collision(work.seen, [path for path in changed if path not in work.base]):
        first, second = collision
        raise StepError("NameCollision", f"{show(first.encode())} and {show(second.encode())} differ by case only.")


def _check_entry(work: _Collection, path: bytes) -> None:
    is_link = path in work.links
    try:
        check_path(path, is_link=is_link)
    except PathError as error:
        raise StepError("UnsafePath", f"{show(path)} cannot be pushed: {error}.") from None
    if is_link:
        if not resolves_inside(path, work.links):
            raise StepError("UnsafeLink", f"The symbolic link {show(path)} leads out of the repository.")
        return
    entry = work.files[path]
    # The same file has another name outside of what is collected: it may be one that the agent must not publish.
    if entry.links > 1 and sum(other.inode == entry.inode for other in work.files.values()) < entry.links:
        raise StepError("UnsafeLink", f"{show(path)} is a hard link to a file outside of the work; make it a copy.")


def _pack(work: _Collection, canaries: Canaries, pack: Path) -> Manifest:
    """Write the blobs that the start commit lacks."""
    known = {entry.oid for entry in work.base.values()}
    changed = work.changed
    blobs: dict[str, bytes] = {}
    for path in changed:
        canaries.check(work.links.get(path, b""), f"the target of the symbolic link {show(path)}")
        if work.seen[path].oid not in known:
            blobs.setdefault(work.seen[path].oid, path)
    if blobs:
        limit = work.task.max_pack_bytes
        with PackWriter(pack, len(blobs), object_format=work.task.object_format, maximum=limit) as writer:
            for oid, path in blobs.items():
                if writer.add(work.seen[path].size, _searched(work, canaries, path)) != oid:
                    raise StepError("UnsafeEntry", f"{show(path)} changed while it was read.")
    changes = [(os.fsdecode(path), work.seen[path]) for path in changed]
    return Manifest(
        changes=tuple(Change(path, entry.mode, entry.oid, entry.size) for path, entry in changes),
        deleted=tuple(os.fsdecode(path) for path in work.deleted),
    )


def _searched(work: _Collection, canaries: Canaries, path: bytes) -> Iterator[bytes]:
    """Read a file again and search it for secret values, also across the borders of its pieces."""
    if path in work.links:
        yield work.links[path]
        return
    tail = b""
    for piece in work.tree.pieces(path, work.seen[path].size):
        canaries.check(tail + piece, show(path))
        tail = (tail + piece)[-canaries.overlap :] if canaries.overlap else b""
        yield piece


if __name__ == "__main__":
    sys.exit(run_step(CONTAINER_COLLECT, collect))
