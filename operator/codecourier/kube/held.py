"""How a cache holds one object, and what names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

import orjson

from codecourier.kube.api import Json

__all__ = ["Held", "Key", "PackedList", "Packs", "key_of", "version_of"]

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""

Packs = Callable[[Json], bool]
"""Returns whether an object is read so seldom that the cache keeps it as text, in a fraction of the memory."""


def key_of(obj: Json) -> Key:
    """Return namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def version_of(obj: Json) -> int:
    """Return the resourceVersion of an object as an integer."""
    return int(obj["metadata"]["resourceVersion"])


def _pack(obj: Json) -> bytes:
    # orjson returns its whole buffer, most of which is unused; a copy takes just what is needed.
    return memoryview(orjson.dumps(obj)).tobytes()


class Held:
    """An object: a dictionary, or its text, which takes a fraction of the memory.

    Parameters
    ----------
    obj
        The object; it belongs to the holder from now on.
    is_packed
        Whether it is held as text.
    """

    __slots__ = ("_body", "uid", "version")

    def __init__(self, obj: Json, *, is_packed: bool) -> None:
        self.uid: str = obj["metadata"]["uid"]
        self.version = version_of(obj)
        self._body: Json | bytes = _pack(obj) if is_packed else obj

    @property
    def obj(self) -> Json:
        """The object: a new copy of it where it is held as text."""
        if isinstance(self._body, bytes):
            unpacked: Json = orjson.loads(self._body)
            return unpacked
        return self._body


class PackedList(Sequence[Json]):
    """Many objects as text, each parsed where it is taken: thousands of dictionaries at once would fill the memory."""

    def __init__(self) -> None:
        self._texts: list[bytes] = []

    def extend(self, objects: Iterable[Json]) -> None:
        """Add objects at the end."""
        self._texts.extend(map(_pack, objects))

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Json]:
        return (orjson.loads(text) for text in self._texts)

    @overload
    def __getitem__(self, index: int) -> Json: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Json]: ...

    def __getitem__(self, index: int | slice) -> Json | Sequence[Json]:
        """Return an object, or several ones, as copies of their own."""
        if isinstance(index, slice):
            return [orjson.loads(text) for text in self._texts[index]]
        found: Json = orjson.loads(self._texts[index])
        return found
