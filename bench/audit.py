"""Reads from the API server's audit log which client wrote what."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

import orjson

__all__ = ["OPERATOR_AGENTS", "Tally", "Write", "WriteClass", "parse_writes", "tally"]

OPERATOR_AGENTS = frozenset({"codecourier-operator", "kopf"})
"""User agents of the operator's process: its own client and the framework's."""

_AGENT = re.compile(r"[^/ ]*")
_READS = frozenset({"get", "list", "watch"})


class WriteClass(Enum):
    """The classes of writes that are counted separately."""

    OBJECT = "object"
    EVENT = "event"
    LEASE = "lease"


@dataclass(frozen=True)
class Write:
    """One write that the API server answered, also one that it refused."""

    agent: str
    """First word of the user agent, without its version."""

    verb: str
    resource: str
    """Plural, with the subresource where there is one."""

    namespace: str
    name: str
    status: int
    """HTTP status of the answer; 0 where the log has none."""

    @property
    def write_class(self) -> WriteClass:
        """The class that it is counted in."""
        kinds = {"events": WriteClass.EVENT, "leases": WriteClass.LEASE}
        return kinds.get(self.resource, WriteClass.OBJECT)

    @property
    def label(self) -> str:
        """Verb and resource, and the answer where it was a refusal."""
        refused = f" ({self.status})" if self.status >= 400 else ""  # noqa: PLR2004  HTTP's own bound
        return f"{self.verb} {self.resource}{refused}"


def parse_writes(lines: Iterable[bytes]) -> list[Write]:
    """Read the writes of an audit log, one JSON object in each line; other stages than the answer are left out."""
    entries = (orjson.loads(line) for line in lines if line.strip())
    return [
        _write(entry)
        for entry in entries
        if entry.get("stage") == "ResponseComplete" and entry.get("verb") not in _READS
    ]


def _write(entry: dict[str, object]) -> Write:
    found = entry.get("objectRef")
    reference = found if isinstance(found, dict) else {}
    status = entry.get("responseStatus")
    match = _AGENT.match(str(entry.get("userAgent", "")))
    parts = (reference.get("resource", "?"), reference.get("subresource"))
    return Write(
        agent=match[0] if match else "",
        verb=str(entry.get("verb", "")),
        resource="/".join(str(part) for part in parts if part),
        namespace=str(reference.get("namespace", "")),
        name=str(reference.get("name", "")),
        status=int(status.get("code", 0)) if isinstance(status, dict) else 0,
    )


@dataclass(frozen=True)
class Tally:
    """Writes of some clients, counted."""

    objects: int = 0
    events: int = 0
    leases: int = 0
    by_label: dict[str, int] = field(default_factory=dict)
    """Writes by verb and resource, the most frequent first."""


def tally(writes: Iterable[Write], is_counted: Callable[[Write], bool] = lambda _: True) -> Tally:
    """Count the writes that meet a condition."""
    chosen = [write for write in writes if is_counted(write)]
    classes = Counter(write.write_class for write in chosen)
    labels = Counter(write.label for write in chosen)
    return Tally(
        objects=classes[WriteClass.OBJECT],
        events=classes[WriteClass.EVENT],
        leases=classes[WriteClass.LEASE],
        by_label=dict(labels.most_common()),
    )
