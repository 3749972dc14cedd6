"""Writes git packs of blobs, so that no git process has to read files that the agent made."""

import zlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from codecourier.runner.step import StepError
from codecourier.runner.walk import new_hash

__all__ = ["PackWriter"]

_BLOB = 3
_CHUNK_BITS = 7
_FIRST_BITS = 4


class PackWriter:
    """A pack file that is being written.

    Parameters
    ----------
    path
        File to write.
    count
        Number of blobs that will be added.
    object_format
        ``sha1`` or ``sha256``.
    maximum
        Largest size of the pack in bytes.
    """

    def __init__(self, path: Path, count: int, *, object_format: str, maximum: int) -> None:
        self._format = object_format
        self._maximum = maximum
        self._size = 0
        self._sum = new_hash(object_format)
        self._file = path.open("xb")
        self._write(b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.write(self._sum.digest())
        self._file.close()

    def add(self, size: int, pieces: Iterable[bytes]) -> str:
        """Add a blob.

        Parameters
        ----------
        size
            Total bytes of `pieces`.
        pieces
            Its content.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        StepError
            If the pack grows too large.
        """
        digest = new_hash(self._format)
        digest.update(b"blob %d\0" % size)
        self._write(_header(size))
        compressor = zlib.compressobj()
        for piece in pieces:
            digest.update(piece)
            self._write(compressor.compress(piece))
        self._write(compressor.flush())
        return digest.hexdigest()

    def _write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._maximum:
            raise StepError("OutputTooLarge", f"The work is larger than {self._maximum} bytes when compressed.")
        self._sum.update(data)
        self._file.write(data)


def _header(size: int) -> bytes:
    first, rest = size & 15, size >> _FIRST_BITS
    octets = [_BLOB << _FIRST_BITS | first]
    while rest:
        octets[-1] |= 0x80
        octets.append(rest & 0x7F)
        rest >>= _CHUNK_BITS
    return bytes(octets)
