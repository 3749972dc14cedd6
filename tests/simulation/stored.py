"""Versions of objects, the changes between them, and backups of all.

Objects are kept as JSON text beside a parsed copy that is only read: parsing text again is several times faster than
copying dictionaries, and no caller can change what is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import orjson

from codecourier.kube.api import Json, Resource

__all__ = ["Backup", "Change", "Identity", "Stored"]

Identity = tuple[Resource, str, str]
"""Kind, namespace (empty outside of namespaces) and name."""


@dataclass(frozen=True)
class Stored:
    """One version of an object: parsed, to be read only, and as text, to be handed out."""

    obj: Json
    data: bytes

    @property
    def metadata(self) -> Json:
        """The object's metadata."""
        found: Json = self.obj["metadata"]
        return found

    def copy(self) -> Json:
        """Return a copy that may be changed."""
        copied: Json = orjson.loads(self.data)
        return copied

    @property
    def labels(self) -> Mapping[str, str]:
        """The object's labels."""
        return self.metadata.get("labels") or {}


@dataclass(frozen=True)
class Change:
    """One step of the history of a kind."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    version: int
    identity: Identity
    old: Stored | None
    new: Stored


@dataclass(frozen=True)
class Backup:
    """All objects at one moment, as a backup of etcd holds them."""

    version: int
    objects: Mapping[Resource, Mapping[tuple[str, str], Stored]]
