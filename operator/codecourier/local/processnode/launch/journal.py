"""A container's log: lines with time and stream in the CRI format, turned over at a size, as the kubelet keeps it."""

import time
from pathlib import Path

__all__ = ["LINE_LIMIT_BYTES", "OLD_SUFFIX", "Journal"]

LINE_LIMIT_BYTES = 16 * 1024
"""A longer line is written in pieces marked `P`, the last one `F`, as containerd does."""

OLD_SUFFIX = ".1"
"""Added to the name of the one old file that is kept."""

_NANOSECONDS = 1_000_000_000


class Journal:
    """Writes what the container prints.

    Parameters
    ----------
    path
        The file, made or continued.
    limit_bytes
        Size at which the file is renamed and a new one begun.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._file = path.open("ab", buffering=0)
        self._pending: dict[str, bytes] = {}

    def feed(self, stream: str, data: bytes) -> None:
        """Add bytes of `stdout` or `stderr`; whole lines are written, the rest waits for its end."""
        *lines, rest = (self._pending.get(stream, b"") + data).split(b"\n")
        written = b"".join(self._entries(stream, line, whole=True) for line in lines)
        cut = len(rest) - len(rest) % LINE_LIMIT_BYTES
        if cut:
            written += self._entries(stream, rest[:cut], whole=False)
        self._pending[stream] = rest[cut:]
        self._write(written)

    def close(self) -> None:
        """Write the unfinished lines and close the file."""
        for stream, rest in self._pending.items():
            if rest:
                self._write(self._entries(stream, rest, whole=False))
        self._file.close()

    @staticmethod
    def _entries(stream: str, line: bytes, *, whole: bool) -> bytes:
        prefix = f"{_timestamp(time.time_ns())} {stream} ".encode()
        pieces = [line[start : start + LINE_LIMIT_BYTES] for start in range(0, len(line), LINE_LIMIT_BYTES)] or [b""]
        tags = [b"P "] * (len(pieces) - 1) + [b"F " if whole else b"P "]
        return b"".join(prefix + tag + piece + b"\n" for tag, piece in zip(tags, pieces, strict=True))

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._file.tell() + len(data) > self._limit_bytes and self._file.tell():
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + OLD_SUFFIX))
            self._file = self._path.open("ab", buffering=0)
        self._file.write(data)


def _timestamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"
