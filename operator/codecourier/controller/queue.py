"""Keys that wait for work: each once, each worked on by one worker at a time, failing ones with backoff.

The states of a key; `add` and `fail` are its only ways in, a finished run its only way out:

| state | `add` | its time comes | its run ends |
|---|---|---|---|
| absent | → waiting | | |
| delayed | → waiting | → waiting | |
| waiting | stays | stays | |
| running | → again | → again | → absent, or delayed after an exception |
| again | stays | stays | → waiting, or delayed after an exception |

A run is level-triggered: it sees the present world, and schedules its own next run. So the start of a run forgets when
the key was due, and of several later times the earliest counts.

The groups of the waiting keys take turns, and none has all workers: a group with many keys delays no other one.

Time is the event loop's and the caller passes in the randomness, so a simulation can control both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from random import Random
from typing import Generic, NoReturn, Protocol, TypeVar

from codecourier.controller.waiting import Delayed, Waiting

__all__ = ["GROUP_SHARE", "Backoff", "KeyQueue", "QueueObserver"]

GROUP_SHARE = 0.75
"""Share of the workers that keys of one group may have."""

K = TypeVar("K", bound=Hashable)
K_contra = TypeVar("K_contra", bound=Hashable, contravariant=True)


@dataclass(frozen=True)
class Backoff:
    """How long a failing key waits: doubling from `base_seconds` up to `max_seconds`, less up to half at random."""

    base_seconds: float = 0.1
    max_seconds: float = 60.0

    def delay(self, failures: int, random: Random) -> float:
        """Return the seconds to wait after this many failures in a row (1 or more)."""
        # 2.0**64 is far above any maximum; an unbounded exponent would overflow.
        full = min(self.max_seconds, self.base_seconds * 2.0 ** min(failures - 1, 64))
        return full * (1 - random.random() / 2)


class QueueObserver(Protocol[K_contra]):
    """Receives what happens, for metrics and logs."""

    def started(self, key: K_contra, waited_seconds: float) -> None:
        """Note that a worker starts on a key that waited this long."""
        ...

    def finished(self, key: K_contra, took_seconds: float, error: Exception | None) -> None:
        """Note that a worker is done with a key; an error leads to a retry."""
        ...


class KeyQueue(Generic[K]):
    """The queue and its workers.

    It starts on hold: nothing runs before `release`. Use it from one event loop only.

    Parameters
    ----------
    handler
        Works on a key. Returning True forgets the key's failures; False keeps them, for a key that waits for what will
        add it again; an exception counts one and leads to a retry.
    workers
        How many keys are worked on at once, 1 or more.
    random
        Source of the jitter.
    backoff
        How long a failing key waits.
    least_delay
        Returns the least seconds before the retry after an exception, such as a server's `Retry-After`.
    observer
        Receives starts and ends.
    group
        Returns the group of a key. One group has at most `GROUP_SHARE` of the workers. None: keys have no groups.
    is_urgent
        Whether a key goes before those that are not urgent; None: none is.
    """

    def __init__(
        self,
        handler: Callable[[K], Awaitable[bool]],
        *,
        workers: int,
        random: Random,
        backoff: Backoff | None = None,
        least_delay: Callable[[Exception], float] | None = None,
        observer: QueueObserver[K] | None = None,
        group: Callable[[K], Hashable] | None = None,
        is_urgent: Callable[[K], bool] | None = None,
    ) -> None:
        self._handler = handler
        self._workers = workers
        self._random = random
        self._backoff = backoff or Backoff()
        self._least_delay = least_delay or (lambda _: 0.0)
        self._observer = observer
        most = workers if group is None else max(1, int(workers * GROUP_SHARE))
        self._waiting = Waiting[K](group, most, is_urgent)
        self._since: dict[K, float] = {}
        self._running: dict[K, asyncio.Task[None]] = {}
        self._again: set[K] = set()
        self._delayed = Delayed[K]()
        self._failures: dict[K, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._held = True
        self._closed = False
        self._idle: list[asyncio.Future[None]] = []
        self._error: Exception | None = None
        self._broken = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many keys wait for a worker; delayed ones do not count."""
        return len(self._waiting)

    @property
    def has_urgent(self) -> bool:
        """Whether an urgent key waits for a worker."""
        return self._waiting.has_urgent

    @property
    def oldest_seconds(self) -> float:
        """How long the key that waits longest for a worker has waited; 0 where none waits."""
        if not self._waiting:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._since[key] for key in self._waiting.heads())

    @property
    def running(self) -> int:
        """How many keys are being worked on."""
        return len(self._running)

    @property
    def delayed(self) -> int:
        """How many keys are scheduled for later."""
        return len(self._delayed)

    @property
    def next_time(self) -> float | None:
        """The loop's time at which the next delayed key is due, None where there is none."""
        return self._delayed.first()

    def add(self, key: K, *, is_late: bool = False) -> None:
        """Queue a key for work now; if it is being worked on, run it once more afterwards.

        Parameters
        ----------
        key
            The key.
        is_late
            Whether it may wait behind all others. A key that is added both ways waits with the others.
        """
        if self._closed:
            return
        if key in self._running:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = asyncio.get_running_loop().time()
            self._waiting.add(key, is_late=is_late)
            self._pump()
        elif not is_late:
            self._waiting.hasten(key)

    def add_at(self, key: K, time: float) -> None:
        """Schedule a key at a time of the event loop; an earlier scheduled time wins."""
        if self._closed:
            return
        if time <= asyncio.get_running_loop().time():
            self.add(key)
        elif self._delayed.put(key, time):
            self._arm()

    def add_after(self, key: K, seconds: float) -> None:
        """Schedule a key in some seconds; an earlier scheduled time wins."""
        self.add_at(key, asyncio.get_running_loop().time() + seconds)

    def add_delayed(self) -> None:
        """Queue all scheduled keys now: the times that they were scheduled for have come to mean something else."""
        for key in self._delayed.take_all():
            self.add(key)
        self._arm()

    def fail(self, key: K, at_least_seconds: float = 0.0) -> float:
        """Count a failure and schedule the key after its backoff.

        Parameters
        ----------
        key
            The key.
        at_least_seconds
            The least wait.

        Returns
        -------
        float
            The seconds until then.
        """
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        delay = max(self._backoff.delay(failures, self._random), at_least_seconds)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Return how often a key failed in a row."""
        return self._failures.get(key, 0)

    def hold(self) -> None:
        """Start no further work; keys keep waiting."""
        self._held = True

    def release(self) -> None:
        """Start work, or resume it after `hold`."""
        self._held = False
        self._pump()

    async def wait_idle(self) -> None:
        """Wait until no key waits and none is worked on; delayed keys may remain."""
        while self._waiting or self._running:
            future = asyncio.get_running_loop().create_future()
            self._idle.append(future)
            await future

    async def watch(self) -> NoReturn:
        """Wait until the queue itself breaks, after which keys may be lost, and raise why; it never returns."""
        await self._broken.wait()
        raise RuntimeError("the queue is broken, keys may be lost") from self._error

    async def drain(self, timeout_seconds: float) -> bool:
        """Accept and start nothing more, let running work finish, and cancel what takes too long.

        Returns
        -------
        bool
            False where something had to be cancelled.
        """
        self._closed = True
        self._waiting.clear()
        self._since.clear()
        self._delayed.clear()
        self._arm()
        tasks = list(self._running.values())
        if not tasks:
            self._wake_idle()
            return True
        _, late = await asyncio.wait(tasks, timeout=timeout_seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return not late

    def _pump(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._held and len(self._running) < self._workers and (key := self._waiting.take()) is not None:
            waited = loop.time() - self._since.pop(key)
            self._delayed.drop(key)
            if self._observer is not None:
                self._observer.started(key, waited)
            task = loop.create_task(self._work(key))
            self._running[key] = task

    async def _work(self, key: K) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        error: Exception | None = None
        try:
            if await self._handler(key):
                self.forget(key)
        except Exception as exc:  # noqa: BLE001
            # Whatever went wrong with one key, the others go on and this one is retried; the observer logs it.
            error = exc
        finally:
            del self._running[key]
            self._waiting.end(key)
            self._guarded(lambda: self._settle(key, error, loop.time() - start))

    def _settle(self, key: K, error: Exception | None, took: float) -> None:
        if self._observer is not None:
            self._observer.finished(key, took, error)
        again = key in self._again
        self._again.discard(key)
        if error is not None:
            # The retry also serves an `add` during the run: a key that fails at each event must not escape its backoff.
            self.fail(key, self._least_delay(error))
        elif again:
            self.add(key)
        self._pump()
        if not self._waiting and not self._running:
            self._wake_idle()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do the queue's bookkeeping; report a failure through `watch`, as no caller would notice it."""
        try:
            work()
        except Exception as error:  # noqa: BLE001
            self._error = error
            self._broken.set()

    def _wake_idle(self) -> None:
        waiters, self._idle = self._idle, []
        for future in waiters:
            if not future.done():
                future.set_result(None)

    def _arm(self) -> None:
        due = self._delayed.first()
        if self._timer is not None:
            if due == self._timer.when():
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._guarded, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for key in self._delayed.take_until(now):
            self.add(key)
        self._arm()
