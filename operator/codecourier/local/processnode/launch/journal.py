"""A container's log: what it printed, as it came. At a size the log is renamed and a new one begun."""

from pathlib import Path

__all__ = ["OLD_SUFFIX", "Journal"]

OLD_SUFFIX = ".1"
"""Added to the name of the one old file that is kept."""


class Journal:
    """Writes what the container prints."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Add bytes."""
        if self._file.tell() and self._file.tell() + len(data) > self._limit_bytes:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + OLD_SUFFIX))
            self._file = self._path.open("ab", buffering=0)
        self._file.write(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
