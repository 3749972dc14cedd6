"""The values of the gauges: what waits without a worker, what hosts do, what objects wait for and cannot be read."""

from __future__ import annotations

from random import Random
from typing import Any

from codecourier.controller.background import Background
from codecourier.controller.follower import Follower
from codecourier.controller.gauges import register_gauges, register_waiting_gauges
from codecourier.controller.in_flight import InFlight
from codecourier.controller.lookups import LookUps
from codecourier.controller.observe import Observer
from codecourier.controller.queue import KeyQueue
from codecourier.core.shared.facts import BranchHeadAsk, Problem, RepositoryAsk
from codecourier.core.shared.reasons import Reason
from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import Silent
from codecourier.hosts.gate import Gate
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import REGISTRY, WorkKey
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.kube.api import Json
from codecourier.metrics import Metrics
from tests.simulation.clock import pass_time, virtual
from tests.support.desk import NAMESPACE, Desk

READ_SECONDS = 10.0


class HungForge:
    """A forge that answers nothing."""

    async def do(self, _repo: RepositoryRef, _operation: Operation[Any]) -> Any:
        """Hang until the client gives up."""
        await pass_time(READ_SECONDS)
        raise Silent("no answer", may_have_happened=False)


def key(name: str) -> WorkKey:
    """Return the key of a Run."""
    return WorkKey(RUNS, NAMESPACE, name)


def hear_of(desk: Desk, name: str, status: Json) -> None:
    """Let the cache of Runs hear of a status that an API server with another schema has."""
    run = desk.store.raw(RUNS, NAMESPACE, name)
    assert run is not None
    version = str(int(run["metadata"]["resourceVersion"]) + 1000)
    desk.store.cache(RUNS).note_write(
        {**run, "metadata": {**run["metadata"], "resourceVersion": version}, "status": status}
    )


async def work(_key: WorkKey) -> bool:
    """Take long for a key."""
    await pass_time(READ_SECONDS)
    return True


@virtual
async def test_what_waits_for_a_host_that_hangs_is_counted_where_it_waits() -> None:
    desk, metrics = Desk(), Metrics()
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    gate = Gate(HungForge(), desk.clock.now, lambda: True)
    background = Background()
    observer = Observer(desk.api, gate, desk.credentials, REGISTRY)
    look_ups = LookUps(observer, background, lambda _: None)
    follower = Follower(observer.ask_host, background, lambda _: None, desk.clock.now)
    in_flight = InFlight(background, lambda _: None)
    register_waiting_gauges(metrics, look_ups, follower, in_flight, gate)
    in_flight.start(key("d"), key("d"), lambda: pass_time(READ_SECONDS))
    for name, ask in (
        ("a", RepositoryAsk(desk.access)),
        ("b", RepositoryAsk(desk.access)),
        ("c", BranchHeadAsk(desk.access, "main")),
    ):
        assert await look_ups.find(key(name), key(name), (ask,)) is None
    await pass_time(READ_SECONDS / 2)
    read = metrics.registry.get_sample_value
    assert read("codecourier_parked_keys", {"waits_for": "answer"}) == 3
    assert read("codecourier_parked_keys", {"waits_for": "effect"}) == 1
    assert read("codecourier_look_ups") == 2
    assert read("codecourier_forge_operations", {"state": "running"}) == 1
    assert read("codecourier_forge_operations", {"state": "queued"}) == 1
    assert read("codecourier_forge_silent_hosts") == 0
    await pass_time(READ_SECONDS)
    assert read("codecourier_forge_silent_hosts") == 1
    for labels in ({"state": "running"}, {"state": "queued"}):
        assert read("codecourier_forge_operations", labels) == 0
    for labels in ({"waits_for": "answer"}, {"waits_for": "effect"}):
        assert read("codecourier_parked_keys", labels) == 0
    assert read("codecourier_look_ups") == 0


@virtual
async def test_objects_are_counted_by_what_they_wait_for_and_those_that_cannot_be_read() -> None:
    desk, metrics = Desk(), Metrics()
    queue: KeyQueue[WorkKey] = KeyQueue(work, workers=1, random=Random(1))
    register_gauges(metrics, REGISTRY, desk.store, queue, desk.backlog)
    waiting = {"type": "Succeeded", "status": "Unknown", "reason": "QuotaExceeded"}
    over = {"type": "Succeeded", "status": "True", "reason": "Completed"}
    for name in ("fix", "add", "done"):
        desk.make_run(name)
    desk.refresh()
    for name, condition in (("fix", waiting), ("add", waiting), ("done", over)):
        hear_of(desk, name, {"conditions": [condition]})
    read = metrics.registry.get_sample_value
    assert read("codecourier_runs_waiting", {"reason": "QuotaExceeded"}) == 2
    assert read("codecourier_runs_waiting", {"reason": "Completed"}) is None
    hear_of(desk, "add", {"phase": "Dreaming"})
    assert not desk.store.is_readable(RUN_SOURCE, NAMESPACE, "add")
    assert read("codecourier_unreadable_objects", {"kind": "Run"}) == 1
    assert read("codecourier_runs_waiting", {"reason": "QuotaExceeded"}) == 1
    desk.backlog.note(key("fix"), "tokens", Problem(Reason.QUOTA_EXCEEDED, "The quota is used up."))
    assert read("codecourier_failing_effects") == 1
    desk.backlog.note(key("fix"), "tokens", None)
    assert read("codecourier_failing_effects") == 0


@virtual
async def test_keys_are_counted_while_they_wait_for_a_worker_run_and_are_scheduled() -> None:
    desk, metrics = Desk(), Metrics()
    queue: KeyQueue[WorkKey] = KeyQueue(work, workers=1, random=Random(1))
    register_gauges(metrics, REGISTRY, desk.store, queue, desk.backlog)
    queue.release()
    queue.add(key("a"))
    queue.add(key("b"))
    queue.add_at(key("c"), 1000.0)
    await pass_time(5.0)
    read = metrics.registry.get_sample_value
    counts = [read(f"codecourier_queue_{what}") for what in ("running", "depth", "delayed")]
    assert counts == [1, 1, 1]
    await queue.drain(60.0)
