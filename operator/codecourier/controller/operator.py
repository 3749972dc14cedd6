"""The operator as a whole: wires caches, queue, Lease and reconciler together and runs them until asked to stop.

The caller passes in everything from outside (the API server, the forge, the clock, the randomness), so the same class
runs in a cluster and in the simulation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import inf
from random import Random
from typing import Any

from codecourier.cache.informers import Informers
from codecourier.cache.store import Store
from codecourier.controller.background import Background
from codecourier.controller.backlog import Backlog
from codecourier.controller.clock_watch import watch_clock
from codecourier.controller.effects import Effects
from codecourier.controller.election import Elect, Election
from codecourier.controller.execute import Executor
from codecourier.controller.follower import Follower
from codecourier.controller.gauges import register_gauges, register_waiting_gauges
from codecourier.controller.in_flight import InFlight
from codecourier.controller.lookups import LookUps
from codecourier.controller.observe import Observer
from codecourier.controller.observers import InformerReporter, PlanReporter, QueueReporter
from codecourier.controller.queue import KeyQueue
from codecourier.controller.reconcile import Reconciler
from codecourier.controller.recorder import Recorder
from codecourier.controller.vitals import Vitals, VitalTaskEndedError
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.worlds import World
from codecourier.github.api import Forge
from codecourier.hosts.credentials import AppIdentity, Credentials
from codecourier.hosts.gate import Gate
from codecourier.kinds.registry import REGISTRY, Registry, WorkKey
from codecourier.kinds.relation import View
from codecourier.kube.api import Json, KubeApi, Resource
from codecourier.kube.cache import version_of
from codecourier.kube.errors import ApiError
from codecourier.kube.guard import GuardedKube
from codecourier.kube.lease import LeaderElector, LeaseIdentity
from codecourier.metrics import Metrics

__all__ = ["Operator", "OperatorParts"]

_LOGGER = logging.getLogger(__name__)

LEASE_NAME = "codecourier-operator"
"""Name of the Lease that the leader holds."""

_LEAD_SECONDS = 3.0
"""How long lists wait for the Lease at the start: a free one takes less, even of a busy API server."""

_PIECE = 500
"""How many keys are woken in one piece, which takes a few milliseconds."""

_MOST_DELAY_SECONDS = 60.0
"""The longest delay of a key that the API server may ask for: as long as the longest backoff."""


@dataclass(frozen=True)
class OperatorParts:
    """What an operator is built from."""

    api: KubeApi
    forge: Forge
    now: Callable[[], datetime]
    random: Random
    pods: PodSettings
    namespace: str
    """Namespace of the Lease."""

    identity: str
    """Name of this operator."""

    forge_hosts: frozenset[str]
    """The hosts of repositories that may be asked, in lower case, each with its port unless that is 443."""

    app: AppIdentity | None = None
    ca_certificate: str | None = None
    """Certificate authority of the repositories' host, PEM; None for the public ones."""

    elect: Elect | None = None
    """Makes the leader election; None: one in the operator's loop, over `api`."""

    workers: int = 16
    registry: Registry = REGISTRY
    inspect: Callable[[World], None] = lambda _world: None
    """Called with each world before its plan."""


class TornWorldError(Exception):
    """Some caches have the objects of a restored API server, others still those that it had before."""


