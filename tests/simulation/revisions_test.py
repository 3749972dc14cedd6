"""Revisions of Workflows over the whole operator: stored once, kept within an attempt, collected, never forged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from codecourier.core.shared.revisions import revision_name
from codecourier.kinds.api_resources import RUNS, SANDBOXES, WORKFLOWS
from codecourier.kube.api import CONTROLLER_REVISIONS, PODS, Json, Resource
from codecourier.resources.workflow import Workflow
from tests.simulation.clock import run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.faults import NoFaults
from tests.simulation.invariants.objects import FINISHED
from tests.simulation.scenario import REFERENCE, Scenario

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(120)]

RUN = replace(REFERENCE, mood="peopled", chains=0, runs=1)

LONG = "x" * 4096
HUGE: Json = {
    "image": "agent",
    "agent": {"command": [LONG] * 64},
    "setup": [LONG] * 32,
    "verify": [LONG] * 32,
    "env": [{"name": f"V{number}", "value": LONG} for number in range(64)],
    "promptTemplate": "{{ prompt }}" + "x" * 16_000,
}
"""A Workflow near its bounds: no pod can hold its task, so a Run of it fails soon."""

Story = Callable[[SimulatedCluster], Awaitable[None]]


def play(story: Story, scenario: Scenario = RUN) -> None:
    """Play a story from the beginning; no invariant may break."""

    async def main() -> None:
        cluster = SimulatedCluster(scenario, NoFaults())
        await story(cluster)
        assert cluster.monitor.violation is None, "\n".join(cluster.trace)

    run_virtual(main)


async def until(cluster: SimulatedCluster, holds: Callable[[], bool]) -> None:
    """Wait until something holds, for an hour of the cluster's time at most."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 3600
    while not holds():
        assert loop.time() < end, "\n".join(cluster.trace)
        await asyncio.sleep(0.5)


@contextmanager
def people(cluster: SimulatedCluster) -> Iterator[None]:
    """Do something as people do."""
    cluster.monitor.is_people = True
    yield
    cluster.monitor.is_people = False


def some(cluster: SimulatedCluster, resource: Resource) -> list[Json]:
    """Return the objects of a kind."""
    return [stored.copy() for stored in cluster.server.store.list(resource, NAMESPACE)]


def run_status(cluster: SimulatedCluster, name: str = "run-0") -> Json:
    """Return the status of a Run."""
    return next((run.get("status") or {} for run in some(cluster, RUNS) if run["metadata"]["name"] == name), {})


async def edit(cluster: SimulatedCluster, image: str) -> None:
    """Edit the Workflow, as people do, and wait until the operator has heard of it."""
    with people(cluster):
        cluster.server.edit(WORKFLOWS, NAMESPACE, "scripted", lambda workflow: workflow["spec"].update(image=image))
    await asyncio.sleep(1)


def images(cluster: SimulatedCluster, run: str = "run-0") -> set[str]:
    """Return the images of a Run's agents."""
    pods = (pod for pod in some(cluster, PODS) if pod["metadata"]["name"].startswith(run))
    containers = (container for pod in pods for container in pod["spec"]["initContainers"])
    return {container["image"] for container in containers if container["name"] == "agent"}


async def until_phase(cluster: SimulatedCluster, phase: str, name: str = "run-0") -> None:
    """Wait until a Run has a phase."""
    await until(cluster, lambda: run_status(cluster, name).get("phase") == phase)


async def until_pod(cluster: SimulatedCluster) -> None:
    """Wait until a pod runs."""
    await until(cluster, lambda: any(pod["status"]["phase"] == "Running" for pod in some(cluster, PODS)))


def test_150_runs_of_a_huge_workflow_store_it_once() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        with people(cluster):
            cluster.server.edit(WORKFLOWS, NAMESPACE, "scripted", lambda workflow: workflow.update(spec=HUGE))
        await until(
            cluster,
            lambda: all((run.get("status") or {}).get("phase") in FINISHED for run in some(cluster, RUNS)),
        )
        runs, (revision,) = some(cluster, RUNS), some(cluster, CONTROLLER_REVISIONS)
        assert {run["status"]["workflowRevision"] for run in runs} == {revision["metadata"]["name"]}
        size = len(json.dumps(revision))
        assert size > 700_000
        assert (
            sum(len(json.dumps(run)) for run in runs)
            + sum(len(json.dumps(sandbox)) for sandbox in some(cluster, SANDBOXES))
            < 2 * size
        )

    play(story, replace(RUN, runs=150, limit=50))


