"""Remove a folder with everything below it, also one that a hostile program filled.

`shutil.rmtree` of Python 3.11 recurses and fails with `RecursionError` about a thousand levels deep, and Git takes any
depth. Here depth costs neither stack nor open files, and every step is relative to an open folder: paths may be longer
than the kernel accepts, and a symbolic link that replaces a folder meanwhile is not followed.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

__all__ = ["remove_tree"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_ACCESSIBLE = 0o700
_OPEN_LEVELS = 32
"""Levels that stay open, with two descriptors each; those above are opened again on the way back."""


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it; do nothing if there is none.

    Folders without permissions are made accessible first.

    Parameters
    ----------
    path
        The folder. The folders above it are trusted: symbolic links in them are followed.

    Raises
    ------
    NotADirectoryError
        If it is a file or a symbolic link.
    OSError
        If an entry cannot be removed, or another program moves or fills a folder meanwhile; part of the tree may be
        gone by then.
    """
    if not os.path.lexists(path):
        return
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _remove(parent, path.name)
    finally:
        os.close(parent)


def _remove(parent: int, name: str) -> None:
    levels = [_Level(parent, name)]
    try:
        while levels:
            here = levels[-1]
            if (folder := here.next_folder()) is not None:
                levels.append(_Level(here.descriptor, folder))
                if len(levels) > _OPEN_LEVELS:
                    levels[-_OPEN_LEVELS - 1].close()
                continue
            if len(levels) > 1:
                levels[-2].open_above(here)
            os.rmdir(here.name, dir_fd=levels[-2].descriptor if len(levels) > 1 else parent)
            levels.pop().close()
    finally:
        for level in levels:
            level.close()


class _Level:
    """One of the folders between the tree's root and the folder whose entries are being removed."""

    def __init__(self, parent: int, name: str) -> None:
        self.name = name
        self.descriptor = _open_folder(parent, name)
        self._identity = _identity(self.descriptor)
        self._entries: os._ScandirIterator[str] | None = None
        self._has_removed = False

    def next_folder(self) -> str | None:
        """Remove files and empty folders up to the next folder that is not empty; None when nothing is left."""
        while True:
            if self._entries is None:
                self._entries = os.scandir(self.descriptor)
                self._has_removed = False
            for entry in self._entries:
                self._has_removed = True
                if not self._remove_entry(entry):
                    return entry.name
            self._entries = None
            # A listing during removals is undefined: the folder is empty only when a whole new listing is.
            if not self._has_removed:
                return None

    def _remove_entry(self, entry: os.DirEntry[str]) -> bool:
        with suppress(FileNotFoundError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=self.descriptor)
                return True
            try:
                os.rmdir(entry.name, dir_fd=self.descriptor)
            except OSError as error:
                if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                    return False
                raise
        return True

    def open_above(self, child: _Level) -> None:
        """Reopen this folder from the one in it, unless it is still open."""
        if self.descriptor >= 0:
            return
        self.descriptor = os.open("..", _FOLDER, dir_fd=child.descriptor)
        if _identity(self.descriptor) != self._identity:
            raise OSError(errno.ESTALE, "a folder was moved while its tree was being removed", child.name)

    def close(self) -> None:
        if self._entries is not None:
            self._entries.close()
            self._entries = None
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _open_folder(parent: int, name: str) -> int:
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        _make_accessible(parent, name)
        descriptor = os.open(name, _FOLDER, dir_fd=parent)
    if os.fstat(descriptor).st_mode & _ACCESSIBLE != _ACCESSIBLE:
        # Another user's folder: removing its entries shows whether the change was needed.
        with suppress(PermissionError):
            os.fchmod(descriptor, _ACCESSIBLE)
    return descriptor


def _make_accessible(parent: int, name: str) -> None:
    if os.chmod in os.supports_follow_symlinks:
        os.chmod(name, _ACCESSIBLE, dir_fd=parent, follow_symlinks=False)
        return
    # Linux cannot change a mode without following links, except of an open folder; O_PATH opens it without any right.
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        Path(f"/proc/self/fd/{descriptor}").chmod(_ACCESSIBLE)
    finally:
        os.close(descriptor)
