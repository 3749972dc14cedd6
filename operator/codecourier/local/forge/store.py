"""Records and counters: read from memory, written to SQLite before a request is answered."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from codecourier.local.forge.merge_records import (
    Collaborator,
    MergeRequest,
    QueueEntry,
    QueueExit,
    Review,
    ReviewComment,
    RuleSet,
    Stack,
)
from codecourier.local.forge.records import (
    CheckRun,
    CheckSuite,
    Comment,
    CommitStatus,
    Fault,
    Installation,
    Issue,
    Protection,
    Pull,
    RateBudget,
    Record,
    Repository,
    Token,
    User,
)

__all__ = ["Count", "ForgeStore"]

Count = tuple[str, str]
"""A counter's group and its key in the group."""

_KINDS: tuple[type[Record], ...] = (
    CheckRun,
    CheckSuite,
    Collaborator,
    Comment,
    CommitStatus,
    Fault,
    Installation,
    Issue,
    MergeRequest,
    Protection,
    Pull,
    QueueEntry,
    QueueExit,
    RateBudget,
    Repository,
    Review,
    ReviewComment,
    RuleSet,
    Stack,
    Token,
    User,
)

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, id INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (
    topic TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (topic, key)
) WITHOUT ROWID;
"""

_SEQUENCE: Count = ("sequence", "id")

_R = TypeVar("_R", bound=Record)


class ForgeStore:
    """All records of a forge.

    A write is one transaction of records and counters together, so that a count is exact. With a
    write-ahead log a finished transaction survives the end of the process; only a power cut could lose the last one.

    Parameters
    ----------
    path
        The database's file; made if missing.
    """

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(_SCHEMA)
        self._records: dict[type[Record], dict[int, Record]] = {kind: {} for kind in _KINDS}
        self._by_repository: dict[tuple[type[Record], int], dict[int, Record]] = defaultdict(dict)
        self._counts: dict[Count, int] = {}
        self._load()

    def get(self, kind: type[_R], record_id: int) -> _R | None:
        """Return a record, or None."""
        record = self._records[kind].get(record_id)
        return record if isinstance(record, kind) else None

    def all(self, kind: type[_R]) -> list[_R]:
        """Return all records of a kind, oldest first."""
        return [record for _, record in sorted(self._records[kind].items()) if isinstance(record, kind)]

    def of_repository(self, kind: type[_R], repository_id: int) -> list[_R]:
        """Return a repository's records of a kind, oldest first."""
        found = self._by_repository[kind, repository_id]
        return [record for _, record in sorted(found.items()) if isinstance(record, kind)]

    def next_id(self) -> int:
        """Return an id that no record of this forge ever had."""
        self._write((), (), (_SEQUENCE,))
        return self._counts[_SEQUENCE]

    def write(self, *records: Record, remove: Iterable[Record] = (), counts: Iterable[Count] = ()) -> None:
        """Write and remove records and raise counters by one, all or nothing."""
        self._write(records, tuple(remove), tuple(counts))

    def counts(self, topic: str) -> dict[str, int]:
        """Return a group's counters."""
        with self.lock:
            return {key: count for (group, key), count in self._counts.items() if group == topic}

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _write(self, records: Iterable[Record], removed: Iterable[Record], counts: Iterable[Count]) -> None:
        with self.lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._execute(records, removed, counts)
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")
            for record in records:
                self._remember(record)
            for record in removed:
                self._records[type(record)].pop(record.id, None)
                self._by_repository[type(record), record.repository_id].pop(record.id, None)
            for count in counts:
                self._counts[count] = self._counts.get(count, 0) + 1

    def _execute(self, records: Iterable[Record], removed: Iterable[Record], counts: Iterable[Count]) -> None:
        self._database.executemany(
            "INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
            [(record.kind, record.id, record.model_dump_json()) for record in records],
        )
        self._database.executemany(
            "DELETE FROM records WHERE kind = ? AND id = ?", [(record.kind, record.id) for record in removed]
        )
        self._database.executemany(
            "INSERT INTO counters VALUES (?, ?, 1) ON CONFLICT (topic, key) DO UPDATE SET count = count + 1", counts
        )

    def _remember(self, record: Record) -> None:
        self._records[type(record)][record.id] = record
        self._by_repository[type(record), record.repository_id][record.id] = record

    def _load(self) -> None:
        kinds = {kind.kind: kind for kind in _KINDS}
        for kind, body in self._database.execute("SELECT kind, body FROM records"):
            self._remember(kinds[kind].model_validate_json(body))
        for topic, key, count in self._database.execute("SELECT topic, key, count FROM counters"):
            self._counts[topic, key] = count
