"""What the API server's audit log says of the operator's requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

__all__ = ["Request", "Right", "Write", "count", "read_requests", "read_stages", "read_writes"]

_OPERATOR = "codecourier-operator"
_SUCCESS = range(200, 300)
_READS = frozenset({"get", "list", "watch"})
_UNCOUNTED = frozenset({"events", "leases"})
"""Leadership is no work, and an Event is posted once or never."""

Right = tuple[str, str, str]
"""Group, resource with its subresource, and verb."""


@dataclass(frozen=True)
class Write:
    """One write that the API server carried out."""

    resource: str
    """Plural, with `/status` where it was one of the status."""

    name: str
    verb: str


@dataclass(frozen=True)
class Request:
    """One request that the API server answered."""

    path: str
    verb: str
    group: str
    resource: str
    """Plural, with the subresource: `pods/log`; empty for a path that is no resource, such as `/apis`."""

    namespace: str
    """Empty for a request that concerns all namespaces, or what lives in none."""

    status: int
    """HTTP status of the answer."""

    message: str
    """What the answer said, empty when it was no error."""

    is_forbidden: bool
    """Whether the account may not do this; admission, which comes later, can refuse with 403 too."""

    grounds: str
    """The binding and the role by which the authorizer allowed it."""

    @property
    def right(self) -> Right:
        """What an account needs for it."""
        return self.group, self.resource, self.verb


def read_writes(log: Path, namespace: str) -> list[Write]:
    """Return the operator's writes in a namespace, without Events, in their order.

    What the API server refused has changed nothing, and is left out.
    """
    return [
        Write(_resource(entry["objectRef"]), entry["objectRef"]["name"], entry["verb"])
        for entry in _entries(log, namespace)
        if entry.get("objectRef", {}).get("namespace") == namespace
        and entry.get("userAgent", "").startswith(_OPERATOR)
        and entry["verb"] not in _READS
        and entry["objectRef"]["resource"] not in _UNCOUNTED
        and entry["responseStatus"]["code"] in _SUCCESS
    ]


def read_requests(log: Path, user: str) -> list[Request]:
    """Return the requests of an account, in the order of their answers; a watch comes at its begin and at its end."""
    return [_request(entry) for entry in _entries(log, user) if entry["user"].get("username") == user]


def read_stages(log: Path, path: str) -> set[str]:
    """Return the stages that were noted of requests for a path: `ResponseStarted` of those that may last alone."""
    return {entry["stage"] for entry in _entries(log, path) if entry["requestURI"] == path}


def count(writes: Iterable[Write], is_counted: Callable[[str], bool] = lambda _: True) -> Counter[str]:
    """Count the writes by resource, of objects with certain names."""
    return Counter(write.resource for write in writes if is_counted(write.name))


def _entries(log: Path, text: str) -> Iterator[dict[str, Any]]:
    """Yield the entries that contain a text; most of a log is left unparsed."""
    return (orjson.loads(line) for line in log.read_bytes().splitlines() if text.encode() in line)


def _request(entry: dict[str, Any]) -> Request:
    reference, answer = entry.get("objectRef") or {}, entry.get("responseStatus") or {}
    annotations = entry.get("annotations") or {}
    return Request(
        path=entry["requestURI"].partition("?")[0],
        verb=entry["verb"],
        group=reference.get("apiGroup", ""),
        resource=_resource(reference) if reference else "",
        namespace=reference.get("namespace", ""),
        status=answer.get("code", 0),
        message=answer.get("message", ""),
        is_forbidden=annotations.get("authorization.k8s.io/decision") == "forbid",
        grounds=annotations.get("authorization.k8s.io/reason", ""),
    )


def _resource(reference: dict[str, str]) -> str:
    subresource = reference.get("subresource")
    return reference["resource"] + (f"/{subresource}" if subresource else "")
