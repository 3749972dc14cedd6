"""Read container logs as the kubelet's endpoint hands them out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

__all__ = ["LogOptions", "follow_log", "last_lines", "read_log"]

_FOLLOW_SECONDS = 0.2
_FALLBACK_LINES = 80
_FALLBACK_BYTES = 2048


@dataclass(frozen=True)
class LogOptions:
    """What of a log is wanted."""

    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None
    timestamps: bool = False


@dataclass(frozen=True)
class _Entry:
    time: bytes
    text: bytes
    """With its line end, unless the entry is the first part of a longer line."""


def read_log(path: Path, options: LogOptions) -> bytes:
    """Return what a log holds now; empty where there is none."""
    try:
        entries = list(_entries(path.read_bytes()))
    except FileNotFoundError:
        return b""
    return _bounded(_rendered(_selected(entries, options), options), options)


def last_lines(path: Path) -> str:
    """Return the end of a log as the kubelet puts it into a termination message."""
    text = read_log(path, LogOptions(tail_lines=_FALLBACK_LINES))
    return text[-_FALLBACK_BYTES:].decode(errors="replace")


async def follow_log(path: Path, options: LogOptions, is_running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield what a log holds and what is added, until the container has ended."""
    left = options.limit_bytes
    position, inode, selected = 0, 0, options
    while True:
        # Asked before reading, so that nothing written in between is lost.
        goes_on = is_running()
        data, position, inode = _read_from(path, position, inode)
        text = _rendered(_selected(list(_entries(data)), selected), options)
        if data:
            selected = LogOptions(since=options.since)
        if left is not None:
            text = text[:left]
            left -= len(text)
        if text:
            yield text
        if not goes_on or left == 0:
            return
        await asyncio.sleep(_FOLLOW_SECONDS)


def _read_from(path: Path, position: int, inode: int) -> tuple[bytes, int, int]:
    """Return the whole entries after a position; from the start where the log was turned over."""
    try:
        with path.open("rb") as file:
            found = path.stat().st_ino
            start = position if found == inode else 0
            file.seek(start)
            data = file.read()
    except FileNotFoundError:
        return b"", position, inode
    whole = data[: data.rfind(b"\n") + 1]
    return whole, start + len(whole), found


def _entries(data: bytes) -> Iterator[_Entry]:
    for line in data.split(b"\n")[:-1]:
        parts = line.split(b" ", 3)
        if len(parts) == 4:  # noqa: PLR2004 - time, stream, tag, text
            yield _Entry(parts[0], parts[3] + (b"\n" if parts[2] == b"F" else b""))


def _selected(entries: list[_Entry], options: LogOptions) -> list[_Entry]:
    if options.since is not None:
        since = options.since.strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
        entries = [entry for entry in entries if entry.time >= since]
    if options.tail_lines is None:
        return entries
    if options.tail_lines == 0:
        return []
    ends = [index for index, entry in enumerate(entries) if entry.text.endswith(b"\n")]
    unfinished = bool(entries) and not entries[-1].text.endswith(b"\n")
    wanted = options.tail_lines - unfinished
    return entries if len(ends) <= wanted else entries[ends[-wanted - 1] + 1 :]


def _rendered(entries: list[_Entry], options: LogOptions) -> bytes:
    if not options.timestamps:
        return b"".join(entry.text for entry in entries)
    parts, begins = [], True
    for entry in entries:
        parts.append(entry.time + b" " + entry.text if begins else entry.text)
        begins = entry.text.endswith(b"\n")
    return b"".join(parts)


def _bounded(text: bytes, options: LogOptions) -> bytes:
    return text if options.limit_bytes is None else text[: options.limit_bytes]
