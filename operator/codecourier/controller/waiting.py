"""The keys of a queue that do not run: those that wait for a worker, and those that are scheduled for later."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from heapq import heappop, heappush
from math import inf
from typing import Generic, TypeVar

__all__ = ["Delayed", "Waiting"]

K = TypeVar("K", bound=Hashable)


_LATE_TURN = 4
"""Each so many turns a late key comes first, so that no late key waits without a bound."""

_Tier = OrderedDict[Hashable, "OrderedDict[K, None]"]


class Waiting(Generic[K]):
    """Keys that wait for a worker, by group; the groups take turns. Urgent keys go first, late ones last.

    Parameters
    ----------
    group
        Returns the group of a key; None: they have none.
    most
        How many keys of one group may run at once.
    is_urgent
        Whether a key is urgent; None: none is.
    """

    def __init__(
        self, group: Callable[[K], Hashable] | None, most: int, is_urgent: Callable[[K], bool] | None = None
    ) -> None:
        self._group = group or (lambda _: None)
        self._most = most
        self._is_urgent = is_urgent or (lambda _: False)
        self._urgent: _Tier[K] = OrderedDict()
        self._keys: _Tier[K] = OrderedDict()
        self._late: _Tier[K] = OrderedDict()
        self._running: Counter[Hashable] = Counter()
        self._count = 0
        self._turn = 0

    def __len__(self) -> int:
        return self._count

    @property
    def has_urgent(self) -> bool:
        """Whether an urgent key waits."""
        return bool(self._urgent)

    def heads(self) -> Iterator[K]:
        """Yield the keys of each group that have waited longest."""
        for tier in (self._urgent, self._keys, self._late):
            yield from (next(iter(keys)) for keys in tier.values())

    def add(self, key: K, *, is_late: bool = False) -> None:
        """Let a key wait behind those of its group."""
        tier = self._late if is_late else self._urgent if self._is_urgent(key) else self._keys
        tier.setdefault(self._group(key), OrderedDict())[key] = None
        self._count += 1

    def hasten(self, key: K) -> None:
        """Let a key that waits late wait with the others."""
        group = self._group(key)
        keys = self._late.get(group, OrderedDict())
        if key in keys:
            del keys[key]
            if not keys:
                del self._late[group]
            self._count -= 1
            self.add(key)

    def take(self) -> K | None:
        """Return the next key, which counts as one of its group's running ones until `end`; None: none may run now."""
        is_late_turn = self._turn % _LATE_TURN == _LATE_TURN - 1
        tiers = (self._urgent, self._keys, self._late)
        for tier in (self._late, *tiers) if is_late_turn else tiers:
            for group, keys in tier.items():
                if self._running[group] < self._most:
                    key, _ = keys.popitem(last=False)
                    tier.move_to_end(group)
                    if not keys:
                        del tier[group]
                    self._running[group] += 1
                    self._count -= 1
                    self._turn += 1
                    return key
        return None

    def end(self, key: K) -> None:
        """Note that a key runs no more."""
        group = self._group(key)
        self._running[group] -= 1
        if not self._running[group]:
            del self._running[group]

    def clear(self) -> None:
        """Forget what waits."""
        self._urgent.clear()
        self._keys.clear()
        self._late.clear()
        self._count = 0


class Delayed(Generic[K]):
    """Keys with the time at which each is due: a heap in which replaced entries stay until they reach the top."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, K]] = []
        self._due: dict[K, tuple[float, int]] = {}
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._due)

    def put(self, key: K, time: float) -> bool:
        """Schedule a key; return False where it is due by then anyway."""
        known = self._due.get(key)
        if known is not None and known[0] <= time:
            return False
        # The number keeps equal times in order, and keys, which may not be comparable, out of comparisons.
        self._sequence += 1
        self._due[key] = (time, self._sequence)
        heappush(self._heap, (time, self._sequence, key))
        self._compact()
        return True

    def drop(self, key: K) -> None:
        """Forget when a key is due."""
        self._due.pop(key, None)
        self._compact()

    def first(self) -> float | None:
        """Return when the first key is due; None where there is none."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][:2]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_until(self, now: float) -> list[K]:
        """Return the keys that are due, which are forgotten."""
        keys: list[K] = []
        while (time := self.first()) is not None and time <= now:
            key = heappop(self._heap)[2]
            del self._due[key]
            keys.append(key)
        return keys

    def take_all(self) -> list[K]:
        """Return all keys, which are forgotten, in the order in which they are due."""
        return self.take_until(inf)

    def clear(self) -> None:
        """Forget all keys."""
        self._heap.clear()
        self._due.clear()

    def _compact(self) -> None:
        # Replaced entries may not outnumber the others for long, or a busy key due far ahead would fill the memory.
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(time, number, key) for key, (time, number) in self._due.items()]
            self._heap.sort()
