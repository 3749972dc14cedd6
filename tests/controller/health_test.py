"""The probes, asked over real sockets while an operator works on the simulated API server."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from codecourier.controller.health import HealthServer
from codecourier.controller.operator import Operator
from codecourier.controller.vitals import VitalTaskEndedError
from codecourier.kube.api import PODS, SECRETS, Resource
from codecourier.metrics import Metrics
from tests.simulation.apiserver import ApiServer
from tests.simulation.network import Call, Network
from tests.support.simulated import make_operator, make_server, until

ANSWER_SECONDS = 30.0


class Gate(Network):
    """Holds lists of some kinds until it is opened, and fails in an unexpected way on demand."""

    def __init__(self, *held: Resource) -> None:
        super().__init__(Random(2))
        self.held = held
        self.opened = asyncio.Event()
        self.fault: BaseException | None = None

    async def before(self, call: Call) -> None:
        if call.verb == "list" and call.resource in self.held:
            await self.opened.wait()
        if self.fault is not None and call.resource == PODS:
            raise self.fault
        await super().before(call)


class Unforeseen(BaseException):
    """What no code of ours expects."""


class Probe:
    """Asks an operator's probes from a thread, as the kubelet does from its node."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, seconds: float = ANSWER_SECONDS) -> tuple[int, str]:
        """Return status and text; raise TimeoutError without an answer in time."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    async def __call__(self, path: str) -> tuple[int, str]:
        return await asyncio.to_thread(self.ask, path)


@asynccontextmanager
async def probed(operator: Operator) -> AsyncIterator[Probe]:
    """Serve an operator's probes."""
    health = HealthServer(lambda: operator.ended, lambda: operator.unsynced, Metrics().registry)
    port = await health.start("127.0.0.1", 0)
    try:
        yield Probe(port)
    finally:
        await health.stop()


async def synced(server: ApiServer, operator: Operator) -> None:
    """Wait until an operator leads and knows every kind."""
    await until(server, lambda: operator.is_leading and not operator.unsynced)


async def test_ready_means_that_every_kind_was_listed_and_says_which_was_not() -> None:
    server, gate, stop = make_server(), Gate(PODS, SECRETS), asyncio.Event()
    operator = make_operator(server, network=gate)
    async with probed(operator) as probe:
        running = asyncio.create_task(operator.run(stop, drain_seconds=1))
        await until(server, lambda: operator.is_leading)
        status, text = await probe("/readyz")
        assert status == 503
        assert {"Pod", "Secret"} <= set(text.replace(",", "").split())
        assert (await probe("/livez"))[0] == 200
        gate.opened.set()
        await synced(server, operator)
        assert await probe("/readyz") == (200, "ok")
        stop.set()
        assert await running


async def test_a_standby_is_ready_too() -> None:
    server, stop = make_server(), asyncio.Event()
    leader, standby = make_operator(server, identity="leader"), make_operator(server, identity="standby")
    runs = [asyncio.create_task(leader.run(stop, drain_seconds=1))]
    await synced(server, leader)
    async with probed(standby) as probe:
        assert (await probe("/readyz"))[0] == 503
        runs.append(asyncio.create_task(standby.run(stop, drain_seconds=1)))
        await until(server, lambda: not standby.unsynced)
        assert await probe("/readyz") == (200, "ok")
        assert not standby.is_leading
        stop.set()
        assert all(await asyncio.gather(*runs))


async def test_not_alive_once_a_part_has_ended_and_says_which() -> None:
    server, gate = make_server(), Gate()
    operator = make_operator(server, network=gate)
    async with probed(operator) as probe:
        running = asyncio.create_task(operator.run(asyncio.Event(), drain_seconds=1))
        await synced(server, operator)
        assert await probe("/livez") == (200, "ok")
        gate.fault = Unforeseen("odd")
        server.cut_watches()
        await asyncio.wait([running])
        assert isinstance(running.exception(), VitalTaskEndedError)
        assert await probe("/livez") == (500, "the watch of pods failed: Unforeseen: odd")


async def test_a_loop_that_stands_still_does_not_answer() -> None:
    operator = make_operator(make_server())
    stands_still, goes_on = threading.Event(), threading.Event()

    def stall() -> None:
        stands_still.set()
        goes_on.wait(ANSWER_SECONDS)

    async with probed(operator) as probe:
        assert await probe("/livez") == (200, "ok")

        def ask_while_it_stands() -> bool:
            stands_still.wait(ANSWER_SECONDS)
            try:
                probe.ask("/livez", seconds=0.2)
            except TimeoutError:
                return False
            finally:
                goes_on.set()
            return True

        answered = asyncio.create_task(asyncio.to_thread(ask_while_it_stands))
        asyncio.get_running_loop().call_soon(stall)
        assert not await answered
        assert await probe("/livez") == (200, "ok")