class Operator:
    """One operator.

    Parameters
    ----------
    parts
        What it is built from.
    metrics
        The metrics to count in.
    """

    def __init__(self, parts: OperatorParts, metrics: Metrics) -> None:
        self.store = Store(parts.registry.cached)
        self._now = parts.now
        self._registry = parts.registry
        self._inspect_world = parts.inspect
        self._metrics = metrics
        self._elector = _election(parts)
        api = GuardedKube(parts.api, self._elector.may_act)
        self._queue: KeyQueue[WorkKey] = KeyQueue(
            self._work,
            workers=parts.workers,
            random=parts.random,
            least_delay=_least_delay,
            observer=QueueReporter(metrics),
            group=lambda key: key.namespace,
            is_urgent=lambda key: parts.registry.by_resource[key.resource].is_urgent,
        )
        self._background = Background()
        self._recorder = Recorder(api, parts.identity, parts.now, lambda: self._queue.has_urgent)
        self._reconciler = self._build_reconciler(parts, api)
        self._informers = Informers(
            parts.api,
            self.store,
            random=parts.random,
            observer=InformerReporter(metrics),
            on_restored=self._hold,
        )
        self._vitals = Vitals()
        self._lost = asyncio.Event()
        self._has_begun = asyncio.Event()
        self._may_list = asyncio.Event()
        self._restored = asyncio.Event()
        self._is_torn = False
        self.store.subscribe(self._changed)

    def _build_reconciler(self, parts: OperatorParts, api: KubeApi) -> Reconciler:
        credentials = Credentials(parts.api, self.store, parts.forge_hosts, parts.app)
        gate = Gate(parts.forge, parts.now, self._elector.may_act)
        backlog = Backlog(parts.now, parts.random)
        in_flight = InFlight(self._background, self._queue.add)
        observer = Observer(parts.api, gate, credentials, self._registry)
        look_ups = LookUps(observer, self._background, self._queue.add)
        register_gauges(self._metrics, self._registry, self.store, self._queue, backlog)
        self._follower = Follower(observer.ask_host, self._background, self._queue.add, parts.now)
        register_waiting_gauges(self._metrics, look_ups, self._follower, in_flight, gate)
        executor = Executor(
            registry=self._registry,
            api=api,
            store=self.store,
            effects=Effects(api, self.store, gate, credentials, parts.ca_certificate),
            recorder=self._recorder,
            backlog=backlog,
            in_flight=in_flight,
            note_deletion=lambda kind: self._metrics.deletions.labels(kind).inc(),
        )
        return Reconciler(
            self._registry,
            View(self.store, self._registry.origins, parts.pods),
            look_ups,
            self._follower,
            executor,
            now=parts.now,
            look_again=self._queue.add_at,
            inspect=self._inspect,
            planned=PlanReporter(self._metrics).planned,
        )

    @property
    def unsynced(self) -> list[str]:
        """The kinds that were never listed; once there are none, the operator is ready, leader or not."""
        return self._informers.unsynced

    @property
    def ended(self) -> list[str]:
        """A sentence about each task that should run and does not."""
        return self._vitals.ended

    @property
    def is_leading(self) -> bool:
        """Whether this operator may act."""
        return self._elector.leading.is_set()

    async def wait_begun(self) -> None:
        """Wait until this operator leads, with all caches complete."""
        await self._has_begun.wait()

    def wake(self, resource: Resource, namespace: str, name: str, *, is_late: bool = False) -> None:
        """Queue an object for reconciling, if its kind has plans; a late one may wait behind all others."""
        if self._registry.plans(resource):
            self._queue.add(WorkKey(resource, namespace, name), is_late=is_late)

    def heard(self, resource: Resource, namespace: str, name: str, uid: str, version: str) -> None:
        """Wake an object for an event from outside the caches, unless a cache has this version already.

        A version that is in a cache has woken its keys on arrival: a second wake would only repeat the work.
        """
        known = self.store.raw(resource, namespace, name)
        if known is None or known["metadata"]["uid"] != uid or version_of(known) < int(version):
            self.wake(resource, namespace, name)

    async def run(
        self, stop: asyncio.Event, drain_seconds: float, also: Mapping[str, Coroutine[Any, Any, Any]] | None = None
    ) -> bool:
        """Run until `stop` is set or the Lease is lost.

        Parameters
        ----------
        stop
            Ends the operator.
        drain_seconds
            How long running work may take to finish.
        also
            Further tasks, by name, that must run all the time.

        Returns
        -------
        bool
            False when the Lease was lost: the process must end without another write.

        Raises
        ------
        VitalTaskEndedError
            A component that the operator needs has ended; the process must end too.
        """
        self._start(also or {})
        ends = [asyncio.create_task(wait()) for wait in (stop.wait, self._lost.wait, self._vitals.wait_ended)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._lost.is_set():
                return False
            if ended := self._vitals.ended:
                raise VitalTaskEndedError("; ".join(ended))
            await self._drain(drain_seconds)
            await self._elector.release()
            return True
        finally:
            # Once the Lease or a component is lost, start no new work, even while the process is shutting down.
            await self._drain(0)
            self._metrics.leading.set(0)
            for task in ends:
                task.cancel()
            await self._vitals.cancel()

    async def _drain(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        await asyncio.gather(self._queue.drain(seconds), self._background.drain(seconds))
        await self._recorder.postbox.drain(max(0.0, end - asyncio.get_running_loop().time()))

    def _start(self, also: Mapping[str, Coroutine[Any, Any, Any]]) -> None:
        for name, loop in self._informers.loops():
            self._vitals.start(name, self._list_and_watch(loop))
        self._vitals.start("the leader election", self._elector.run(self._lost.set))
        self._vitals.start("the queue", self._work_when_ready())
        self._vitals.start("the follower of pull requests", self._follower.run())
        self._vitals.start("the recovery from restores", self._recover_from_restores())
        self._vitals.start("the clock watch", watch_clock(self._now, self._queue.add_delayed))
        for name, work in also.items():
            self._vitals.start(name, work)

    async def _work_when_ready(self) -> None:
        """Start work once this operator leads and has refreshed the caches since; then supervise the queue.

        A standby's caches may be stale. A pod that they lack would look deleted, and with an old copy of a Run its
        Sandbox would seem to belong to no Run.
        """
        # An operator that leads at once reads each list once: those that begin now are as new as a leader needs.
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAD_SECONDS):
                await self._elector.leading.wait()
        since = asyncio.get_running_loop().time()
        self._may_list.set()
        if not self.is_leading:
            await self._elector.leading.wait()
            since = asyncio.get_running_loop().time()
        await self._informers.wait_synced()
        await self._freshen(since)
        self._metrics.leading.set(1)
        _LOGGER.info("leading, with all caches complete")
        self._queue.release()
        self._has_begun.set()
        await self._queue.watch()

    async def _recover_from_restores(self) -> None:
        """Refresh all caches whenever one has lost history, then go on."""
        await self._has_begun.wait()
        while True:
            await self._restored.wait()
            await self._freshen()
            self._queue.release()

    async def _list_and_watch(self, loop: Coroutine[Any, Any, None]) -> None:
        try:
            await self._may_list.wait()
            await loop
        finally:
            loop.close()

    async def _freshen(self, since: float = inf) -> None:
        while True:
            if self._restored.is_set():
                since = inf
            self._restored.clear()
            await self._informers.freshen(since)
            if not self._restored.is_set():
                break
        self._is_torn = False

    def _hold(self) -> None:
        """Let no plan see caches of which some have lost history and others have not yet."""
        self._is_torn = True
        self._queue.hold()
        self._restored.set()

    def _inspect(self, world: World) -> None:
        if self._is_torn:
            raise TornWorldError("the API server was restored from a backup, and not all caches are complete again")
        self._inspect_world(world)

    async def _work(self, key: WorkKey) -> bool:
        return await self._reconciler.reconcile(key)

    def _changed(self, resource: Resource, old: Json | None, new: Json | None) -> None:
        is_late = old is None and not self._has_begun.is_set() and self.store.is_at_rest(resource, new)
        self._wake_in_pieces(list(self._registry.wakes(self.store, resource, old, new)), is_late=is_late)

    def _wake_in_pieces(self, keys: Sequence[WorkKey], *, is_late: bool) -> None:
        """Wake keys, some in each turn of the loop: a Workflow may be that of thousands of Runs."""
        for key in keys[:_PIECE]:
            self.wake(*key, is_late=is_late)
        if rest := keys[_PIECE:]:
            asyncio.get_running_loop().call_soon(partial(self._wake_in_pieces, rest, is_late=is_late))


def _election(parts: OperatorParts) -> Election:
    identity = LeaseIdentity(parts.namespace, LEASE_NAME, parts.identity)
    if parts.elect is not None:
        return parts.elect(identity)
    return LeaderElector(parts.api, identity, now=parts.now, random=parts.random)


def _least_delay(error: Exception) -> float:
    if isinstance(error, ApiError) and error.retry_after is not None:
        return min(error.retry_after, _MOST_DELAY_SECONDS)
    return 0.0
