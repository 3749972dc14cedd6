"""What a plan has begun beside the workers: its effects and what follows them, one plan's at a time for each memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from codecourier.controller.background import Background
from codecourier.kinds.registry import WorkKey

__all__ = ["InFlight"]


@dataclass
class InFlight:
    """Keeps an object from being planned while effects of its last plan are under way.

    Parameters
    ----------
    background
        Runs the work.
    wake
        Called with the key when its work has ended.
    """

    background: Background
    wake: Callable[[WorkKey], None]
    _busy: set[Hashable] = field(default_factory=set)
    _errors: dict[Hashable, Exception] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._busy)

    def is_busy(self, memory: Hashable) -> bool:
        """Return whether work for an object is under way; its end wakes the key."""
        return memory in self._busy

    def check(self, memory: Hashable) -> None:
        """Raise what the last work for an object raised, once, so that the queue retries the key after its backoff."""
        error = self._errors.pop(memory, None)
        if error is not None:
            raise error

    def start(self, key: WorkKey, memory: Hashable, work: Callable[[], Awaitable[None]]) -> None:
        """Begin work for an object that is not busy; while the operator ends, nothing is begun."""
        self._busy.add(memory)
        if not self.background.start(self._run(key, memory, work)):
            self._busy.discard(memory)

    async def _run(self, key: WorkKey, memory: Hashable, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  a worker raises it in `check`, into the queue's backoff
            self._errors[memory] = error
        finally:
            self._busy.discard(memory)
            self.wake(key)
