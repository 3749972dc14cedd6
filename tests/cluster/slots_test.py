"""A hundred slots, two operators, and each of them killed while they fire: one Run for each slot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.controller.operator import LEASE_NAME
from codecourier.kinds.api_resources import PROJECTS, RECURRING_TASKS, RUNS
from codecourier.kube.access import load_access
from codecourier.kube.api import LEASES, Json
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE
from codecourier.local.demo.stage import ensure_namespace
from tests.support.main_job import wait_for
from tests.support.tasks import due_slot, make_due_task
from tests.support.team import HELD, Team, make_team, operator_process

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

SLOTS = 100
KILLED_AT = (10, 50)
"""How many Runs there are when the leader is killed: it is started again, and the next time it is not."""

STARTING = timedelta(seconds=15)
"""How long operators take until they lead."""


@pytest_asyncio.fixture
async def team(cluster: LocalCluster) -> AsyncIterator[Team]:
    """Return a team whose one place is taken by the first Run, which never ends."""
    async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
        await ensure_namespace(api, OPERATOR_NAMESPACE)
        async with make_team(api, cluster) as ready:
            await ready.patch(PROJECTS, "default", {"spec": {"limits": {"maxConcurrentRuns": 1}}})
            await ready.workflow(HELD)
            yield ready


async def test_operators_that_are_killed_make_one_run_for_each_slot(team: Team, tmp_path: Path) -> None:
    slot = due_slot(datetime.now(UTC) + STARTING)
    names = [f"task-{number:02}" for number in range(SLOTS)]
    await asyncio.gather(*(make_due_task(team.api, team.namespace, name, slot, "work") for name in names))
    first, second = (operator_process(team.cluster, tmp_path / f"{name}.log", name) for name in ("first", "second"))
    with first, second:
        await wait_for(team.api, RUNS, team.namespace, lambda runs: len(runs) >= KILLED_AT[0])
        operators = {"first": first, "second": second}
        leader = operators[await leader_of(team)]
        leader.kill()
        leader.start()
        await wait_for(team.api, RUNS, team.namespace, lambda runs: len(runs) >= KILLED_AT[1])
        operators[await leader_of(team)].kill()
        await wait_for(team.api, RUNS, team.namespace, lambda runs: len(runs) >= SLOTS)
        tasks = await wait_for(
            team.api, RECURRING_TASKS, team.namespace, lambda tasks: all(map(has_fired, tasks.values()))
        )
    origins = Counter(run["spec"]["origin"]["name"] for run in (await team.api.list(RUNS, team.namespace)).items)
    assert origins == Counter(names)
    records = {name: [record["disposition"] for record in task["status"]["history"]] for name, task in tasks.items()}
    assert records == {name: ["Fired"] for name in names}


async def leader_of(team: Team) -> str:
    """Return the identity of the operator that holds the Lease."""
    lease = await team.api.get(LEASES, OPERATOR_NAMESPACE, LEASE_NAME)
    return str(lease["spec"]["holderIdentity"])


def has_fired(task: Json) -> bool:
    """Tell whether the task's slot has fired, by its status."""
    return bool((task["status"].get("totals") or {}).get("fired"))
