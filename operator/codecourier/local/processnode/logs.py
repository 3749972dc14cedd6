"""Read container logs as the kubelet's endpoint hands them out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

__all__ = ["follow_log", "read_log"]

_FOLLOW_SECONDS = 0.2


def read_log(path: Path, tail_lines: int | None = None, limit_bytes: int | None = None) -> bytes:
    """Return what a log holds now, or its last lines; empty where there is none."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return b""
    return _tail(text, tail_lines)[:limit_bytes]


async def follow_log(
    path: Path, tail_lines: int | None, limit_bytes: int | None, is_running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield what a log holds and what is added, until the container has ended."""
    position, inode, left = 0, 0, limit_bytes
    while True:
        # Asked before reading, so that nothing written in between is lost.
        goes_on = is_running()
        is_first = inode == 0
        data, position, inode = _read_from(path, position, inode)
        text = (_tail(data, tail_lines) if is_first else data)[:left]
        if left is not None:
            left -= len(text)
        if text:
            yield text
        if not goes_on or left == 0:
            return
        await asyncio.sleep(_FOLLOW_SECONDS)


def _read_from(path: Path, position: int, inode: int) -> tuple[bytes, int, int]:
    """Return the bytes after a position; from the start where a new log was begun."""
    try:
        with path.open("rb") as file:
            found = path.stat().st_ino
            start = position if found == inode else 0
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return b"", position, inode
    return data, start + len(data), found


def _tail(text: bytes, lines: int | None) -> bytes:
    if not lines:
        return text if lines is None else b""
    return b"\n".join(text[:-1].rsplit(b"\n", lines)[-lines:]) + text[-1:]
