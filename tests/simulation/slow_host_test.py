"""A repository's host that answers, but too slowly for all that is asked: what has to stop does not wait for it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from codecourier.kinds.api_resources import RUNS, SANDBOXES
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.stories import RUN, cancel, delete, find, is_over, play_story, slow_minting, status_of, until

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

RUNS_AT_ONCE = 100
OPERATION_SECONDS = 25.0
BOUND_SECONDS = 150.0
"""A turn that is waited for, an operation, and the stop itself; all tokens are minted after ten minutes."""


def test_a_run_whose_tokens_wait_for_a_slow_host_says_so_and_can_be_stopped() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        names = [f"run-{number}" for number in range(RUNS_AT_ONCE)]
        await until(cluster, 60, lambda: all(status_of(cluster, name).get("tries") for name in names))
        await until(cluster, 120, lambda: any("answers too slowly" in status_of(cluster, n)["message"] for n in names))
        waiting = [name for name in names if "answers too slowly" in status_of(cluster, name)["message"]]
        stopped, deleted = waiting[-2:]
        cancel(cluster, stopped)
        delete(cluster, deleted)
        await until(cluster, BOUND_SECONDS, lambda: is_over(cluster, stopped) and find(cluster, RUNS, deleted) is None)
        assert status_of(cluster, stopped)["phase"] == "Cancelled"
        sandbox = status_of(cluster, stopped)["tries"][0]["sandbox"]
        await until(
            cluster, 60, lambda: find(cluster, SANDBOXES, sandbox) is None or is_over(cluster, sandbox, SANDBOXES)
        )

    with slow_minting(OPERATION_SECONDS):
        play_story(replace(RUN, is_personal=False, runs=RUNS_AT_ONCE, limit=RUNS_AT_ONCE), story)


def test_a_run_that_is_stopped_before_its_host_is_known_to_be_slow_ends_as_soon() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        last = f"run-{RUNS_AT_ONCE - 1}"
        await until(cluster, 60, lambda: bool(status_of(cluster, last).get("tries")))
        await asyncio.sleep(5)
        cancel(cluster, last)
        await until(cluster, BOUND_SECONDS, lambda: is_over(cluster, last))

    with slow_minting(OPERATION_SECONDS):
        play_story(replace(RUN, is_personal=False, runs=RUNS_AT_ONCE, limit=RUNS_AT_ONCE), story)
