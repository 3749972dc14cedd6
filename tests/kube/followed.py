"""A simulated server whose ConfigMaps an informer follows, over a network that can be told to refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from codecourier.kube.api import CONFIG_MAPS, Json, Resource, WatchEvent
from codecourier.kube.cache import Cache
from codecourier.kube.errors import KubeError
from codecourier.kube.informer import Informer, InformerTiming
from tests.simulation.apiserver import ApiServer, SimulatedKube
from tests.simulation.clock import WallClock
from tests.simulation.network import Call, Network

__all__ = ["SETTLED", "World"]

TIMING = InformerTiming(watch_seconds=100, first_retry_seconds=1.0, max_retry_seconds=8.0)
SETTLED = 60.0
"""Longer than any wait and any delay in the quiet that follows a mishap."""


class Faulty(Network):
    """A network that can be told to refuse calls."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(Random(seed))
        self.calls: list[tuple[float, str]] = []
        self.refuse: Callable[[Call], KubeError | None] = lambda _: None
        self.slow_seconds = 0.0

    async def before(self, call: Call) -> None:
        if call.client == "informer":
            self.calls.append((asyncio.get_running_loop().time(), call.verb))
            error = self.refuse(call)
            if error is not None:
                raise error
        await super().before(call)

    def event_delay(self, client: str, resource: Resource) -> float:
        return self.slow_seconds + super().event_delay(client, resource)

    def times(self, verb: str) -> list[float]:
        """Return when calls of a verb were made."""
        return [time for time, made in self.calls if made == verb]


class Observer:
    """Notes what an informer tells."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.events: list[str] = []
        self.errors: list[Exception] = []
        self.restores = 0

    def listed(self, resource: Resource, count: int) -> None:
        self.counts.append(count)

    def received(self, resource: Resource, event: WatchEvent) -> None:
        self.events.append(event.type)

    def failed(self, resource: Resource, error: Exception) -> None:
        self.errors.append(error)

    def restored(self, resource: Resource) -> None:
        self.restores += 1


class World:
    """A server, an informer of its ConfigMaps, and a client that writes them. Make it inside the running loop."""

    def __init__(
        self,
        *,
        seed: int = 1,
        selector: str | None = None,
        timing: InformerTiming = TIMING,
        client: Callable[[ApiServer, Network], SimulatedKube] | None = None,
        is_optional: bool = False,
    ) -> None:
        now = WallClock(asyncio.get_running_loop()).now
        self.network = Faulty(seed)
        self.server = ApiServer(now=now, random=Random(seed))
        self.people = self.server.client("people", Network(Random(seed)))
        self.cache = Cache(CONFIG_MAPS)
        self.observer = Observer()
        self.selector = selector
        api = client(self.server, self.network) if client else self.server.client("informer", self.network)
        self.informer = Informer(
            api,
            self.cache,
            random=Random(seed),
            namespace="default",
            label_selector=selector,
            timing=timing,
            observer=self.observer,
            is_optional=is_optional,
        )
        self.task = asyncio.create_task(self.informer.run())

    async def create(self, name: str, **labels: str) -> Json:
        """Make a ConfigMap."""
        metadata = {"name": name, "namespace": "default", "labels": labels}
        return await self.people.create(CONFIG_MAPS, {"metadata": metadata})

    async def label(self, name: str, **labels: str | None) -> Json:
        """Change labels."""
        return await self.people.patch(CONFIG_MAPS, "default", name, {"metadata": {"labels": labels}})

    async def delete(self, name: str) -> None:
        """Delete a ConfigMap."""
        await self.people.delete(CONFIG_MAPS, "default", name)

    def assert_equal(self) -> None:
        """Hold the cache to the server."""
        wanted = {item.obj["metadata"]["name"]: item.obj for item in self._stored()}
        assert {item["metadata"]["name"]: item for item in self.cache} == wanted
        assert not self.task.done()

    def _stored(self) -> Any:
        return self.server.store.list(CONFIG_MAPS, "default", self.selector)
