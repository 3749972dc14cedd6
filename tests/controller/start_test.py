"""How an operator starts: with one list of each kind where it leads at once, with a fresh one where it led later."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

from codecourier.core.run.world import RunWorld
from codecourier.core.shared.worlds import World
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import REGISTRY
from codecourier.kube.api import LEASES, NAMESPACES
from codecourier.kube.errors import ApiError
from tests.simulation.clock import pass_time, virtual
from tests.simulation.network import Call, Network
from tests.support.simulated import make_operator, make_server


class Counting(Network):
    """Counts the lists of each kind."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.lists: Counter[str] = Counter()

    async def after(self, call: Call, error: ApiError | None) -> None:
        """Count a call that was answered."""
        if call.verb == "list":
            self.lists[call.resource.title] += 1
        await super().after(call, error)


ONCE = {kind.source.resource.title: 1 for kind in REGISTRY.cached}


@virtual
async def test_each_kind_is_listed_once_by_a_leader_and_once_more_by_a_standby_that_takes_over() -> None:
    server, stops = make_server(), [asyncio.Event(), asyncio.Event()]
    networks = [Counting(), Counting()]
    operators = [make_operator(server, identity=f"operator-{n}", network=networks[n]) for n in range(2)]
    tasks = [asyncio.create_task(operators[n].run(stops[n], 5.0)) for n in range(1)]
    await pass_time(5.0)
    assert operators[0].is_leading
    assert networks[0].lists == ONCE
    tasks.append(asyncio.create_task(operators[1].run(stops[1], 5.0)))
    await pass_time(5.0)
    assert (operators[1].is_leading, operators[1].unsynced) == (False, [])
    assert networks[1].lists == ONCE
    stops[0].set()
    await pass_time(30.0)
    assert operators[1].is_leading
    assert networks[1].lists == dict.fromkeys(ONCE, 2), "what a standby knows may be old"
    stops[1].set()
    await asyncio.gather(*tasks)
    assert server.store.list(LEASES, "codecourier-system")


@virtual
async def test_what_is_unfinished_is_planned_before_what_is_finished() -> None:
    server, stop, planned = make_server(), asyncio.Event(), list[str]()
    server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
    for number in range(60):
        name = f"finished-{number}" if number < 58 else f"new-{number}"
        spec = {"workflowRef": {"name": "scripted"}, "prompt": "Fix it."}
        body = {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}
        run = server.store.create(RUNS, body).copy()
        if number < 58:
            server.store.update(RUNS, run | {"status": {"phase": "Completed", "attempt": 1}}, "status")

    def note(world: World) -> None:
        if isinstance(world, RunWorld):
            planned.append(world.run.name)

    operator = make_operator(server, inspect=note)
    running = asyncio.create_task(operator.run(stop, 5.0))
    await pass_time(5.0)
    assert len(set(planned)) == 60, "what is finished may have work left that a crash cut short"
    # Every fourth turn is for what is finished.
    assert max(planned.index("new-58"), planned.index("new-59")) <= 4
    stop.set()
    await running
