"""Asks git what ``.gitignore`` leaves out, without showing it the agent's tree.

Git runs in a new, empty repository whose working tree holds only copies of the ``.gitignore`` files and their folders.
So git's own rules apply exactly, and git meets no configuration, attribute, hook, filter or nested repository of the
agent. ``.git/info/exclude`` of the workspace is not read.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from codecourier.runner.git import Git, GitError
from codecourier.runner.step import StepError
from codecourier.runner.walk import Entry, Tree, show

__all__ = ["Ignorer"]

_IGNORE_FILE_MAX_BYTES = 1024 * 1024
_NOTHING_MATCHED = 1


class Ignorer:
    """Answers level by level, from the root down.

    Parameters
    ----------
    tree
        The workspace.
    scratch
        An empty folder that only this process uses.
    """

    def __init__(self, tree: Tree, scratch: Path) -> None:
        self._tree = tree
        self._copy = scratch / "tree"
        self._has_rules = False
        git_dir = scratch / "git"
        self._git = Git(str(git_dir), str(self._copy))
        self._copy.mkdir()
        git_dir.mkdir()
        Git(str(git_dir)).run("init", "--quiet", "--bare", "--template=")
        (git_dir / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n")

    def ignored(self, entries: Iterable[Entry]) -> set[bytes]:
        """Return the paths that are ignored; the folders above them must have been passed before.

        Raises
        ------
        StepError
            If an ignore file is too large.
        """
        names = {entry.path: entry for entry in entries}
        for entry in names.values():
            if entry.path.rpartition(b"/")[2] == b".gitignore" and entry.is_file:
                self._take(entry)
        for entry in names.values():
            if entry.is_folder:
                os.makedirs(os.path.join(os.fsencode(self._copy), entry.path), exist_ok=True)  # noqa: PTH103, PTH118
        if not self._has_rules or not names:
            return set()
        # The prefix keeps a name that starts with a colon from being read as pathspec magic.
        query = b"".join(b"./" + name + b"\0" for name in names)
        try:
            matched = self._git.run("check-ignore", "--no-index", "-z", "--stdin", stdin=query)
        except GitError as error:
            if error.exit_code != _NOTHING_MATCHED:
                raise
            return set()
        return {name.removeprefix(b"./") for name in matched.split(b"\0")} & names.keys()

    def _take(self, entry: Entry) -> None:
        if entry.size > _IGNORE_FILE_MAX_BYTES:
            raise StepError("UnsafeEntry", f"{show(entry.path)} is larger than {_IGNORE_FILE_MAX_BYTES} bytes.")
        content = self._tree.read(entry.path, _IGNORE_FILE_MAX_BYTES) or b""
        Path(os.fsdecode(os.path.join(os.fsencode(self._copy), entry.path))).write_bytes(content)  # noqa: PTH118
        self._has_rules = True
