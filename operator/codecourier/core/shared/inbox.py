"""What a user has read and dismissed: the rules of an Inbox.

A set (read, dismissed) is a watermark with exceptions. The watermark stands in the order of the Notifications, by the
time of their event. A Notification may be created after others whose event is younger: so a watermark covers only those
that were created by a certain time, too, and that time is chosen so that the user's server knew all of them.

That all are known is concluded from the newest known creation: what is created later, or at nearly the same time by
another API server or in a request that takes long, is at most `SETTLING` older. Those of this last while are named one
by one. A server whose watch stands still knows of no newer creation, so it covers nothing that it has not seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from codecourier.core.shared.notices import Notice, Notices, Place
from codecourier.resources.inbox import MAX_EXCEPTIONS, InboxEntry, InboxPlace, InboxSet, InboxSpec, Watermark

__all__ = [
    "SETTLING",
    "InboxFullError",
    "Known",
    "Membership",
    "count_unread",
    "dismiss",
    "inbox_name",
    "is_dismissed",
    "is_read",
    "mark_all_read",
    "mark_read",
]

SETTLING = timedelta(minutes=2)
"""A Notification that is not known was created at most so long before the newest known one: in a request of the longest
duration (a minute), by an API server whose clock is up to a minute behind."""

_NAME_DIGITS = 40


class InboxFullError(Exception):
    """A set would need more exceptions than an Inbox may hold."""


@dataclass(frozen=True)
class Known:
    """What a server knows of a project's Notifications."""

    notices: Notices
    has_left: Callable[[str], bool]
    """Whether the server has seen that a Notification of this name was deleted."""

    tidy_above: int = 256
    """With more exceptions than this a write looks for the watermark that needs the fewest."""

    most: int = MAX_EXCEPTIONS
    """Most exceptions of a set."""

    @property
    def settled_time(self) -> datetime | None:
        """Up to when all creations are known; None: nothing is known."""
        last = self.notices.last_creation
        return None if last is None else last - SETTLING

    def is_gone(self, entry: InboxEntry) -> bool:
        """Return whether the Notification of an entry is gone for certain, and not only unknown as yet."""
        notice = self.notices.find(entry.name)
        if notice is not None:
            return entry.creation_time < notice.creation_time
        settled = self.settled_time
        return self.has_left(entry.name) or (settled is not None and entry.creation_time <= settled)


class Membership:
    """Answers which Notifications are in a set.

    Parameters
    ----------
    found
        The set.
    """

    def __init__(self, found: InboxSet) -> None:
        self.watermark = found.watermark
        self.entries = {entry.name: entry for entry in found.exceptions}

    def covers(self, notice: Notice) -> bool:
        """Return whether the watermark covers a Notification."""
        last = self.watermark
        return last is not None and notice.creation_time <= last.creation_time and _is_between(last, notice.place)

    def has(self, notice: Notice) -> bool:
        """Return whether a Notification is in the set."""
        return self.covers(notice) != self._is_exception(notice)

    def time_of(self, notice: Notice) -> datetime | None:
        """Return when a Notification came into the set, at the latest; None: it is not in it."""
        if not self.has(notice):
            return None
        if self.watermark is not None and self.covers(notice):
            return self.watermark.time
        return self.entries[notice.name].time

    def count(self, notices: Notices) -> int:
        """Return how many Notifications are in the set."""
        known = [notice for name in self.entries if (notice := notices.find(name)) is not None]
        exceptions = [notice for notice in known if self._is_exception(notice)]
        covered_exceptions = sum(map(self.covers, exceptions))
        return self._count_covered(notices) + len(exceptions) - 2 * covered_exceptions

    def _is_exception(self, notice: Notice) -> bool:
        entry = self.entries.get(notice.name)
        return entry is not None and entry.creation_time == notice.creation_time

    def _count_covered(self, notices: Notices) -> int:
        last = self.watermark
        if last is None:
            return 0
        late = sum(_is_between(last, notice.place) for notice in notices.created_after(last.creation_time))
        before = 0 if last.after is None else notices.count_up_to(_place_of(last.after))
        return notices.count_up_to(_place_of(last)) - before - late


def _place_of(place: InboxPlace) -> Place:
    return place.event_time, place.name


def _is_between(watermark: Watermark, place: Place) -> bool:
    return place <= _place_of(watermark) and (watermark.after is None or place > _place_of(watermark.after))


def inbox_name(user: str) -> str:
    """Return the name of a user's Inbox, as Kubernetes' authorization knows the user."""
    return f"inbox-{hashlib.sha256(user.encode()).hexdigest()[:_NAME_DIGITS]}"


def is_read(spec: InboxSpec, notice: Notice) -> bool:
    """Return whether a user has read a Notification."""
    return Membership(spec.read).has(notice)


def is_dismissed(spec: InboxSpec, notice: Notice) -> bool:
    """Return whether a user has dismissed a Notification."""
    return Membership(spec.dismissed).has(notice)


def count_unread(spec: InboxSpec | None, notices: Notices) -> int:
    """Return how many Notifications a user has not read; without an Inbox all.

    What is dismissed is read, too. Notifications that this version cannot show do not count.
    """
    read = Membership(InboxSet() if spec is None else spec.read)
    return len(notices) - read.count(notices) - sum(not read.has(notice) for notice in notices.unreadable())


