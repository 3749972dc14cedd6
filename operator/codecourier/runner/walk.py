"""Walks a folder that a hostile agent may have filled, without ever following a symbolic link.

Every folder is opened relative to the one above it with ``O_NOFOLLOW``, so no name can lead out of the tree, and a
mount below the root is refused. This matches ``openat2`` with ``RESOLVE_BENEATH``, ``RESOLVE_NO_SYMLINKS`` and
``RESOLVE_NO_XDEV``, on every kernel and under every seccomp profile.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from codecourier.runner.step import StepError, one_line

__all__ = ["Entry", "Hash", "Tree", "hash_blob", "new_hash", "show"]

_PIECE_BYTES = 1024 * 1024
_LINK_MAX_BYTES = 4096


class Hash(Protocol):
    """The part of hashlib's hashes that git's object ids need."""

    def update(self, data: bytes, /) -> None:
        """Add data."""

    def digest(self) -> bytes:
        """Return the hash of all data."""

    def hexdigest(self) -> str:
        """Return it in hexadecimal digits."""


@dataclass(frozen=True)
class Entry:
    """One name in a folder, as lstat saw it."""

    path: bytes
    mode: int
    size: int
    inode: int
    links: int

    @property
    def is_file(self) -> bool:
        """A regular file."""
        return stat.S_ISREG(self.mode)

    @property
    def is_folder(self) -> bool:
        """A directory, not a link to one."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        """A symbolic link."""
        return stat.S_ISLNK(self.mode)


def show(path: bytes) -> str:
    """Make a path printable and short, for messages."""
    return repr(one_line(path.decode("utf-8", "backslashreplace"), 200))


def new_hash(object_format: str) -> Hash:
    """Start a hash by git's name of it."""
    return hashlib.new(object_format, usedforsecurity=False)


def hash_blob(object_format: str, data: bytes) -> str:
    """Compute the id of a blob."""
    digest = new_hash(object_format)
    digest.update(b"blob %d\0" % len(data) + data)
    return digest.hexdigest()


class Tree:
    """A folder, read without following links.

    Parameters
    ----------
    root
        The folder. This path is trusted: it may lead through links.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._device = os.stat(root).st_dev  # noqa: PTH116 - one style of calls in this file: descriptors

    def list(self, folder: bytes) -> list[Entry]:
        """List a folder, sorted by name.

        Parameters
        ----------
        folder
            Path below the root, empty for the root.

        Raises
        ------
        StepError
            If it cannot be read.
        """
        with self._folder(folder) as descriptor:
            names = sorted(os.fsencode(name) for name in os.listdir(descriptor))  # noqa: PTH208 - by descriptor
            return [self._entry(descriptor, folder, name) for name in names]

    def read_link(self, path: bytes) -> bytes:
        """Read where a symbolic link points."""
        folder, _, name = path.rpartition(b"/")
        with self._folder(folder) as descriptor:
            target = os.readlink(name, dir_fd=descriptor)
        if len(target) > _LINK_MAX_BYTES:
            raise StepError("UnsafeEntry", f"The symbolic link {show(path)} points to a path of more than 4096 bytes.")
        return target

    def pieces(self, path: bytes, size: int) -> Iterator[bytes]:
        """Read a regular file in pieces of at most 1 MiB.

        Raises
        ------
        StepError
            If it cannot be read, or is no longer a file of that size.
        """
        folder, _, name = path.rpartition(b"/")
        with self._folder(folder) as descriptor:
            file = self._open(name, os.O_RDONLY | os.O_NONBLOCK, descriptor, path)
        left = size
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_size != size:
                raise _changed(path)
            while left:
                piece = os.read(file, min(left, _PIECE_BYTES))
                if not piece:
                    raise _changed(path)
                left -= len(piece)
                yield piece
        finally:
            os.close(file)

    def hash(self, object_format: str, path: bytes, size: int) -> str:
        """Compute the blob id of a regular file, without any filter."""
        digest = new_hash(object_format)
        digest.update(b"blob %d\0" % size)
        for piece in self.pieces(path, size):
            digest.update(piece)
        return digest.hexdigest()

    def read(self, path: bytes, maximum: int) -> bytes | None:
        """Read the start of a regular file.

        Returns
        -------
        bytes or None
            At most `maximum` bytes; None where there is no such regular file.
        """
        folder, _, name = path.rpartition(b"/")
        try:
            with self._folder(folder) as descriptor:
                entry = self._entry(descriptor, folder, name)
        except (OSError, StepError):
            return None
        if not entry.is_file:
            return None
        content = b""
        for piece in self.pieces(path, entry.size):
            content += piece
            if len(content) >= maximum:
                break
        return content[:maximum]

    @contextlib.contextmanager
    def _folder(self, folder: bytes) -> Iterator[int]:
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in folder.split(b"/") if folder else ():
                below = self._open(name, os.O_RDONLY | os.O_DIRECTORY, descriptor, folder)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    @staticmethod
    def _open(name: bytes, flags: int, parent: int, path: bytes) -> int:
        if name in {b"", b".", b".."}:
            raise StepError("UnsafeEntry", f"{show(path)} is not a plain path.")
        try:
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        except OSError as error:
            raise StepError("UnsafeEntry", f"{show(path)} cannot be read: {error.strerror}.") from None

    def _entry(self, descriptor: int, folder: bytes, name: bytes) -> Entry:
        status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        path = folder + b"/" + name if folder else name
        if status.st_dev != self._device:
            raise StepError("UnsafeEntry", f"{show(path)} is on another file system.")
        return Entry(path, status.st_mode, status.st_size, status.st_ino, status.st_nlink)


def _changed(path: bytes) -> StepError:
    return StepError("UnsafeEntry", f"{show(path)} changed while it was read.")
