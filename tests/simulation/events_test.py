"""Kubernetes Events of Runs to which nothing happens: each says something new."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from codecourier.kube.api import EVENTS
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.scenario import REFERENCE
from tests.simulation.steps import Behaviour

pytestmark = [pytest.mark.simulation]


@pytest.mark.parametrize("behaviour", [Behaviour.NOTHING, Behaviour.CHANGES])
def test_a_healthy_run_posts_its_start_and_its_end(behaviour: Behaviour) -> None:
    async def play() -> list[str]:
        behaviours = {("run-0", 0): behaviour}
        cluster = SimulatedCluster(replace(REFERENCE, chains=0, runs=1, behaviours=behaviours))
        await asyncio.sleep(300)
        events = (stored.obj for stored in cluster.server.store.list(EVENTS, NAMESPACE))
        return [event["reason"] for event in events if event["regarding"]["name"].startswith("run-0")]

    assert sorted(run_virtual(play)) == [
        "Completed" if behaviour is Behaviour.CHANGES else "NothingToChange",
        "Started",
    ]