def mark_read(spec: InboxSpec, notice: Notice, known: Known, now: datetime) -> InboxSpec:
    """Return an Inbox in which a Notification is read, too.

    Raises
    ------
    InboxFullError
        If the Inbox holds too many exceptions.
    """
    return spec.updated(read=_add_one(spec.read, notice, known, now))


def mark_all_read(spec: InboxSpec, known: Known, now: datetime) -> tuple[InboxSpec, int]:
    """Return an Inbox in which all known Notifications are read, and how many were not.

    Only where more than 1,000 were created within two minutes, the newest of them stay unread.
    """
    read = Membership(spec.read)
    unread = [notice for notice in known.notices.in_order() if notice.is_readable and not read.has(notice)]
    if not unread:
        return spec, 0
    draft = _Draft(spec.read, known, now)
    draft.add(unread)
    draft.tidy()
    left = draft.drop_newest(unread)
    return spec.updated(read=draft.finish()), len(unread) - left


def dismiss(spec: InboxSpec, notice: Notice, known: Known, now: datetime) -> InboxSpec:
    """Return an Inbox in which a Notification is dismissed, and so read.

    Raises
    ------
    InboxFullError
        If the Inbox holds too many exceptions.
    """
    dismissed = _add_one(spec.dismissed, notice, known, now)
    return mark_read(spec, notice, known, now).updated(dismissed=dismissed)


def _add_one(found: InboxSet, notice: Notice, known: Known, now: datetime) -> InboxSet:
    if Membership(found).has(notice):
        return found
    draft = _Draft(found, known, now)
    draft.add((notice,))
    if len(draft.entries) > known.tidy_above:
        draft.tidy()
    return draft.finish()


class _Draft:
    """A set that is being changed.

    Parameters
    ----------
    found
        What it is now. What it names and is gone is left out.
    known
        The known Notifications.
    now
        The time.
    """

    def __init__(self, found: InboxSet, known: Known, now: datetime) -> None:
        self._known = known
        self._now = now
        self._members = Membership(found)
        self.watermark = found.watermark
        self.entries = {entry.name: entry for entry in found.exceptions if not known.is_gone(entry)}

    def add(self, notices: Iterable[Notice]) -> None:
        """Add Notifications that are not in the set."""
        for notice in notices:
            if self._members.covers(notice):
                del self.entries[notice.name]
            else:
                self.entries[notice.name] = _entry(notice, self._now)

    def tidy(self) -> None:
        """Set the watermark so that the same set has as few exceptions as possible."""
        settled = self._known.settled_time
        before = Membership(InboxSet.model_construct(watermark=self.watermark, exceptions=tuple(self.entries.values())))
        if settled is None or (self.watermark is not None and self.watermark.creation_time > settled):
            # Another server, which knew more, has set the watermark: what it covers must not be decided here.
            return
        # What is not known, or was created since, is no matter of the watermark.
        entries = {name: entry for name, entry in self.entries.items() if entry.creation_time > settled}
        notices = [notice for notice in self._known.notices.in_order() if notice.creation_time <= settled]
        is_in = [before.has(notice) for notice in notices]
        begin, end = _find_range(is_in)
        after = notices[begin - 1] if begin else None
        self.watermark = self._set_watermark(after, notices[end - 1], settled) if end else None
        for index, notice in enumerate(notices):
            if is_in[index] != (begin <= index < end):
                entries[notice.name] = _entry(notice, before.time_of(notice))
        self.entries = entries

    def drop_newest(self, added: Sequence[Notice]) -> int:
        """Take back what was added until the rest fits, the newest first; return how many."""
        excess = len(self.entries) - self._known.most
        if excess <= 0:
            return 0
        named = [notice for notice in added if notice.name in self.entries]
        for notice in sorted(named, key=attrgetter("creation_time"))[-excess:]:
            del self.entries[notice.name]
        return excess

    def finish(self) -> InboxSet:
        """Return the set.

        Raises
        ------
        InboxFullError
            If it has too many exceptions.
        """
        if len(self.entries) > self._known.most:
            raise InboxFullError
        return InboxSet(watermark=self.watermark, exceptions=tuple(self.entries.values()))

    def _set_watermark(self, after: Notice | None, last: Notice, settled: datetime) -> Watermark:
        before = self.watermark
        stays = before is not None and _place_of(before) == last.place
        return Watermark(
            event_time=last.event_time,
            name=last.name,
            after=None if after is None else InboxPlace(event_time=after.event_time, name=after.name),
            creation_time=settled,
            time=before.time if before is not None and stays else self._now,
        )


def _entry(notice: Notice, time: datetime | None) -> InboxEntry:
    return InboxEntry(name=notice.name, creation_time=notice.creation_time, time=time)


def _find_range(is_in: Sequence[bool]) -> tuple[int, int]:
    """Return begin and end of what a watermark should cover, for the fewest exceptions; (0, 0): nothing.

    That is where members outnumber the others most.
    """
    best = excess = begin = 0
    found = (0, 0)
    for index, is_member in enumerate(is_in):
        excess += 1 if is_member else -1
        if excess <= 0:
            excess, begin = 0, index + 1
        elif excess >= best:
            best, found = excess, (begin, index + 1)
    return found
