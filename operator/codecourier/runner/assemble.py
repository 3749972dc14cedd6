"""Makes a tree of what collect left: publish trusts neither the manifest nor the pack, and never sees the workspace."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from codecourier.runner.git import Git
from codecourier.runner.manifest import GITLINK_MODE, LINK_MODE, BaseEntry, Manifest, parse_listing
from codecourier.runner.paths import PathError, check_path, find_collision, is_ci_path
from codecourier.runner.step import StepError
from codecourier.task import Task

__all__ = ["Assembly", "invalid", "read_outbox"]


@dataclass(frozen=True)
class Assembly:
    """The changes of a manifest and the tree that they are against."""

    task: Task
    git: Git
    manifest: Manifest
    pack: Path
    start: str
    """Commit or tree that the workspace was made from; unchanged paths come from it, not from the manifest."""

    def make_tree(self) -> str:
        """Check the manifest, take the blobs in and return the new tree's id.

        Raises
        ------
        StepError
            If collect's rules do not hold, or manifest and pack differ.
        """
        base = parse_listing(self.git.run("ls-tree", "-r", "-l", "-z", "--full-tree", self.start))
        self._check_manifest(base)
        self._import_pack(base)
        return self._write_tree()

    def check_commit(self, commit: str, exclude: Iterable[str]) -> None:
        """Check a commit as the forge will: it changes exactly the manifest's paths, and fsck accepts it.

        Parameters
        ----------
        commit
            The commit with the new tree.
        exclude
            Commits that the forge has already.

        Raises
        ------
        StepError
            If it does not, or fsck refuses an object.
        """
        output = self.git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", self.start, f"{commit}^{{tree}}")
        paths = {path for path in output.split(b"\0") if path}
        named = {*(change.path for change in self.manifest.changes), *self.manifest.deleted}
        if paths != {os.fsencode(path) for path in named}:
            raise invalid("differs from the commit that it makes")
        self._check_ci_paths(sorted(paths))
        revisions = "".join(f"{name}\n" for name in (commit, *(f"^{known}" for known in exclude))).encode()
        prefix = f"{self.git.git_dir}/codecourier-check"
        name = self.git.run("pack-objects", "--quiet", "--revs", prefix, stdin=revisions).decode("ascii").strip()
        self.git.run("index-pack", "--strict", "-o", f"{prefix}.idx", f"{prefix}-{name}.pack")

    def _check_manifest(self, base: dict[bytes, BaseEntry]) -> None:
        """Apply collect's rules again: collect runs as the agent's user, publish holds the token."""
        deleted = [os.fsencode(path) for path in self.manifest.deleted]
        changes = self.manifest.changes
        limits = self.task.limits
        if len(changes) + len(deleted) > limits.max_files:
            raise invalid("names too many files")
        if sum(change.size for change in changes) > limits.max_total_bytes:
            raise invalid("holds too many bytes")
        for change in changes:
            try:
                check_path(os.fsencode(change.path), is_link=change.mode == LINK_MODE)
            except PathError as error:
                raise invalid(f"names a path that cannot be pushed: {error}") from None
        changed = [os.fsencode(change.path) for change in changes]
        gitlinks = {path for path, entry in base.items() if entry.mode == GITLINK_MODE}
        if not base.keys() >= set(deleted) or not gitlinks.isdisjoint([*changed, *deleted]):
            raise invalid("deletes what is not there, or touches a submodule")
        if find_collision({*base, *changed} - {*deleted}, set(changed) - base.keys()):
            raise invalid("names paths that differ by case only")
        self._check_ci_paths([*changed, *deleted])

    def _check_ci_paths(self, paths: list[bytes]) -> None:
        if not self.task.allow_ci_paths and any(map(is_ci_path, paths)):
            raise invalid("changes files that steer CI, which this Workflow may not")

    def _import_pack(self, base: dict[bytes, BaseEntry]) -> None:
        """Take the blobs in, and only the blobs that the manifest names."""
        known = {entry.oid for entry in base.values()}
        expected = {change.oid: change.size for change in self.manifest.changes if change.oid not in known}
        if not expected:
            return
        limit = f"--max-input-size={self.task.max_pack_bytes}"
        name = self.git.run("index-pack", "--strict", "--stdin", limit, stdin=self.pack).split()[-1].decode("ascii")
        index = Path(self.git.git_dir, "objects", "pack", f"pack-{name}.idx")
        listed = self.git.run("show-index", f"--object-format={self.task.object_format}", stdin=index)
        packed = {line.split()[1].decode("ascii") for line in listed.splitlines()}
        if packed != expected.keys():
            raise invalid("and the pack differ in their objects")
        query = "".join(f"{oid}\n" for oid in expected).encode()
        answer = self.git.text("cat-file", "--batch-check", stdin=query)
        if answer.split("\n") != [f"{oid} blob {size}" for oid, size in expected.items()]:
            raise invalid("and the pack differ in types or sizes")

    def _write_tree(self) -> str:
        """Apply the changes to the start's tree, in an index of our own."""
        index = {"GIT_INDEX_FILE": str(Path(self.git.git_dir, "codecourier-index"))}
        self.git.run("read-tree", self.start, environment=index)
        empty = "0" * len(self.start)
        # Deletions first: a file may have become a folder.
        lines = [f"0 {empty}\t{path}\0" for path in self.manifest.deleted]
        lines += [f"{change.mode} {change.oid}\t{change.path}\0" for change in self.manifest.changes]
        data = os.fsencode("".join(lines))
        self.git.run("update-index", "--add", "--replace", "-z", "--index-info", stdin=data, environment=index)
        return self.git.run("write-tree", environment=index).decode("ascii").strip()


def invalid(what: str) -> StepError:
    """Return the refusal of a manifest."""
    return StepError("OutboxInvalid", f"The manifest of the work {what}; nothing was pushed.")


def read_outbox(outbox: str, name: str, maximum: int) -> bytes:
    """Read a file that collect left, and no other.

    Raises
    ------
    StepError
        If it is too large.
    OSError
        If there is no such file.
    """
    descriptor = os.open(Path(outbox, name), os.O_RDONLY | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor that followed no link
        content = file.read(maximum + 1)
    if len(content) > maximum:
        raise invalid(f"is beside a {name} that is too large")
    return content
