"""The files that the steps hand to each other: the listing of the start commit, the changes, where the work starts."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codecourier.runner.step import StepError

__all__ = [
    "BASE_LISTING",
    "CONFLICTS_FILE",
    "DETAILS_FILE",
    "FILE_MODES",
    "GITLINK_MODE",
    "LINK_MODE",
    "MANIFEST_FILE",
    "MANIFEST_MAX_BYTES",
    "PACK_FILE",
    "START_FILE",
    "BaseEntry",
    "Change",
    "Manifest",
    "Start",
    "parse_listing",
]

BASE_LISTING = "base.lst"
"""In ``control``: ``git ls-tree -r -l -z`` of the start commit."""

CONFLICTS_FILE = "conflicts.lst"
"""In ``control``, of a task that merges: the paths that the agent has to settle, each ended by NUL."""

START_FILE = "codecourier-start.json"
"""In ``courier``, which only checkout and publish see."""

MANIFEST_FILE = "manifest.json"
PACK_FILE = "objects.pack"
DETAILS_FILE = "details.json"
"""In ``outbox``."""

MANIFEST_MAX_BYTES = 256 * 1024 * 1024

FILE_MODES = ("100644", "100755")
LINK_MODE = "120000"
GITLINK_MODE = "160000"

_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class BaseEntry:
    """A path of the start commit."""

    mode: str
    oid: str
    size: int
    """Bytes; 0 for a gitlink."""


@dataclass(frozen=True)
class Change:
    """A path that the work adds or changes."""

    path: str
    mode: str
    oid: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """All that the work changes against the start commit."""

    changes: tuple[Change, ...]
    deleted: tuple[str, ...]
    settled: tuple[str, ...] = ()
    """Conflicted paths that the agent has staged; only where it was given conflicts."""

    def to_json(self) -> bytes:
        """Serialise."""
        changes = [[change.path, change.mode, change.oid, change.size] for change in self.changes]
        value = {"changes": changes, "deleted": self.deleted, "settled": self.settled}
        return json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Parse what collect wrote, trusting nothing.

        Raises
        ------
        StepError
            If it is not a manifest.
        """
        try:
            value = json.loads(data)
            changes = tuple(_parse_change(item) for item in value["changes"])
            deleted = tuple(_parse_path(item) for item in value["deleted"])
            settled = tuple(_parse_path(item) for item in value.get("settled", ()))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _bad("is not what collect writes") from None
        paths = [*(change.path for change in changes), *deleted]
        if len(set(paths)) != len(paths):
            raise _bad("names a path twice")
        return cls(changes, deleted, settled)


@dataclass(frozen=True)
class Start:
    """Where the work starts, and the tip of the run's branch at that time."""

    commit: str
    """The task's base commit, or an earlier try's work on top of it."""

    branch_tip: str | None
    """Tip of the run's branch on the forge; None where there was none."""

    def write(self, courier: str) -> None:
        """Write it for publish."""
        Path(courier, START_FILE).write_text(
            json.dumps({"commit": self.commit, "branchTip": self.branch_tip}), encoding="ascii"
        )

    @classmethod
    def read(cls, courier: str) -> "Start":
        """Read what checkout wrote."""
        value = json.loads(Path(courier, START_FILE).read_bytes())
        return cls(value["commit"], value["branchTip"])


def parse_listing(listing: bytes) -> dict[bytes, BaseEntry]:
    """Parse ``git ls-tree -r -l -z``."""
    entries = {}
    for line in listing.split(b"\0"):
        if line:
            head, _, path = line.partition(b"\t")
            mode, _, oid, size = head.decode("ascii").split()
            entries[path] = BaseEntry(mode, oid, 0 if size == "-" else int(size))
    return entries


def _parse_path(path: Any) -> str:
    """Accept a name as Python decodes it from a file system, also one that is not UTF-8."""
    if not isinstance(path, str) or b"\0" in os.fsencode(path):
        raise _bad("holds something that is no path")
    return path


def _parse_change(item: Any) -> Change:
    path, mode, oid, size = item
    if mode not in {*FILE_MODES, LINK_MODE} or type(size) is not int or size < 0:
        raise _bad("holds a change that git cannot store")
    if not isinstance(oid, str) or not _OID.fullmatch(oid):
        raise _bad("holds something that is no object id")
    return Change(_parse_path(path), mode, oid, size)


def _bad(what: str) -> StepError:
    return StepError("OutboxInvalid", f"The manifest of the work {what}; nothing was pushed.")
