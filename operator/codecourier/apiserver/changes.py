"""What changes in the projects, as streams tell it: a bounded memory of it, and one bounded queue for each stream."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from itertools import dropwhile
from typing import NamedTuple

from codecourier.apiserver.ids import PREFIXES
from codecourier.core.shared.naming import LABEL_TRASHED, split_words
from codecourier.kube.api import Json, Resource

__all__ = ["Change", "Changes", "Place", "Subscription", "change_of"]

_REMEMBERED = 10_000
"""How many changes of all projects together a stream may have missed and still go on."""

_WAITING = 1000
"""How many changes may wait for a reader before it is too slow."""

_MOST_DIGITS = 15


class Change(NamedTuple):
    """A change of one object, as users of the REST API see it."""

    namespace: str
    resource: str
    """Plural of its kind, for rights."""

    kind: str
    """Its kind in snake_case."""

    id: str
    change: str
    """`created`, `updated` or `deleted`; what comes into the trash is deleted, what is restored is created."""

    resource_version: str


def change_of(resource: Resource, old: Json | None, new: Json | None) -> Change | None:
    """Return what a change of an object is to users; None: they do not see it, such as one in the trash."""
    was_shown, is_shown = _is_shown(old), _is_shown(new)
    if not was_shown and not is_shown:
        return None
    metadata = (new or old or {})["metadata"]
    word = "updated" if was_shown and is_shown else "created" if is_shown else "deleted"
    id_ = PREFIXES.get(resource.kind, "") + metadata["name"]
    kind = split_words(resource.kind, "_")
    return Change(metadata.get("namespace", ""), resource.plural, kind, id_, word, metadata["resourceVersion"])


def _is_shown(obj: Json | None) -> bool:
    return obj is not None and (obj["metadata"].get("labels") or {}).get(LABEL_TRASHED) != "true"


class Place(NamedTuple):
    """A place among the changes that one server has seen."""

    life: str
    """Which server, and since which start."""

    number: int

    @staticmethod
    def read(text: str) -> Place | None:
        """Return the place that an id of an event says; None: it is none."""
        life, _, number = text.rpartition("-")
        return (
            Place(life, int(number))
            if number.isascii() and number.isdecimal() and len(number) <= _MOST_DIGITS
            else None
        )

    def __str__(self) -> str:
        return f"{self.life}-{self.number}"


class Subscription:
    """The changes that wait for one reader.

    Parameters
    ----------
    namespace
        The project that is followed.
    resources
        Plurals of the kinds that are followed.
    wake
        Called when something waits for the reader.
    """

    def __init__(self, namespace: str, resources: Collection[str], wake: Callable[[], None]) -> None:
        self.is_too_slow = False
        """Whether more changes have come than may wait; those that came since are lost."""

        self.namespace = namespace
        self._resources = frozenset(resources)
        self._wake = wake
        self._waiting: deque[tuple[int, Change]] = deque()

    def offer(self, number: int, change: Change) -> None:
        """Take a change with its number, if it is of what is followed."""
        if self.is_too_slow or change.namespace != self.namespace or change.resource not in self._resources:
            return
        self._waiting.append((number, change))
        if len(self._waiting) > _WAITING:
            self.is_too_slow = True
            self._waiting.clear()
        self._wake()

    def take(self) -> tuple[int, Change] | None:
        """Return the next change with its number; None: none waits."""
        return self._waiting.popleft() if self._waiting else None


class Changes:
    """The last changes of all projects, and who follows them.

    Parameters
    ----------
    life
        A name that no other server and no other start of this one has.
    """

    def __init__(self, life: str) -> None:
        self._life = life
        self._number = 0
        self._last: deque[tuple[int, Change]] = deque(maxlen=_REMEMBERED)
        self._followers: defaultdict[str, dict[Subscription, None]] = defaultdict(dict)

    @property
    def place(self) -> Place:
        """The place of the last change."""
        return Place(self._life, self._number)

    @property
    def is_followed(self) -> bool:
        """Whether anything follows."""
        return bool(self._followers)

    def place_of(self, number: int) -> Place:
        """Return the place of a change by its number."""
        return Place(self._life, number)

    def add(self, change: Change) -> None:
        """Note a change and offer it to who follows."""
        self._number += 1
        self._last.append((self._number, change))
        for follower in self._followers.get(change.namespace, ()):
            follower.offer(self._number, change)

    def follow(self, follower: Subscription, after: Place | None) -> bool:
        """Begin to offer changes, those that came after a place first.

        Returns
        -------
        bool
            False where changes since that place are forgotten or too many, or this server does not know it: then only
            those from now on are offered.
        """
        missed = None if after is None else self._since(after)
        for number, change in missed or ():
            follower.offer(number, change)
        is_whole = (after is None or missed is not None) and not follower.is_too_slow
        follower.is_too_slow = False
        self._followers[follower.namespace][follower] = None
        return is_whole

    def leave(self, follower: Subscription) -> None:
        """Offer nothing more."""
        followers = self._followers[follower.namespace]
        followers.pop(follower, None)
        if not followers:
            del self._followers[follower.namespace]

    def _since(self, place: Place) -> Iterator[tuple[int, Change]] | None:
        oldest = self._last[0][0] if self._last else self._number + 1
        if place.life != self._life or not oldest - 1 <= place.number <= self._number:
            return None
        return dropwhile(lambda found: found[0] <= place.number, iter(self._last))