def test_a_workflow_that_is_edited_counts_for_what_starts_later() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until_phase(cluster, "Queued", "run-1")
        await until_pod(cluster)
        await edit(cluster, "agent:2")
        cluster.nodes.evict()
        for name in ("run-0", "run-1"):
            await until_phase(cluster, "Completed", name)
        assert len(run_status(cluster)["tries"]) == 2
        assert images(cluster, "run-0") == {"agent"}, "the second try keeps the Workflow of its attempt"
        assert images(cluster, "run-1") == {"agent:2"}
        first, second = (run_status(cluster, name)["workflowRevision"] for name in ("run-0", "run-1"))
        assert first != second

    play(story, replace(RUN, runs=2))


def test_a_revision_that_a_user_deletes_is_made_again_from_an_unchanged_workflow() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until_pod(cluster)
        (revision,) = some(cluster, CONTROLLER_REVISIONS)
        cluster.server.store.delete(CONTROLLER_REVISIONS, NAMESPACE, revision["metadata"]["name"])
        cluster.nodes.evict()
        await until_phase(cluster, "Completed")
        (again,) = some(cluster, CONTROLLER_REVISIONS)
        assert again["data"] == revision["data"]
        assert again["metadata"]["uid"] != revision["metadata"]["uid"]

    play(story)


def test_an_attempt_whose_revision_is_lost_ends_and_the_next_one_takes_the_workflow_as_it_is() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until_pod(cluster)
        await edit(cluster, "agent:2")
        (revision,) = some(cluster, CONTROLLER_REVISIONS)
        cluster.server.store.delete(CONTROLLER_REVISIONS, NAMESPACE, revision["metadata"]["name"])
        cluster.nodes.evict()
        await until_phase(cluster, "Failed")
        assert "Raise spec.attempt" in run_status(cluster)["message"]
        with people(cluster):
            cluster.server.edit(RUNS, NAMESPACE, "run-0", lambda run: run["spec"].update(attempt=2))
        await until_phase(cluster, "Completed")
        assert images(cluster) == {"agent", "agent:2"}

    play(story)


def test_a_lost_revision_does_not_stop_a_pod_that_runs() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until_pod(cluster)
        await edit(cluster, "agent:2")
        (revision,) = some(cluster, CONTROLLER_REVISIONS)
        cluster.server.store.delete(CONTROLLER_REVISIONS, NAMESPACE, revision["metadata"]["name"])
        await until_phase(cluster, "Completed")
        assert len(run_status(cluster)["tries"]) == 1

    play(story)


def test_a_revision_that_a_member_made_first_is_not_used_and_said() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        (workflow,) = some(cluster, WORKFLOWS)
        name = revision_name(Workflow.model_validate(workflow))
        spec = workflow["spec"] | {"image": "evil"}
        forged = {"metadata": {"name": name, "namespace": NAMESPACE}, "data": spec, "revision": 1}
        cluster.server.store.create(CONTROLLER_REVISIONS, forged)
        await until(cluster, lambda: name in run_status(cluster).get("message", ""))
        assert (run_status(cluster)["phase"], some(cluster, PODS)) == ("Pending", [])
        cluster.server.store.delete(CONTROLLER_REVISIONS, NAMESPACE, name)
        await until_phase(cluster, "Completed")
        assert images(cluster) == {"agent"}

    play(story)


def test_superseded_revisions_are_collected_and_the_present_one_stays() -> None:
    async def story(cluster: SimulatedCluster) -> None:
        await until_phase(cluster, "Completed")
        (first,) = some(cluster, CONTROLLER_REVISIONS)
        await asyncio.sleep(7200)
        assert some(cluster, CONTROLLER_REVISIONS) == [first], "the next Run would use it"
        await edit(cluster, "agent:2")
        await until(cluster, lambda: not some(cluster, CONTROLLER_REVISIONS))

    play(story)
