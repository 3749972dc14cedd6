"""What is read and dismissed equals sets of names, whatever arrives late or goes, and whichever server writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codecourier.core.shared.inbox import (
    SETTLING,
    InboxFullError,
    Known,
    count_unread,
    dismiss,
    inbox_name,
    is_dismissed,
    is_read,
    mark_all_read,
    mark_read,
)
from codecourier.core.shared.notices import Notice, Notices
from codecourier.resources.inbox import MAX_EXCEPTIONS, InboxSpec

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW = InboxSpec(user="codecourier:shop:ci")


def notice(name: str, event: float = 0, created: float | None = None, *, is_readable: bool = True) -> Notice:
    """Return a Notification of an event so many seconds ago, created later."""
    creation = NOW - timedelta(seconds=event if created is None else created)
    return Notice(NOW - timedelta(seconds=event), name, creation, "RunCompleted", is_readable)


def known(found: Iterable[Notice], left: Iterable[str] = (), tidy_above: int = 0, most: int = MAX_EXCEPTIONS) -> Known:
    """Return what a server knows that has these Notifications."""
    notices = Notices()
    for each in found:
        notices.put(each)
    return Known(notices, frozenset(left).__contains__, tidy_above, most)


HOURS = [notice(f"n{hour}", event=3600 * hour) for hour in range(9)]


def test_all_is_unread_without_an_inbox_and_read_once_all_is_marked() -> None:
    knows = known(HOURS)
    assert count_unread(None, knows.notices) == count_unread(NEW, knows.notices) == 9
    spec, count = mark_all_read(NEW, knows, NOW)
    assert (count, count_unread(spec, knows.notices)) == (9, 0)
    assert [entry.name for entry in spec.read.exceptions] == ["n0"], "what is new is named one by one"
    assert mark_all_read(spec, knows, NOW) == (spec, 0)


def test_what_arrives_late_is_unread_however_old_its_event_is() -> None:
    spec, _ = mark_all_read(NEW, known(HOURS), NOW)
    for created in (-1, 0, SETTLING.total_seconds() - 1):
        late = notice("late", event=5000, created=created)
        assert not is_read(spec, late)
        assert count_unread(spec, known([*HOURS, late]).notices) == 1
        # Neither does another write cover it, before it is known or after.
        spec = mark_read(spec, HOURS[0], known(HOURS), NOW)
        spec = mark_read(spec, HOURS[1], known([*HOURS, late, notice("new", -9000)]), NOW)
        assert not is_read(spec, late)


def test_a_server_that_knows_less_takes_nothing_back_and_covers_nothing() -> None:
    fresh, old = known(HOURS), known(HOURS[5:])
    spec = dismiss(NEW, HOURS[0], fresh, NOW)
    spec, _ = mark_all_read(spec, old, NOW)
    spec = dismiss(spec, HOURS[8], old, NOW)
    read = [each.name for each in HOURS if is_read(spec, each)]
    assert read == ["n0", "n5", "n6", "n7", "n8"]
    assert [each.name for each in HOURS if is_dismissed(spec, each)] == ["n0", "n8"]


def test_a_server_that_knows_less_leaves_the_watermark_of_another_alone() -> None:
    fresh, spec = known(HOURS), NEW
    for each in (*HOURS[:6], *HOURS[7:]):
        spec = mark_read(spec, each, fresh, NOW)
    spec = mark_read(spec, HOURS[6], known(HOURS[5:]), NOW)
    assert all(is_read(spec, each) for each in HOURS)


def test_what_is_gone_is_named_no_more_after_the_next_write() -> None:
    spec = dismiss(dismiss(NEW, HOURS[7], known(HOURS), NOW), HOURS[0], known(HOURS), NOW)
    spec = dismiss(spec, HOURS[1], known(HOURS[1:-2], left=["n0"]), NOW)
    assert {entry.name for entry in spec.dismissed.exceptions} == {"n1"}
    # One of the same name that is created later is another one.
    assert not is_dismissed(spec, notice("n1", event=-60))


@pytest.mark.parametrize("order", [range(900), range(899, -1, -1)])
def test_an_inbox_stays_small_when_all_is_dismissed_from_either_end(order: range) -> None:
    notices = [notice(f"n{number}", event=number * 60) for number in range(900)]
    knows, spec, largest = known(notices, tidy_above=32), NEW, 0
    for count, number in enumerate(order, 1):
        spec = dismiss(spec, notices[number], knows, NOW)
        largest = max(largest, len(spec.dismissed.exceptions))
        if count % 100 == 0:
            assert count_unread(spec, knows.notices) == 900 - count
    assert largest <= 33
    assert all(is_dismissed(spec, each) for each in notices)


def test_a_full_inbox_refuses_one_more_and_takes_nothing_back() -> None:
    notices = [notice(f"n{number}", event=number * 600) for number in range(1, 20)]
    knows, spec, read = known(notices, most=4), NEW, list[Notice]()
    for each in notices[:10:2]:
        spec = mark_read(spec, each, knows, NOW)
        read.append(each)
    with pytest.raises(InboxFullError):
        mark_read(spec, notices[10], knows, NOW)
    assert [each for each in notices if is_read(spec, each)] == read
    spec, count = mark_all_read(spec, knows, NOW)
    assert (count, count_unread(spec, knows.notices)) == (19 - len(read), 0)


def test_of_more_new_ones_than_fit_the_newest_stay_unread() -> None:
    burst = [notice(f"n{number}", event=number) for number in range(10)]
    knows = known(burst, most=4)
    spec, count = mark_all_read(NEW, knows, NOW)
    assert (count, count_unread(spec, knows.notices)) == (4, 6)
    assert [each.name for each in burst if is_read(spec, each)] == ["n6", "n7", "n8", "n9"]
    # They fit once something newer is there.
    knows = known([*burst, notice("later", event=-1000)], most=4)
    assert mark_all_read(spec, knows, NOW)[1] == 7


def test_what_cannot_be_shown_is_not_read_with_the_rest() -> None:
    odd = notice("odd", event=5000, is_readable=False)
    knows = known([*HOURS, odd])
    spec, count = mark_all_read(NEW, knows, NOW)
    assert (count, count_unread(spec, knows.notices), is_read(spec, odd)) == (9, 0, False)


def test_each_user_has_an_inbox_whose_name_the_cluster_accepts() -> None:
    names = {
        inbox_name(user) for user in ("codecourier:shop:ci", "codecourier:shop:CI", "Größe@example.com", "x" * 5000)
    }
    assert len(names) == 4
    assert {len(name) for name in names} == {46}


@dataclass
class Cluster:
    """Notifications as the cluster makes and deletes them, servers that follow, the sets that an Inbox stands for."""

    tidy_above: int
    most: int
    time: float = 0.0
    history: list[tuple[bool, Notice]] = field(default_factory=list)
    places: list[int] = field(default_factory=lambda: [0, 0, 0])
    servers: list[Known] = field(default_factory=list)
    spec: InboxSpec = NEW
    read: set[Notice] = field(default_factory=set)
    dismissed: set[Notice] = field(default_factory=set)

    def __post_init__(self) -> None:
        for _ in self.places:
            left: set[str] = set()
            self.servers.append(Known(Notices(), left.__contains__, self.tidy_above, self.most))

    def create(self, pause: float, older: float, skew: float) -> None:
        """Create a Notification of an older event, by an API server whose clock is a little behind."""
        self.time += pause
        creation = timedelta(seconds=int(self.time - skew))
        event = timedelta(seconds=self.time - older)
        self.history.append((True, Notice(NOW + event, f"n{len(self.history)}", NOW + creation, "RunFailed")))

    def delete(self, index: int) -> None:
        """Delete a Notification."""
        there = [each for is_made, each in self.history if is_made and (False, each) not in self.history]
        if there:
            self.history.append((False, there[index % len(there)]))

    def follow(self, server: int, events: int) -> None:
        """Let a server see some more of what has happened."""
        begin = self.places[server]
        notices = self.servers[server].notices
        for is_made, each in self.history[begin : begin + events]:
            if is_made:
                notices.put(each)
            else:
                notices.drop(each.name)
        self.places[server] = min(begin + events, len(self.history))

    def mark(self, server: int, index: int, *, is_dismissal: bool) -> None:
        """Mark one that a server knows."""
        knows = self.servers[server]
        found = list(knows.notices.in_order())
        if not found:
            return
        one = found[index % len(found)]
        try:
            self.spec = (dismiss if is_dismissal else mark_read)(self.spec, one, knows, NOW)
        except InboxFullError:
            assert self.most < MAX_EXCEPTIONS
            return
        self.read.add(one)
        if is_dismissal:
            self.dismissed.add(one)

    def mark_all(self, server: int) -> None:
        """Mark all that a server knows."""
        knows = self.servers[server]
        unread = [each for each in knows.notices.in_order() if not is_read(self.spec, each)]
        self.spec, count = mark_all_read(self.spec, knows, NOW)
        now_read = {each for each in unread if is_read(self.spec, each)}
        assert count == len(now_read)
        if self.most == MAX_EXCEPTIONS:
            assert len(now_read) == len(unread)
        self.read |= now_read

    def check(self) -> None:
        """Compare what is said of each Notification that there is, known or not, with the sets."""
        gone = {each for is_made, each in self.history if not is_made}
        for is_made, each in self.history:
            if is_made and each not in gone:
                assert is_read(self.spec, each) == (each in self.read)
                assert is_dismissed(self.spec, each) == (each in self.dismissed)
        for knows in self.servers:
            unread = [each for each in knows.notices.in_order() if not is_read(self.spec, each)]
            assert count_unread(self.spec, knows.notices) == len(unread)


numbers, servers = st.integers(0, 100), st.integers(0, 2)
steps = st.one_of(
    st.tuples(
        st.just("create"),
        st.sampled_from([0.0, 0.25, 30.0, 119.0, 121.0, 3600.0]),
        st.sampled_from([0.0, 1e-6, 50.0, 300.0, 7200.0, -60.0]),
        st.sampled_from([0.0, 1.0, 119.0]),
    ),
    st.tuples(st.just("delete"), numbers),
    st.tuples(st.just("follow"), servers, st.integers(1, 9)),
    st.tuples(st.just("read"), servers, numbers),
    st.tuples(st.just("dismiss"), servers, numbers),
    st.tuples(st.just("all"), servers),
)


@settings(max_examples=300)
@given(st.lists(steps, max_size=60), st.sampled_from([0, 2, 256]), st.sampled_from([3, MAX_EXCEPTIONS]))
def test_it_equals_sets_of_names_whatever_servers_know(wishes: list[tuple[object, ...]], tidy: int, most: int) -> None:
    cluster = Cluster(tidy, most)
    for name, *values in wishes:
        match name:
            case "create":
                cluster.create(*values)  # type: ignore[arg-type]  # drawn for it
            case "delete":
                cluster.delete(*values)  # type: ignore[arg-type]
            case "follow":
                cluster.follow(*values)  # type: ignore[arg-type]
            case "all":
                cluster.mark_all(*values)  # type: ignore[arg-type]
            case _:
                cluster.mark(*values, is_dismissal=name == "dismiss")  # type: ignore[arg-type]
        cluster.check()
