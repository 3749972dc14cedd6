"""What the API server's audit log says of the operator's writes; Events and Leases are not in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

__all__ = ["Write", "count", "read_writes"]

_OPERATOR = "codecourier-operator"
_SUCCESS = range(200, 300)


@dataclass(frozen=True)
class Write:
    """One write that the API server carried out."""

    resource: str
    """Plural, with `/status` where it was one of the status."""

    name: str
    verb: str


def read_writes(log: Path, namespace: str) -> list[Write]:
    """Return the operator's writes in a namespace, in their order; what was refused has changed nothing."""
    entries = (orjson.loads(line) for line in log.read_bytes().splitlines())
    return [
        Write(_resource(entry["objectRef"]), entry["objectRef"]["name"], entry["verb"])
        for entry in entries
        if entry.get("objectRef", {}).get("namespace") == namespace
        and entry.get("userAgent", "").startswith(_OPERATOR)
        and entry["responseStatus"]["code"] in _SUCCESS
    ]


def _resource(reference: dict[str, str]) -> str:
    subresource = reference.get("subresource")
    return reference["resource"] + (f"/{subresource}" if subresource else "")


def count(writes: Iterable[Write], is_counted: Callable[[str], bool] = lambda _: True) -> Counter[str]:
    """Count the writes by resource, of objects with certain names."""
    return Counter(write.resource for write in writes if is_counted(write.name))
