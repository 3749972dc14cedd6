"""Leader election on a Lease: at most one holder acts, as long as clocks run at the same speed.

Times in the Lease are for people. Each process judges whether a holder is alive by when it last saw the Lease change,
on its own monotonic clock, so wall clocks may disagree or jump.

| role | sees | does |
|---|---|---|
| standby | no Lease, and no holder seen for the duration | creates it → leader |
| standby | own name, an empty one, or no change for the duration | takes it → leader |
| standby | a holder that renewed, or whose Lease was deleted since | waits |
| standby | the Lease as it was before, etcd was restored from a backup | waits for the duration, whatever it names |
| leader | a renewal, or a failed one before the deadline | renews |
| leader | the deadline passed, or another holder | lost: the process must end |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from math import inf
from random import Random
from typing import Any

from codecourier.kube.api import LEASES, Json, KubeApi
from codecourier.kube.cache import version_of
from codecourier.kube.errors import AlreadyExists, Conflict, KubeError, NotFound

__all__ = ["Action", "LeaderElector", "LeaseIdentity", "LeaseTiming", "Observation", "decide"]

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseTiming:
    """Durations in seconds; the deadline leaves a lost leader half of the duration to shut down.

    Parameters
    ----------
    duration
        A holder that did not renew for this long counts as dead.
    renew_deadline
        A leader that could not renew for this long has lost the Lease.
    retry
        Between two reads of the Lease, or two renewals; a failed renewal is retried after a third of it.
    renewal
        A renewal that takes longer is abandoned, to leave time for another before the deadline.
    """

    duration: int = 12
    renew_deadline: float = 6.0
    retry: float = 1.5
    renewal: float = 3.0


@dataclass(frozen=True)
class LeaseIdentity:
    """The Lease and its candidate.

    Parameters
    ----------
    namespace
        Namespace of the Lease.
    name
        Name of the Lease.
    holder
        Name of this pod: a restarted container takes its own Lease back at once.
    """

    namespace: str
    name: str
    holder: str


class Action(Enum):
    """What to do after a read of the Lease."""

    CREATE = "create"
    """There is none: create it and lead."""

    TAKE = "take"
    """It is free, expired or our own: write our name and lead."""

    RENEW = "renew"
    """We lead: write the time."""

    WAIT = "wait"
    """Another process leads: read the Lease again later."""

    LOST = "lost"
    """We no longer lead: the process must end."""


@dataclass(frozen=True)
class Observation:
    """What this process knows of the Lease.

    Parameters
    ----------
    holder
        The holder that the Lease names: None where there is no Lease, empty where it was released.
    seen
        When the Lease was last seen to change, by the event loop's clock; minus infinity where no holder was seen.
    renewed
        When this process last wrote it; None while it does not lead.
    restored
        When the Lease was last seen to have lost history. A leader that it no longer names may act until it notices.
    """

    holder: str | None
    seen: float
    renewed: float | None = None
    restored: float = -inf


def decide(observation: Observation, identity: str, now: float, timing: LeaseTiming) -> Action:
    """Decide what to do about the Lease.

    Parameters
    ----------
    observation
        What is known.
    identity
        Our own name.
    now
        The event loop's clock, in seconds.
    timing
        Durations.
    """
    if observation.renewed is not None:
        # Added as in `_left`: a subtraction could round differently, and a leader would wait for zero seconds.
        if observation.holder != identity or now >= observation.renewed + timing.renew_deadline:
            return Action.LOST
        return Action.RENEW
    if now - observation.restored < timing.duration:
        return Action.WAIT
    is_expired = now - observation.seen >= timing.duration
    if observation.holder is None:
        return Action.CREATE if is_expired else Action.WAIT
    return Action.TAKE if is_expired or observation.holder in ("", identity) else Action.WAIT


class LeaderElector:
    """Waits for the Lease, keeps it, and reports its loss.

    Parameters
    ----------
    api
        The API server.
    identity
        The Lease and our name.
    now
        The wall clock, in UTC, for the times that the Lease shows to people.
    random
        Source of the jitter between reads.
    timing
        Durations.
    is_alive
        Whether the process that the Lease is for still works; one that hangs takes no Lease and loses its own.
    """

    def __init__(
        self,
        api: KubeApi,
        identity: LeaseIdentity,
        *,
        now: Callable[[], datetime],
        random: Random,
        timing: LeaseTiming | None = None,
        is_alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self.leading = asyncio.Event()
        """Set while this process may act."""
        self._api = api
        self._identity = identity
        self._now = now
        self._random = random
        self._timing = timing or LeaseTiming()
        self._is_alive = is_alive
        self._lease: Json | None = None
        self._seen_version: str | None = None
        self._newest = 0
        self._observation = Observation(holder=None, seen=-inf)
        self._has_failed = False
        self._ending = False
        self._logged = ""
        self._lock = asyncio.Lock()

    def may_act(self) -> bool:
        """Return whether this process leads, by the clock: it may ask before it has been able to notice a loss."""
        renewed = self._observation.renewed
        is_in_time = renewed is not None and self._time() < renewed + self._timing.renew_deadline
        return self.leading.is_set() and is_in_time

    async def run(self, on_lost: Callable[[], Any]) -> None:
        """Wait for the Lease and keep it until it is lost or the caller cancels; after `release`, do nothing.

        An unexpected error ends it: the caller must then end too.

        Parameters
        ----------
        on_lost
            Called once when the Lease is lost; it must end the process, or at least everything that writes.
        """
        try:
            while True:
                if await self._is_lost():
                    break
                await asyncio.sleep(self._pause())
        finally:
            self.leading.clear()
        _LOGGER.error("lost the Lease %s", self._name())
        on_lost()

    async def release(self) -> None:
        """Release the Lease, so that a standby need not wait for it to expire; for a graceful shutdown only."""
        was_leading = self.leading.is_set()
        self._ending = True
        self.leading.clear()
        if not was_leading:
            return
        try:
            # A renewal under way must finish first: we need its version, and it would undo the release.
            async with asyncio.timeout(self._timing.retry), self._lock:
                await self._give_back()
        except (KubeError, TimeoutError) as error:
            _LOGGER.info("the Lease was not released and will expire: %s", str(error) or "no answer in time")

    async def _give_back(self) -> None:
        if self._lease is None:
            return
        # One second is the minimum that the API server accepts; a standby goes by the empty name.
        released = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._timestamp()}
        await self._api.replace(LEASES, {**self._lease, "spec": {**self._lease["spec"], **released}})

    async def _is_lost(self) -> bool:
        if not self._is_alive():
            self._log_once(logging.ERROR, "this process hangs: it takes no Lease, and loses the one that it holds")
            return self._observation.renewed is not None and not self._ending
        await self._step()
        if self._ending:
            return False
        return decide(self._observation, self._identity.holder, self._time(), self._timing) is Action.LOST

    async def _step(self) -> None:
        self._has_failed = False
        try:
            # A call must not outlast the moment at which a leader has to notice its loss.
            async with self._lock, asyncio.timeout(self._call_seconds()):
                if not self._ending:
                    await self._act()
        except (KubeError, TimeoutError) as error:
            _LOGGER.info("the Lease could not be read or written: %s", str(error) or "no answer in time")
            # The renewal may have happened: read the Lease before the next try.
            self._lease = None
            self._has_failed = True

    async def _act(self) -> None:
        if self._lease is None or self._observation.renewed is None:
            await self._look()
        action = decide(self._observation, self._identity.holder, self._time(), self._timing)
        if action is Action.CREATE:
            await self._write(None)
        elif action in (Action.TAKE, Action.RENEW):
            await self._write(self._lease)

    async def _look(self) -> None:
        known = self._observation
        try:
            lease = await self._api.get(LEASES, self._identity.namespace, self._identity.name)
        except NotFound:
            self._lease = self._seen_version = None
            # The last holder acts until it notices that its Lease was deleted.
            seen = known.seen if known.holder not in ("", self._identity.holder) else -inf
            self._observation = Observation(None, seen, known.renewed, self._restored_by(0))
            return
        version: str = lease["metadata"]["resourceVersion"]
        holder = (lease.get("spec") or {}).get("holderIdentity") or ""
        # Counted from after the answer: too late is safe, too early would allow two leaders.
        seen = known.seen if version == self._seen_version else self._time()
        self._lease, self._seen_version = lease, version
        self._observation = Observation(holder, seen, known.renewed, self._restored_by(int(version)))
        if known.renewed is None and holder not in ("", self._identity.holder):
            self._log_once(logging.INFO, f"standing by: '{holder}' holds the Lease {self._name()}")

    def _restored_by(self, version: int) -> float:
        """Return when the Lease was last seen to have lost history, now that it is at a version; 0: there is none."""
        is_lost, self._newest = version < self._newest, version
        return self._time() if is_lost else self._observation.restored

    async def _write(self, old: Json | None) -> None:
        # The clock is read before the call: others may see the write long before its answer arrives.
        asked = self._time()
        lease = self._claimed(old)
        try:
            lease = await (self._api.create(LEASES, lease) if old is None else self._api.replace(LEASES, lease))
        except (AlreadyExists, Conflict, NotFound) as error:
            self._lease = None
            self._has_failed = True
            if old is None and isinstance(error, NotFound):
                place = f"there is no namespace '{self._identity.namespace}' for the Lease"
                self._log_once(logging.WARNING, f"{place}: create it, or name another one")
            if self._observation.renewed is not None:
                await self._look()
            return
        self._lease, self._newest = lease, version_of(lease)
        self._observation = Observation(self._identity.holder, asked, asked)
        if not self._ending and not self.leading.is_set():
            _LOGGER.info("leading by the Lease %s", self._name())
            self.leading.set()

    def _name(self) -> str:
        return f"{self._identity.namespace}/{self._identity.name}"

    def _log_once(self, level: int, words: str) -> None:
        """Log once why this process does not lead, however often it reads the Lease."""
        if words != self._logged:
            self._logged = words
            _LOGGER.log(level, "%s", words)

    def _claimed(self, old: Json | None) -> Json:
        now = self._timestamp()
        identity = self._identity
        if old is None:
            lease: Json = {
                "apiVersion": LEASES.api_version,
                "kind": LEASES.kind,
                "metadata": {"namespace": identity.namespace, "name": identity.name},
                "spec": {"acquireTime": now, "leaseTransitions": 0},
            }
        else:
            spec = dict(old.get("spec") or {})
            lease = {**old, "spec": spec}
            if spec.get("holderIdentity") != identity.holder:
                spec |= {"acquireTime": now, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
        lease["spec"] |= {
            "holderIdentity": identity.holder,
            "leaseDurationSeconds": self._timing.duration,
            "renewTime": now,
        }
        return lease

    def _left(self) -> float:
        deadline = self._timing.renew_deadline
        renewed = self._observation.renewed
        return deadline if renewed is None else max(0.0, renewed + deadline - self._time())

    def _call_seconds(self) -> float:
        left = self._left()
        return left if self._observation.renewed is None else min(left, self._timing.renewal)

    def _pause(self) -> float:
        if self._ending:
            return self._timing.retry
        is_urgent = self._has_failed and self._observation.renewed is not None
        retry = self._timing.retry / 3 if is_urgent else self._timing.retry
        return min(retry * (1 + self._random.random() / 5), self._left())

    def _timestamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _time(self) -> float:
        return asyncio.get_running_loop().time()
