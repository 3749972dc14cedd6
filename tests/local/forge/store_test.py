"""Records and counters, in memory and in the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from codecourier.local.forge.records import Fault, Protection, User
from codecourier.local.forge.store import ForgeStore


def test_records_and_counts_are_read_again(tmp_path: Path) -> None:
    store = ForgeStore(tmp_path / "db")
    first, second = store.next_id(), store.next_id()
    assert second == first + 1
    store.write(User(id=first, login="alice"), User(id=second, login="bob"), counts=[("topic", "a"), ("topic", "a")])
    store.write(User(id=first, login="carol"))
    store.write(Protection(id=9, repository_id=3, branch="main"))
    store.close()
    again = ForgeStore(tmp_path / "db")
    assert [user.login for user in again.all(User)] == ["carol", "bob"]
    assert again.get(User, 99) is None
    assert [rules.branch for rules in again.of_repository(Protection, 3)] == ["main"]
    assert again.of_repository(Protection, 4) == []
    assert again.counts("topic") == {"a": 2}
    assert again.next_id() == second + 1
    again.close()


def test_removed_record_is_gone(tmp_path: Path) -> None:
    store = ForgeStore(tmp_path / "db")
    fault = Fault(id=1, method="GET", path="/", action="answer")
    store.write(fault)
    store.write(remove=[fault])
    assert store.all(Fault) == []
    store.close()
    again = ForgeStore(tmp_path / "db")
    assert again.all(Fault) == []
    again.close()


def test_failed_write_changes_nothing(tmp_path: Path) -> None:
    store = ForgeStore(tmp_path / "db")
    bad_count: tuple[str, str] = ("topic", None)  # type: ignore[assignment]
    with pytest.raises(Exception, match="NOT NULL"):
        store.write(User(id=1, login="alice"), counts=[("topic", "a"), bad_count])
    assert store.all(User) == []
    assert store.counts("topic") == {}
    store.close()
    again = ForgeStore(tmp_path / "db")
    assert again.all(User) == []
    again.close()
