"""The leader election in its own thread: the operator cannot delay a renewal, and one that hangs loses the Lease."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest
from aiohttp import web

from codecourier.controller.election import ElectionThread
from codecourier.kube.api import LEASES, SECRETS, Json, KubeApi
from codecourier.kube.errors import NotLeadingError
from codecourier.kube.guard import GuardedKube
from codecourier.kube.lease import LeaseIdentity, LeaseTiming
from tests.support.loopback import client_of, serving_app, status

TIMING = LeaseTiming(duration=4, renew_deadline=3.0, retry=0.02, renewal=2.0)
PATIENCE_SECONDS = 20.0
CONNECTIONS = 128


class LeaseServer:
    """An API server in a thread of its own that has one Lease; it never answers for anything else."""

    def __init__(self) -> None:
        self.port = 0
        self.lease: Json = {}
        self.renewals = 0
        self.waiting = 0
        self.is_refusing = False
        self._changed = threading.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer for the Lease."""
        if f"/{LEASES.plural}" not in request.path:
            with self._changed:
                self.waiting += 1
                self._changed.notify_all()
            await asyncio.Event().wait()
        if self.is_refusing:
            return web.json_response(status(500), status=500)
        if request.method == "GET" and not self.lease:
            return web.json_response(status(404, "NotFound"), status=404)
        if request.method in ("POST", "PUT"):
            self.lease = await request.json()
            with self._changed:
                self.renewals += 1
                self._changed.notify_all()
            self.lease["metadata"] |= {"resourceVersion": str(self.renewals), "uid": "lease"}
        return web.json_response(self.lease)

    def block_for_renewals(self, count: int) -> bool:
        """Hold the calling thread up until the Lease was renewed so many times more."""
        with self._changed:
            wanted = self.renewals + count
            return self._changed.wait_for(lambda: self.renewals >= wanted, PATIENCE_SECONDS)

    def block_for_waiting(self, count: int) -> bool:
        """Hold the calling thread up until so many calls wait for an answer that does not come."""
        with self._changed:
            return self._changed.wait_for(lambda: self.waiting >= count, PATIENCE_SECONDS)


@pytest.fixture
def server() -> Iterator[LeaseServer]:
    """Serve in another thread."""
    found = LeaseServer()
    with _in_thread(found):
        yield found


@contextmanager
def _in_thread(server: LeaseServer) -> Iterator[None]:
    ready, loops = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]()

    async def serve() -> None:
        stop = asyncio.Event()
        async with serving_app(server.handle) as port:
            server.port = port
            loops.append((asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE_SECONDS)
    yield
    loop, stop = loops[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(PATIENCE_SECONDS)


class Process:
    """A process that leads, and whether it was told that it does no more."""

    def __init__(self, election: ElectionThread) -> None:
        self.election = election
        self.lost = asyncio.Event()
        self.task = asyncio.create_task(election.run(self.lost.set))


@asynccontextmanager
async def leading(server: LeaseServer, **options: Any) -> AsyncIterator[Process]:
    """Yield a process that leads."""

    def open_api() -> AbstractAsyncContextManager[KubeApi]:
        return client_of(server.port)

    election = ElectionThread(
        LeaseIdentity("system", "lease", "me"),
        open_api,
        now=lambda: datetime.now(UTC),
        random=Random(1),
        timing=TIMING,
        **options,
    )
    process = Process(election)
    try:
        await asyncio.wait_for(election.leading.wait(), PATIENCE_SECONDS)
        yield process
    finally:
        process.task.cancel()
        await asyncio.gather(process.task, return_exceptions=True)
        assert not election.thread.is_alive()


async def test_the_lease_is_renewed_while_the_operators_loop_stands_still(server: LeaseServer) -> None:
    async with leading(server) as process:
        assert server.block_for_renewals(5)
        assert process.election.may_act()


async def test_the_lease_is_renewed_while_all_connections_wait(server: LeaseServer) -> None:
    async with leading(server) as process, client_of(server.port) as api:
        calls = [asyncio.create_task(api.get(SECRETS, "shop", "token")) for _ in range(2 * CONNECTIONS)]
        assert await asyncio.to_thread(server.block_for_waiting, CONNECTIONS)
        assert await asyncio.to_thread(server.block_for_renewals, 5)
        assert process.election.may_act()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_process_that_hangs_loses_the_lease_and_writes_nothing_more(server: LeaseServer) -> None:
    async with leading(server, hang_seconds=1.5) as process, client_of(server.port) as api:
        guarded = GuardedKube(api, process.election.may_act)
        # The loop stands still until the election has given up.
        process.election.thread.join(PATIENCE_SECONDS)
        assert not process.election.thread.is_alive()
        with pytest.raises(NotLeadingError, match="does not create any Secret"):
            await guarded.create(SECRETS, {"metadata": {"name": "late", "namespace": "shop"}})
        await asyncio.wait_for(process.lost.wait(), PATIENCE_SECONDS)


async def test_a_lease_that_cannot_be_renewed_is_lost(server: LeaseServer) -> None:
    async with leading(server) as process:
        server.is_refusing = True
        await asyncio.wait_for(process.lost.wait(), PATIENCE_SECONDS)
        assert not process.election.may_act()
        assert not process.election.leading.is_set()


async def test_a_lease_is_released(server: LeaseServer) -> None:
    async with leading(server) as process:
        await process.election.release()
        assert server.lease["spec"]["holderIdentity"] == ""
        assert not process.election.may_act()
        assert not process.lost.is_set()


async def test_an_error_of_the_election_ends_it() -> None:
    def open_api() -> AbstractAsyncContextManager[KubeApi]:
        raise ValueError("no client")

    election = ElectionThread(
        LeaseIdentity("system", "lease", "me"), open_api, now=lambda: datetime.now(UTC), random=Random(1)
    )
    with pytest.raises(RuntimeError, match="ValueError: no client"):
        await election.run(lambda: None)
