"""An operator that lost a part ends with an error that names it, and writes nothing more."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from codecourier.controller.vitals import VitalTaskEndedError
from codecourier.kinds.api_resources import PROJECTS
from codecourier.kube.api import LEASES, NAMESPACES, PODS, Resource
from codecourier.kube.errors import Unanswered
from codecourier.metrics import Metrics
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.network import Call, Network
from tests.support.simulated import make_operator, make_server, until


class Fault(BaseException):
    """What no code of ours expects."""


class FaultyNetwork(Network):
    """Raises a fault in the place of the answers about a kind, once it is told to."""

    def __init__(self, resource: Resource, fault: BaseException) -> None:
        super().__init__(Random(2))
        self.resource = resource
        self.fault = fault
        self.is_on = False

    async def before(self, call: Call) -> None:
        await super().before(call)
        if self.is_on and call.resource == self.resource:
            raise self.fault


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (FaultyNetwork(PODS, Fault("odd")), "the watch of pods failed: Fault: odd"),
        (FaultyNetwork(LEASES, ValueError("odd")), "the leader election failed: ValueError: odd"),
    ],
    ids=["watch", "election"],
)
def test_a_part_that_fails_ends_the_operator(network: FaultyNetwork, words: str) -> None:
    async def main() -> None:
        server = make_server()
        operator = make_operator(server, network=network)
        running = asyncio.create_task(operator.run(asyncio.Event(), drain_seconds=1))
        await until(server, lambda: operator.is_leading and not operator.unsynced)
        assert operator.ended == []
        network.is_on = True
        server.cut_watches()
        with pytest.raises(VitalTaskEndedError, match=words):
            await running
        assert operator.ended == [words]

    run_virtual(main)


def test_a_queue_that_loses_keys_ends_the_operator() -> None:
    async def main() -> None:
        server, metrics = make_server(), Metrics()
        operator = make_operator(server, metrics=metrics)
        running = asyncio.create_task(operator.run(asyncio.Event(), drain_seconds=1))
        await until(server, lambda: operator.is_leading)
        del metrics.reconciles  # the bookkeeping after a key's work now fails
        server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
        operator.wake(PROJECTS, "shop", "default")
        with pytest.raises(VitalTaskEndedError, match="the queue failed: RuntimeError: the queue is broken"):
            await running

    run_virtual(main)


@pytest.mark.parametrize(
    ("fails", "words"), [(False, "Kopf ended"), (True, "Kopf failed: RuntimeError: no way")], ids=["ended", "failed"]
)
def test_what_runs_beside_it_must_not_end_either(words: str, *, fails: bool) -> None:
    async def beside() -> None:
        await pass_time(5)
        if fails:
            raise RuntimeError("no way")

    async def main() -> None:
        operator = make_operator(make_server())
        with pytest.raises(VitalTaskEndedError, match=words):
            await operator.run(asyncio.Event(), drain_seconds=1, also={"Kopf": beside()})

    run_virtual(main)


def test_an_operator_that_is_told_to_stop_ends_well() -> None:
    async def main() -> None:
        server, stop, metrics = make_server(), asyncio.Event(), Metrics()
        operator = make_operator(server, metrics=metrics)
        running = asyncio.create_task(operator.run(stop, drain_seconds=1, also={"Kopf": asyncio.Event().wait()}))
        await until(server, lambda: operator.is_leading and not operator.unsynced)
        stop.set()
        assert await running
        assert operator.ended == []
        assert metrics.registry.get_sample_value("codecourier_leading") == 0

    run_virtual(main)


class Halted(FaultyNetwork):
    """Cuts off the Lease, and holds every write about Projects until the operator has ended."""

    def __init__(self) -> None:
        super().__init__(LEASES, Unanswered("cut off"))
        self.released = asyncio.Event()
        self.held: list[Call] = []
        self.carried: list[Call] = []

    async def before(self, call: Call) -> None:
        await super().before(call)
        if call.resource == PROJECTS and call.write:
            self.held.append(call)
            await self.released.wait()
            self.carried.append(call)


def test_no_write_follows_the_loss_of_the_lease() -> None:
    async def main() -> None:
        server, network = make_server(), Halted()
        operator = make_operator(server, network=network)
        server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
        repository = {"url": "https://forge.test/example/shop", "credentialRef": {"name": "token"}}
        body = {"metadata": {"name": "default", "namespace": "shop"}, "spec": {"repositories": [repository]}}
        running = asyncio.create_task(operator.run(asyncio.Event(), drain_seconds=1))
        await until(server, lambda: operator.is_leading)
        server.store.create(PROJECTS, body)
        network.is_on = True
        assert not await running
        assert network.held
        network.released.set()
        await pass_time(60)
        assert network.carried == []

    run_virtual(main)


def test_a_standby_is_ready_and_does_nothing() -> None:
    async def main() -> None:
        server, stop = make_server(), asyncio.Event()
        first, second = (make_operator(server, identity=name) for name in ("first", "second"))
        runs = [asyncio.create_task(operator.run(stop, drain_seconds=1)) for operator in (first, second)]
        await until(server, lambda: first.is_leading or second.is_leading)
        await pass_time(60)
        assert [first.is_leading, second.is_leading].count(True) == 1
        assert first.unsynced == second.unsynced == []
        stop.set()
        assert all(await asyncio.gather(*runs))

    run_virtual(main)
