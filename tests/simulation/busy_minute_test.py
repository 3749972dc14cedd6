"""Many tasks that are due in the same minute: their Runs come before what only tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from codecourier.kinds.api_resources import RECURRING_TASKS, RUNS
from codecourier.kube.api import EVENTS, Json
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.scenario import REFERENCE
from tests.simulation.stored import Change
from tests.simulation.stories import play_story, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

TASKS, WORKERS = 40, 16


def test_runs_are_made_before_events_say_that_their_slots_fired() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        store = cluster.server.store
        made: list[str] = []
        store.listeners.append(lambda change: made.extend(name_of(change)))
        for number in range(TASKS):
            metadata = {"name": f"due-{number}", "namespace": NAMESPACE}
            store.create(RECURRING_TASKS, {"metadata": metadata, "spec": spec()})

        await until(cluster, 300, lambda: made.count("Fired") == TASKS)
        assert made[: made.index("Fired")].count("Run") >= TASKS - WORKERS

    play_story(replace(REFERENCE, chains=0, limit=1), story)


def name_of(change: Change) -> Iterator[str]:
    """Yield what a change made: `Run`, or the reason of an Event."""
    if change.type == "ADDED" and change.identity[0] in (RUNS, EVENTS):
        yield change.new.obj.get("reason", "Run")


def spec() -> Json:
    """Return the spec of a task that is due two minutes after the start."""
    workflow = {"name": "scripted"}
    return {
        "frequency": "Daily",
        "timeZone": "UTC",
        "hour": 0,
        "minute": 2,
        "workflowRef": workflow,
        "prompt": "Audit it.",
    }
