"""The Notifications of a project in their order, without their content."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

__all__ = ["Notice", "Notices", "Place"]

Place = tuple[datetime, str]
"""Where a Notification stands in the order of all: time of its event, then name."""


class Notice(NamedTuple):
    """A Notification, as far as its order and its type go."""

    event_time: datetime
    name: str
    creation_time: datetime
    """When the cluster's API server created it, to the second."""

    type: str
    is_readable: bool = True
    """Whether this version of CodeCourier can show it."""

    @property
    def place(self) -> Place:
        """Where it stands in the order of all."""
        return self.event_time, self.name


class Notices:
    """Notifications by their place and by their creation.

    A change costs binary searches and moves of pointers; nothing here looks at all Notifications, except where it
    returns all.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, Notice] = {}
        self._places: list[Place] = []
        self._creations: list[Place] = []
        self._unreadable: set[str] = set()

    def __len__(self) -> int:
        return len(self._places)

    def put(self, notice: Notice) -> None:
        """Add a Notification, or replace the one of its name."""
        self.drop(notice.name)
        self._by_name[notice.name] = notice
        insort(self._places, notice.place)
        insort(self._creations, (notice.creation_time, notice.name))
        if not notice.is_readable:
            self._unreadable.add(notice.name)

    def drop(self, name: str) -> None:
        """Remove a Notification, if there is one of this name."""
        notice = self._by_name.pop(name, None)
        if notice is not None:
            del self._places[bisect_left(self._places, notice.place)]
            del self._creations[bisect_left(self._creations, (notice.creation_time, name))]
            self._unreadable.discard(name)

    def find(self, name: str) -> Notice | None:
        """Return a Notification; None: there is none of this name."""
        return self._by_name.get(name)

    def unreadable(self) -> Iterator[Notice]:
        """Yield those that this version of CodeCourier cannot show, in no order."""
        return (self._by_name[name] for name in self._unreadable)

    def in_order(self) -> Iterator[Notice]:
        """Yield all, the oldest event first."""
        return (self._by_name[name] for _, name in self._places)

    def newest_first(self, before: Place | None = None) -> Iterator[Notice]:
        """Yield those before a place, or all, the newest event first; a change ends what this may be used for."""
        end = len(self._places) if before is None else bisect_left(self._places, before)
        return (self._by_name[self._places[index][1]] for index in range(end - 1, -1, -1))

    def count_up_to(self, place: Place) -> int:
        """Return how many stand at a place or before it."""
        return bisect_right(self._places, place)

    def created_after(self, time: datetime) -> Iterator[Notice]:
        """Yield those that were created after a time, the oldest first."""
        # No name comes after this one.
        begin = bisect_right(self._creations, (time, "\U0010ffff"))
        return (self._by_name[self._creations[index][1]] for index in range(begin, len(self._creations)))

    @property
    def last_creation(self) -> datetime | None:
        """When the newest was created; None where there are none."""
        return self._creations[-1][0] if self._creations else None
