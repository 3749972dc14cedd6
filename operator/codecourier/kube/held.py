"""How a cache holds one object, and what names it."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from codecourier.kube.api import Json

__all__ = ["Held", "Key", "Packs", "key_of", "version_of"]

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
        self._body: Json | bytes = orjson.dumps(obj) if is_packed else obj

    @property
    def obj(self) -> Json:
        """The object: a new copy of it where it is held as text."""
        if isinstance(self._body, bytes):
            unpacked: Json = orjson.loads(self._body)
            return unpacked
        return self._body
