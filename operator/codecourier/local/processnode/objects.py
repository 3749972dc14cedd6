"""Small questions to Kubernetes objects, which are plain JSON here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = [
    "Json",
    "all_containers",
    "format_time",
    "ignored_fields",
    "is_sidecar",
    "is_terminal",
    "key_of",
    "parse_quantity",
    "parse_time",
    "uid_of",
]

Json = dict[str, Any]
"""A Kubernetes object, or a part of one."""

_IGNORED = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe", "volumeDevices")

_SUFFIXES = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    "u": Decimal("1e-6"),
    "n": Decimal("1e-9"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"(?P<number>[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)(?P<suffix>[a-zA-Z]{0,2})")


def uid_of(item: Json) -> str:
    """Return the object's UID."""
    return str(item["metadata"]["uid"])


def key_of(item: Json) -> tuple[str, str]:
    """Return the object's namespace and name."""
    metadata = item["metadata"]
    return str(metadata.get("namespace", "")), str(metadata["name"])


def is_sidecar(container: Json) -> bool:
    """Whether an init container runs beside those after it."""
    return container.get("restartPolicy") == "Always"


def all_containers(pod: Json) -> Iterator[Json]:
    """Yield the init containers, then the others."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def ignored_fields(pod: Json) -> list[str]:
    """Return what the pod asks for and the process node does not do, as `container.field`."""
    names = (f"{item['name']}.{field}" for item in all_containers(pod) for field in _IGNORED if item.get(field))
    return sorted(names)


def is_terminal(pod: Json) -> bool:
    """Whether the pod's phase is final."""
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def format_time(moment: datetime) -> str:
    """Write a time as Kubernetes does, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read a time that Kubernetes wrote.

    Raises
    ------
    ValueError
        When it is none.
    """
    return datetime.fromisoformat(text)


def parse_quantity(text: str) -> Decimal:
    """Read a resource quantity: `500m`, `64Mi`, `1e3`.

    Raises
    ------
    ValueError
        When it is none.
    """
    found = _QUANTITY.fullmatch(str(text))
    if found is None or found["suffix"] not in _SUFFIXES:
        message = f"{text!r} is no resource quantity such as 500m or 64Mi"
        raise ValueError(message)
    try:
        return Decimal(found["number"]) * _SUFFIXES[found["suffix"]]
    except InvalidOperation as error:
        message = f"{text!r} is no resource quantity such as 500m or 64Mi"
        raise ValueError(message) from error
