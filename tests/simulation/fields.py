"""The fields of an object as JSON: read, taken over from another object, dropped, merged."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from codecourier.kube.api import Json

__all__ = ["content_of", "key_of", "merge", "set_or_drop", "take", "timestamp"]


def key_of(obj: Json) -> tuple[str, str]:
    """Return the namespace (empty outside of namespaces) and the name of an object."""
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def content_of(obj: Json) -> Json:
    """Return what counts as a change of the object itself: all but metadata and status."""
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}


def timestamp(moment: datetime) -> str:
    """Return a moment as the API server writes it, in whole seconds."""
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def take(target: Json, source: Json, name: str) -> None:
    """Make a field the same as in another object, absent where it is absent there."""
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def set_or_drop(target: Json, name: str, value: Any) -> None:
    """Set a field, or drop it where the value is empty."""
    if value:
        target[name] = value
    else:
        target.pop(name, None)


def merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386) in place and return the result."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merge(target.get(name), value)
    return target
