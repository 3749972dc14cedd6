"""Reads from the index of the agent's repository which files it has staged as executable, or as no longer so.

Such a mode is in the agent's commits and need not be on its files. git itself must not read the repository, as the
agent could have configured it to run programs. What cannot be read here counts as an index in which nothing is staged.
"""

import struct
from collections.abc import Collection, Iterator, Mapping

from codecourier.runner.manifest import FILE_MODES, BaseEntry
from codecourier.runner.walk import Tree

__all__ = ["read_settled_paths", "read_staged_modes"]

_INDEX_MAX_BYTES = 64 * 1024 * 1024
_PATH_MAX_BYTES = 4096
_OID_BYTES = {"sha1": 20, "sha256": 32}
_HEADER = struct.Struct(">4sII")
_MODE = struct.Struct(">I")
_FLAGS = struct.Struct(">H")
_MODE_OFFSET, _STAT_BYTES = 24, 40
_EXTENDED, _STAGE = 0x4000, 0x3000
_PREFIX_VERSION = 4
"""The first version in which a path is given by how it differs from the one before."""


def read_staged_modes(tree: Tree, object_format: str, base: Mapping[bytes, BaseEntry]) -> dict[bytes, str]:
    """Return the staged modes of regular files that differ from those of the start commit, or that are new.

    Parameters
    ----------
    tree
        The workspace.
    object_format
        git's name of the hash.
    base
        The start commit.
    """
    return {
        path: mode
        for path, mode, is_unmerged in _read(tree, object_format) or ()
        if not is_unmerged and mode in FILE_MODES and (path not in base or base[path].mode != mode)
    }


def read_settled_paths(tree: Tree, object_format: str, conflicts: Collection[bytes]) -> set[bytes]:
    """Return which conflicted paths the agent has staged, as they are or as deleted.

    Parameters
    ----------
    tree
        The workspace.
    object_format
        git's name of the hash.
    conflicts
        The paths that were in conflict in the index when the agent started.
    """
    entries = _read(tree, object_format)
    if entries is None:
        return set()
    return set(conflicts) - {path for path, _, is_unmerged in entries if is_unmerged}


def _read(tree: Tree, object_format: str) -> list[tuple[bytes, str, bool]] | None:
    """Read path, mode and whether it is unmerged of each entry; None for what is no index."""
    content = tree.read(b".git/index", _INDEX_MAX_BYTES)
    if content is None:
        return None
    try:
        return list(_entries(content, _OID_BYTES[object_format]))
    except (struct.error, ValueError, IndexError):
        return None


def _entries(content: bytes, oid_bytes: int) -> Iterator[tuple[bytes, str, bool]]:
    signature, version, count = _HEADER.unpack_from(content)
    if signature != b"DIRC" or version not in {2, 3, 4}:
        raise ValueError("no index")
    position, path = _HEADER.size, b""
    for _ in range(count):
        (mode,) = _MODE.unpack_from(content, position + _MODE_OFFSET)
        start = position + _STAT_BYTES + oid_bytes
        (flags,) = _FLAGS.unpack_from(content, start)
        start += _FLAGS.size * (2 if flags & _EXTENDED else 1)
        kept = b""
        if version >= _PREFIX_VERSION:
            dropped, start = _varint(content, start)
            kept = path[: max(0, len(path) - dropped)]
        end = content.index(b"\0", start, start + _PATH_MAX_BYTES + 1)
        path = kept + content[start:end]
        if len(path) > _PATH_MAX_BYTES:
            raise ValueError("a path is too long")
        # In the older versions one to eight zeros fill an entry up to a multiple of eight.
        position = end + 1 if version >= _PREFIX_VERSION else position + (end - position + 8) // 8 * 8
        yield path, f"{mode:o}", bool(flags & _STAGE)


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """Read a number in git's variable width; return it and where it ends."""
    byte = content[position]
    value, position = byte & 127, position + 1
    while byte & 128:
        byte = content[position]
        value, position = ((value + 1) << 7) | (byte & 127), position + 1
        if value > _INDEX_MAX_BYTES:
            raise ValueError("a number is too great")
    return value, position
