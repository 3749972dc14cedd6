"""Helpers for Kubernetes objects, which are plain JSON here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from codecourier.kube.api import Json

__all__ = ["STRATEGIC_PATCH", "all_containers", "format_time", "is_terminal", "uid_of"]

STRATEGIC_PATCH = "application/strategic-merge-patch+json"
"""The patch that merges the conditions of a pod or node by their type."""


def uid_of(item: Json) -> str:
    """Return the object's UID."""
    return str(item["metadata"]["uid"])


def all_containers(pod: Json) -> Iterator[Json]:
    """Yield the init containers, then the others."""
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def is_terminal(pod: Json) -> bool:
    """Tell whether the pod's phase is final."""
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def format_time(moment: datetime) -> str:
    """Write a time as Kubernetes does, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
