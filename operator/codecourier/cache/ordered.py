"""Items in the order of their keys, and objects that follow the changes of a cache."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from codecourier.kube.api import Json

__all__ = ["Follower", "MakeFollower", "Ordered"]

T = TypeVar("T")


class Follower(Protocol):
    """Keeps something up to date with a cache, such as an index of its own; it belongs to one store."""

    def changed(self, old: Json | None, new: Json | None) -> None:
        """Take a change of one object, given as it was before (None: created) and after (None: gone)."""
        ...


MakeFollower = Callable[[], Follower]
"""Returns a new follower, which has seen no object yet."""


class Ordered(Generic[T]):
    """Items by unique keys, in the order of the keys.

    A change costs a binary search and a move of pointers, a look at the first items only these.
    """

    def __init__(self) -> None:
        self._keys: list[Any] = []
        self._items: dict[Any, T] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, key: Any, item: T) -> None:
        """Add an item, or replace the one that has the key."""
        if key not in self._items:
            insort(self._keys, key)
        self._items[key] = item

    def drop(self, key: Any) -> None:
        """Remove the item of a key, if there is one."""
        if self._items.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def items(self) -> Iterator[tuple[Any, T]]:
        """Yield keys and items in order; a change ends what this may be used for."""
        for key in self._keys:
            yield key, self._items[key]

    def backward(self, before: Any = None) -> Iterator[tuple[Any, T]]:
        """Yield keys and items from the last to the first; a change ends what this may be used for.

        Parameters
        ----------
        before
            Only keys that are less, of which it may be a prefix; None: all.
        """
        end = len(self._keys) if before is None else bisect_left(self._keys, before)
        for place in range(end - 1, -1, -1):
            key = self._keys[place]
            yield key, self._items[key]

    def key_at(self, place: int) -> Any:
        """Return the key at a place from the front, counted from 0."""
        return self._keys[place]

    def first_after(self, key: Any) -> Any | None:
        """Return the least key that is greater than a key, which may be a prefix of keys; None where there is none."""
        place = bisect_right(self._keys, key)
        return self._keys[place] if place < len(self._keys) else None
