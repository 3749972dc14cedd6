"""A RecurringTask on a real API server: it fires once, runs when a user asks, and keeps as many Runs as it may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.kinds.api_resources import RECURRING_TASKS, RUNS, SPRINT_CHAINS, WORKFLOWS
from codecourier.kube.api import EVENTS, Json
from codecourier.local.cluster import LocalCluster
from codecourier.local.demo.stage import example_workflow
from tests.support.main_job import MainJob, main_job, wait_for
from tests.support.tasks import due_slot, make_due_task, seal_days

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

RUN_NOW = "codecourier.dev/run-now"


@pytest_asyncio.fixture
async def job(cluster: LocalCluster, namespace: str, tmp_path: Path) -> AsyncIterator[MainJob]:
    """Return a stage without its chain, whose operator is not started yet."""
    async with main_job(cluster, namespace, tmp_path) as ready:
        await ready.api.delete(SPRINT_CHAINS, ready.stage.namespace, ready.stage.chain)
        yield ready


async def test_a_slot_fires_and_a_user_runs_the_task_again(job: MainJob) -> None:
    namespace = job.stage.namespace
    slot = due_slot(datetime.now(UTC))
    await make_task(job, slot)
    with job.operator():
        task = await until(job, lambda task: results_of(task) == ["Completed"])
        record = task["status"]["history"][0]
        assert (record["slot"], record["disposition"]) == (f"{slot:%Y-%m-%dT%H:%M:%SZ}", "Fired")
        assert task["status"]["phase"] == "Active"
        assert datetime.fromisoformat(task["status"]["nextRunTime"]) == slot + timedelta(days=1)
        run = await job.api.get(RUNS, namespace, record["run"])
        assert (run["spec"]["scheduledFor"], run["spec"]["recurrencePattern"]) == (record["slot"], "Daily")

        for value in ("first", "second"):
            await job.api.patch(RECURRING_TASKS, namespace, "audit", {"metadata": {"annotations": {RUN_NOW: value}}})
            await until(job, partial(has_run, value))
        task = await job.api.get(RECURRING_TASKS, namespace, "audit")
        assert [record.get("isManual", False) for record in task["status"]["history"]] == [True, True, False]
        await seal_days(job.api, namespace, datetime.now(UTC))
        newest = task["status"]["history"][0]["run"]
        await wait_for(job.api, RUNS, namespace, lambda runs: list(runs) == [newest])
    reasons = {event["reason"] for event in (await job.api.list(EVENTS, namespace)).items}
    assert "Fired" in reasons


async def make_task(job: MainJob, slot: datetime) -> None:
    """Make a task that is due at a slot and takes a workspace in which nothing was changed."""
    namespace = job.stage.namespace
    workflow = example_workflow()
    workflow["metadata"] = {"name": "unchecked", "namespace": namespace}
    del workflow["spec"]["verify"]
    await job.api.create(WORKFLOWS, workflow)
    spec = {"prompt": "SCRIPTED_AGENT=nothing", "completedRunsHistoryLimit": 1}
    await make_due_task(job.api, namespace, "audit", slot, "unchecked", **spec)


async def until(job: MainJob, condition: Callable[[Json], bool]) -> Json:
    """Wait until the task meets a condition."""
    tasks = await wait_for(job.api, RECURRING_TASKS, job.stage.namespace, lambda tasks: condition(tasks["audit"]))
    return tasks["audit"]


def has_run(value: str, task: Json) -> bool:
    """Tell whether the Run that a value of the annotation asked for has ended."""
    return task["status"].get("handledRunNow") == value and None not in results_of(task)


def results_of(task: Json) -> list[str | None]:
    """Return how the Runs of the recorded slots ended, newest first; None: not yet."""
    return [record.get("result") for record in task["status"].get("history") or ()]
