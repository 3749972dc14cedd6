"""The keys of a queue that do not run: those that wait for a worker, and those that are scheduled for later."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from heapq import heappop, heappush
from typing import Generic, TypeVar

__all__ = ["Delayed", "Waiting"]

K = TypeVar("K", bound=Hashable)


class Waiting(Generic[K]):
    """Keys that wait for a worker, by group; the groups take turns.

    Parameters
    ----------
    group
        Returns the group of a key; None: they have none.
    most
        How many keys of one group may run at once.
    """

    def __init__(self, group: Callable[[K], Hashable] | None, most: int) -> None:
        self._group = group or (lambda _: None)
        self._most = most
        self._keys: OrderedDict[Hashable, deque[K]] = OrderedDict()
        self._running: Counter[Hashable] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def heads(self) -> Iterator[K]:
        """Yield the key of each group that has waited longest."""
        return (keys[0] for keys in self._keys.values())

    def add(self, key: K) -> None:
        """Let a key wait behind those of its group."""
        self._keys.setdefault(self._group(key), deque()).append(key)
        self._count += 1

    def take(self) -> K | None:
        """Return the next key, which counts as one of its group's running ones until `end`; None: none may run now."""
        for group, keys in self._keys.items():
            if self._running[group] < self._most:
                key = keys.popleft()
                del self._keys[group]
                if keys:
                    self._keys[group] = keys
                self._running[group] += 1
                self._count -= 1
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
        self._keys.clear()
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

    def clear(self) -> None:
        """Forget all keys."""
        self._heap.clear()
        self._due.clear()

    def _compact(self) -> None:
        # Replaced entries may not outnumber the others for long, or a busy key due far ahead would fill the memory.
        if len(self._heap) > 2 * len(self._due) + 64:
            self._heap = [(time, number, key) for key, (time, number) in self._due.items()]
            self._heap.sort()
