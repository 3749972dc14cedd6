"""How often the operator writes, counted by the API server's audit log.

Docs: `docs/decisions/0006-writes-of-a-run.md` says which write is for what. A number that grows here is a cost for
every Run; one that falls has to be explained there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from codecourier.core.run.start import DECISION_GRACE
from codecourier.core.sandbox.news import USUAL_SHORT, USUAL_START
from codecourier.core.shared.reasons import Reason
from codecourier.kinds.api_resources import RUNS, SANDBOXES, WORKFLOWS
from codecourier.kube.api import EVENTS, PODS, Json
from codecourier.local.cluster import LocalCluster
from codecourier.local.demo.stage import example_workflow
from codecourier.resources.meta import API_VERSION
from tests.support.audit import Write, count, read_writes
from tests.support.main_job import MainJob, main_job, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

TRY = Counter({"sandboxes": 1, "secrets": 3, "pods": 2, "sandboxes/status": 1, "usagerecords": 1})
"""Sandbox; Secret made, let go and deleted; pod made and let go; its end; the record."""

WITHOUT_PULL_REQUEST = TRY + Counter({"runs": 1, "runs/status": 2, "notifications": 1})
"""Finalizer; Running and the end; the Run's Notification. The place in the Project's list is shared by Runs."""

WITH_PULL_REQUEST = WITHOUT_PULL_REQUEST + Counter({"runs/status": 1, "notifications": 1})
"""The claim of the pull request, and its Notification."""

SPRINT = TRY + Counter(
    {"runs": 1, "runs/status": 3, "notifications": 2, "sprintchains/status": 1, "projects/status": 1}
)
"""The Run is made with its finalizer; one write of the chain closes a sprint and claims the next."""

CHAIN = Counter({"sprintchains": 1, "sprintchains/status": 1, "notifications": 1})
"""Finalizer; the first claim; the chain's own Notification."""

ONCE = Counter(
    {"projects": 1, "projects/status": 1, "workflows/status": 2, "controllerrevisions": 2, "networkpolicies": 1}
)
"""The Project's finalizer; that it and both Workflows are accepted, a revision of each; the NetworkPolicy."""


@pytest_asyncio.fixture
async def job(cluster: LocalCluster, namespace: str, tmp_path: Path) -> AsyncIterator[MainJob]:
    """Return a chain of three sprints whose operator is not started yet."""
    async with main_job(cluster, namespace, tmp_path) as ready:
        yield ready


async def test_a_chain_and_single_runs_are_written_as_seldom_as_they_can_be(job: MainJob) -> None:
    await add_workflow_without_checks(job)
    with job.operator():
        await job.finished()
        await complete_run(job, "idle", "SCRIPTED_AGENT=nothing")
        await complete_run(job, "busy", "Write notes.")
    writes = read_writes(job.cluster.layout.audit_log, job.stage.namespace)
    slow = await slow_starts(job)
    assert not count(writes, lambda name: "idle" in name) - WITHOUT_PULL_REQUEST - slow["idle"]
    assert not count(writes, lambda name: "busy" in name) - WITH_PULL_REQUEST - slow["busy"]
    others = count(writes, lambda name: "idle" not in name and "busy" not in name)
    places = Counter({"projects/status": 2})
    assert not others - (SPRINT + SPRINT + SPRINT + CHAIN + ONCE + places) - slow[job.stage.chain]
    for run in ("idle", "busy"):
        reasons = await events_about(job, run)
        assert len(reasons) == 2, reasons  # its start and its end
        assert "Started" in reasons
    assert_told_before_the_end(writes, "idle")
    assert_told_before_the_end(writes, "busy")


async def add_workflow_without_checks(job: MainJob) -> None:
    """Make a Workflow that takes a workspace in which nothing was changed."""
    workflow = example_workflow()
    workflow["metadata"] = {"name": "unchecked", "namespace": job.stage.namespace}
    del workflow["spec"]["verify"]
    await job.api.create(WORKFLOWS, workflow)


async def complete_run(job: MainJob, name: str, prompt: str) -> None:
    """Make a Run as a person does, and wait for its end."""
    spec = {"workflowRef": {"name": "unchecked"}, "prompt": prompt}
    metadata = {"name": name, "namespace": job.stage.namespace}
    await job.api.create(RUNS, {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": spec})

    def is_over(runs: dict[str, Json]) -> bool:
        return (runs[name].get("status") or {}).get("phase") in {"Completed", "Failed", "Cancelled"}

    status = (await wait_for(job.api, RUNS, job.stage.namespace, is_over))[name]["status"]
    assert status["phase"] == "Completed", status["message"]


async def events_about(job: MainJob, name: str) -> list[str]:
    """Return the reasons of the operator's Events about a Run and all that was made for it, but slow starts."""
    events = (await job.api.list(EVENTS, job.stage.namespace)).items
    about = [event for event in events if event["regarding"]["name"].startswith(name)]
    ours = [event["reason"] for event in about if event["reportingController"] == "codecourier.dev/operator"]
    return [reason for reason in ours if reason not in {"Queued", Reason.STARTING}]


async def slow_starts(job: MainJob) -> dict[str, Counter[str]]:
    """Return by beginning of the name the writes that are due because the machine was slow.

    They say Queued, Starting, and that a pod runs that has not ended after some seconds.
    """
    namespace = job.stage.namespace
    runs = {run["metadata"]["name"]: run for run in (await job.api.list(RUNS, namespace)).items}
    pods = {pod["metadata"]["name"]: pod for pod in (await job.api.list(PODS, namespace)).items}
    allowed = {start: Counter[str]() for start in ("idle", "busy", job.stage.chain)}
    for sandbox in (await job.api.list(SANDBOXES, namespace)).items:
        run, pod = runs[sandbox["spec"]["runRef"]["name"]], pods[sandbox["metadata"]["name"]]
        start = next(start for start in allowed if run["metadata"]["name"].startswith(start))
        if lateness(run, run["status"]["startTime"]) >= DECISION_GRACE:
            allowed[start]["runs/status"] += 1
        if lateness(pod, sandbox["status"]["startTime"]) >= USUAL_START:
            allowed[start]["sandboxes/status"] += 1
        if told_after(sandbox) >= USUAL_SHORT:
            allowed[start]["sandboxes/status"] += 1
    return allowed


def lateness(obj: Json, time: str) -> timedelta:
    """Return how long after an object's creation a time is."""
    return datetime.fromisoformat(time) - datetime.fromisoformat(obj["metadata"]["creationTimestamp"])


def told_after(sandbox: Json) -> timedelta:
    """Return how long after the start of a Sandbox's pod its end was written."""
    (end,) = (c["lastTransitionTime"] for c in sandbox["status"]["conditions"] if c["type"] == "Succeeded")
    return datetime.fromisoformat(end) - datetime.fromisoformat(sandbox["status"]["startTime"])


def assert_told_before_the_end(writes: list[Write], run: str) -> None:
    """Check that the last write of a Run comes after everything that tells of it."""
    own = [write for write in writes if run in write.name]
    end = max(i for i, write in enumerate(own) if write.resource == "runs/status")
    told = [i for i, write in enumerate(own) if write.resource in {"notifications", "usagerecords"}]
    assert max(told) < end
