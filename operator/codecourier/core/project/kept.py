"""What retention reads of a namespace: what is over, in the order in which it ended, and which days are sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from codecourier.resources.daily_stats import DailyStats

__all__ = ["NOTHING_KEPT", "Kept", "KeptObject"]


@dataclass(frozen=True, slots=True)
class KeptObject:
    """What retention reads of an object with which nothing is left to do."""

    kind: str
    name: str
    uid: str
    version: str
    """Its resourceVersion."""

    time: datetime
    """Since when it is over, or in the trash."""

    last_day: date | None
    """The last day on which something happened that statistics count; None: they count nothing of it."""

    is_needed: bool
    """Whether something unfinished may still do something because of it."""

    is_beyond: bool = False
    """Whether as many newer ones are there as the project keeps."""


class Kept(Protocol):
    """The objects of a namespace, as of now: a change of one makes this invalid."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is there that may go some day, and nothing has happened that statistics count."""
        ...

    def first_unsealed_day(self, end: date) -> date | None:
        """Return the first day before `end` on which something happened and that is not sealed; None: there is none."""
        ...

    def first_open_day(self) -> date | None:
        """Return the first day of which something may not be recorded yet: a try is under way, or a record is owed."""
        ...

    def seal(self, day: date, now: datetime) -> DailyStats:
        """Return what seals a day, by the objects that are there."""
        ...

    def oldest(self, kind: str, max_count: int | None, now: datetime) -> Iterator[KeptObject]:
        """Yield what may go of a kind, in the order in which it ended.

        Parameters
        ----------
        kind
            Run, Notification, UsageRecord, Learning (proposed by agents and not accepted) or DailyStats.
        max_count
            How many of all that are over stay; None: as many as there are.
        now
            The time. What something needs may be left out for an hour after it was yielded.
        """
        ...

    def trashed(self, now: datetime) -> Iterator[KeptObject]:
        """Yield what may go from the trash, of all kinds, in the order in which it was put there, as `oldest` does."""
        ...


class _NothingKept:
    """A namespace in which nothing is over."""

    is_empty = True

    def first_unsealed_day(self, _end: date) -> date | None:
        return None

    def first_open_day(self) -> date | None:
        return None

    def seal(self, day: date, _now: datetime) -> DailyStats:
        raise KeyError(day)

    def oldest(self, _kind: str, _max_count: int | None, _now: datetime) -> Iterator[KeptObject]:
        return iter(())

    def trashed(self, _now: datetime) -> Iterator[KeptObject]:
        return iter(())


NOTHING_KEPT: Kept = _NothingKept()
"""A namespace in which nothing is over."""
