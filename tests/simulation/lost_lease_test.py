"""A leader that hears late of the loss of its Lease, beside the next leader: it asks nothing of a host any more."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import pytest

from codecourier.kube.api import LEASES
from codecourier.kube.lease import LeaderElector
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.faults import Fault
from tests.simulation.forge import FORGE
from tests.simulation.network import Call
from tests.simulation.stories import RUN, is_over, slow_minting, status_of, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

RUNS = 20
CUT_SECONDS = 1.0
"""When the first leader can no longer renew its Lease."""


@dataclass
class CutOff:
    """Cuts the first leader off from its Lease, and counts the calls at the forge that each operator began."""

    leader: str = ""
    lost: bool = False
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def choose(self, call: Call) -> Fault | None:
        """Drop what the first leader says of the Lease."""
        if call.resource == FORGE:
            (self.after if self.lost else self.before)[call.client] += 1
        if call.resource != LEASES:
            return None
        if call.write and not self.leader:
            self.leader = call.client
        is_cut = asyncio.get_running_loop().time() > CUT_SECONDS and call.client == self.leader
        return Fault.DROPPED if is_cut else None


@contextmanager
def deaf(cut: CutOff) -> Iterator[None]:
    """Let no operator hear of a loss, as one that stood still does not."""
    right = LeaderElector.run

    async def run(self: LeaderElector, _on_lost: Callable[[], Any]) -> None:
        await right(self, lambda: setattr(cut, "lost", True))
        await asyncio.Event().wait()

    with patch.object(LeaderElector, "run", run):
        yield


def test_a_leader_that_lost_its_lease_starts_nothing_at_a_host() -> None:
    cut = CutOff()

    async def play() -> None:
        cluster = SimulatedCluster(replace(RUN, is_personal=False, operators=2, runs=RUNS, limit=RUNS), cut)
        names = [f"run-{number}" for number in range(RUNS)]
        await until(cluster, 60, lambda: cut.lost)
        assert not all(is_over(cluster, name) for name in names)
        await until(cluster, 1200, lambda: all(is_over(cluster, name) for name in names))
        assert {status_of(cluster, name)["phase"] for name in names} == {"Completed"}
        assert set(cluster.forge.posts().values()) == {1}
        assert cluster.monitor.violation is None
        assert cut.before[f"{cut.leader}@forge"] > 0
        in_flight = cut.after.pop(f"{cut.leader}@forge", 0)
        assert (in_flight <= 4, len(cut.after)) == (True, 1), "only what was under way, in its lane, has ended"

    with slow_minting(10.0), deaf(cut):
        run_virtual(play)
