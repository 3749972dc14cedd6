"""An object that a newer version wrote, after a rollback: others go on without it, and it says why it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from codecourier.core.shared.naming import ANNOTATION_STOP_NOW
from codecourier.kinds.api_resources import PROJECTS, RUNS, SANDBOXES, SPRINT_CHAINS, WORKFLOWS
from codecourier.kinds.registry import REGISTRY
from codecourier.kube.api import EVENTS, NAMESPACES, Json, Resource
from codecourier.resources.crd import build_crd
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.invariants.objects import FINISHED
from tests.simulation.scenario import REFERENCE, Scenario
from tests.simulation.schema import Definition, definition_of
from tests.support.simulated import until

pytestmark = [pytest.mark.simulation]

NEWER = "Hibernating"
"""A phase that this version does not know."""

BOUND_SECONDS = 300.0
"""How long a stop or a deletion may take."""

TWO_RUNS = replace(REFERENCE, chains=0, runs=2, limit=1)


def newer_definitions() -> Sequence[Definition]:
    """Return the kinds as a newer version defines them: with one more phase."""
    manifests = [build_crd(kind.model) for kind in REGISTRY.kinds]
    for manifest in manifests:
        status = manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"].get("status", {})
        if phase := status.get("properties", {}).get("phase"):
            phase["enum"] = [*phase["enum"], NEWER]
        if conditions := status.get("properties", {}).get("conditions"):
            conditions["items"]["properties"]["status"]["enum"] += ["Perhaps"]
    return [definition_of(manifest) for manifest in manifests]


class Trial:
    """A simulated cluster whose kinds are a version newer than its operator. Make it inside the running loop."""

    def __init__(self, scenario: Scenario) -> None:
        self.cluster = SimulatedCluster(scenario, definitions=newer_definitions())

    def get(self, resource: Resource, name: str) -> Json:
        """Return an object as it is now."""
        return self.cluster.server.store.get(resource, NAMESPACE, name).copy()

    def write_phase(self, resource: Resource, name: str, phase: str) -> None:
        """Write a phase as another version does."""
        self.cluster.server.edit(
            resource, NAMESPACE, name, lambda obj: obj.update(status={**obj["status"], "phase": phase})
        )

    def conditions(self, resource: Resource, name: str) -> dict[str, Any]:
        """Return the messages of an object's conditions by type."""
        found = self.get(resource, name)["status"].get("conditions") or ()
        return {condition["type"]: condition["message"] for condition in found}

    def events(self, name: str) -> list[str]:
        """Return the reasons of the Events about an object."""
        events = self.cluster.server.store.list(EVENTS, NAMESPACE)
        return [event.obj["reason"] for event in events if event.obj["regarding"]["name"] == name]

    def phase(self, resource: Resource, name: str) -> str:
        """Return the phase of an object."""
        return str(self.get(resource, name)["status"]["phase"])


def play(scenario: Scenario, steps: Any) -> None:
    async def main() -> None:
        trial = Trial(scenario)
        await steps(trial)
        assert trial.cluster.monitor.violation is None, trial.cluster.monitor.violation

    run_virtual(main)


def test_one_unreadable_run_keeps_no_other_waiting_and_says_so_itself() -> None:
    async def steps(trial: Trial) -> None:
        trial.cluster.monitor.is_people = True
        trial.write_phase(RUNS, "run-0", NEWER)
        await pass_time(120)
        assert trial.phase(RUNS, "run-1") == "Completed"
        assert trial.phase(RUNS, "run-0") == NEWER, "it stays as it is"
        assert "status.phase" in trial.conditions(RUNS, "run-0")["Unreadable"]
        assert trial.events("run-0") == ["Unreadable"], "reported once"
        trial.write_phase(RUNS, "run-0", "Pending")
        await pass_time(120)
        assert trial.phase(RUNS, "run-0") == "Completed"
        assert "Unreadable" not in trial.conditions(RUNS, "run-0")

    play(TWO_RUNS, steps)


def test_an_unreadable_run_keeps_its_place() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.phase(RUNS, "run-0") == "Running")
        trial.cluster.monitor.is_people = True
        trial.write_phase(RUNS, "run-0", NEWER)
        await pass_time(300)
        admitted = [entry["name"] for entry in trial.get(PROJECTS, "default")["status"]["admitted"]]
        assert admitted == ["run-0"], "its pod may run"
        assert trial.phase(RUNS, "run-1") == "Queued"

    play(TWO_RUNS, steps)


def test_an_agent_goes_on_whose_run_cannot_be_read() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.cluster.server.store.list(SANDBOXES, NAMESPACE))
        trial.cluster.monitor.is_people = True
        trial.write_phase(RUNS, "run-0", NEWER)
        await pass_time(300)
        (sandbox,) = trial.cluster.server.store.list(SANDBOXES, NAMESPACE)
        assert (sandbox.obj["status"]).get("phase") != "Cancelled"
        assert "Unreadable" in trial.events(sandbox.metadata["name"]), "it says what it waits for"

    play(replace(TWO_RUNS, runs=1), steps)


@pytest.mark.parametrize("resource", [SANDBOXES, RUNS], ids=lambda resource: str(resource.kind))
def test_what_a_newer_version_wrote_of_a_chains_own_is_not_made_twice(resource: Resource) -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.cluster.server.store.list(resource, NAMESPACE))
        (found,) = trial.cluster.server.store.list(resource, NAMESPACE)
        trial.cluster.monitor.is_people = True
        trial.write_phase(resource, found.metadata["name"], NEWER)
        await pass_time(600)
        assert len(trial.cluster.server.store.list(resource, NAMESPACE)) == 1
        assert trial.phase(SPRINT_CHAINS, "chain-0") == "Running"
        assert len(trial.cluster.nodes.starts) <= 1

    play(REFERENCE, steps)


def say_on(trial: Trial, name: str) -> list[str]:
    """Return the notes of the Events Unreadable about an object."""
    events = trial.cluster.server.store.list(EVENTS, NAMESPACE)
    about = (event.obj for event in events if event.obj["regarding"]["name"] == name)
    return [event["note"] for event in about if event["reason"] == "Unreadable"]


def test_a_parent_says_which_child_it_waits_for() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.cluster.server.store.list(SANDBOXES, NAMESPACE))
        (sandbox,) = trial.cluster.server.store.list(SANDBOXES, NAMESPACE)
        (run,) = trial.cluster.server.store.list(RUNS, NAMESPACE)
        trial.cluster.monitor.is_people = True
        trial.write_phase(SANDBOXES, sandbox.metadata["name"], NEWER)
        await pass_time(60)
        assert any(sandbox.metadata["name"] in note for note in say_on(trial, run.metadata["name"]))
        trial.write_phase(RUNS, run.metadata["name"], NEWER)
        await pass_time(60)
        assert any(run.metadata["name"] in note for note in say_on(trial, "chain-0"))

    play(REFERENCE, steps)


def test_a_run_in_a_namespace_that_goes_is_not_over_while_its_sandbox_cannot_be_read() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.cluster.server.store.list(SANDBOXES, NAMESPACE))
        (sandbox,) = trial.cluster.server.store.list(SANDBOXES, NAMESPACE)
        trial.cluster.monitor.is_people = True
        trial.write_phase(SANDBOXES, sandbox.metadata["name"], NEWER)
        trial.cluster.monitor.is_namespace_ending = True
        trial.cluster.server.store.delete(NAMESPACES, None, NAMESPACE)
        await pass_time(60)
        assert trial.phase(RUNS, "run-0") == "Running", "its agent may still work"

    play(replace(TWO_RUNS, runs=1), steps)


def test_a_finished_run_goes_once_its_chain_can_be_read_again() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.phase(SPRINT_CHAINS, "chain-0") == "Completed")
        trial.cluster.monitor.is_people = True
        conditions = trial.get(SPRINT_CHAINS, "chain-0")["status"]["conditions"]
        write_conditions(trial, SPRINT_CHAINS, "chain-0", conditions, "Perhaps")
        await pass_time(10)
        for run in trial.cluster.server.store.list(RUNS, NAMESPACE):
            trial.cluster.server.store.delete(RUNS, NAMESPACE, run.metadata["name"])
        await pass_time(10)
        assert trial.cluster.server.store.list(RUNS, NAMESPACE), "it waits for what it cannot read"
        write_conditions(trial, SPRINT_CHAINS, "chain-0", conditions, None)
        await until(trial.cluster.server, lambda: not trial.cluster.server.store.list(RUNS, NAMESPACE))

    play(REFERENCE, steps)


@pytest.mark.parametrize(("resource", "name"), [(PROJECTS, "default"), (WORKFLOWS, "scripted")])
@pytest.mark.parametrize("seconds", [0.5, 8.0, 120.0])
def test_runs_are_stopped_and_deleted_whose_project_or_workflow_cannot_be_read(
    resource: Resource, name: str, seconds: float
) -> None:
    async def steps(trial: Trial) -> None:
        cluster, store = trial.cluster, trial.cluster.server.store
        await pass_time(seconds)
        cluster.monitor.is_people = True
        write_conditions(trial, resource, name, trial.get(resource, name)["status"]["conditions"], "Perhaps")
        await pass_time(5)
        cluster.server.edit(RUNS, NAMESPACE, "run-0", lambda run: run["spec"].update(cancelled=True))
        store.delete(RUNS, NAMESPACE, "run-1")
        async with asyncio.timeout(BOUND_SECONDS):
            await until(cluster.server, lambda: store.find((RUNS, NAMESPACE, "run-1")) is None)
            await until(cluster.server, lambda: trial.phase(RUNS, "run-0") in FINISHED)
        sandboxes = store.list(SANDBOXES, NAMESPACE)
        assert all(sandbox.obj["status"]["phase"] in FINISHED for sandbox in sandboxes)
        assert all(token.is_revoked for token in cluster.forge.tokens.values())
        store.delete(RUNS, NAMESPACE, "run-0")
        async with asyncio.timeout(BOUND_SECONDS):
            await until(cluster.server, lambda: not [*store.list(SANDBOXES, NAMESPACE), *store.list(RUNS, NAMESPACE)])

    play(replace(TWO_RUNS, limit=2, is_personal=False), steps)


@pytest.mark.parametrize(("resource", "name"), [(PROJECTS, "default"), (WORKFLOWS, "scripted")])
def test_a_chain_is_stopped_and_deleted_whose_project_or_workflow_cannot_be_read(resource: Resource, name: str) -> None:
    async def steps(trial: Trial) -> None:
        cluster, store = trial.cluster, trial.cluster.server.store
        await until(cluster.server, lambda: store.list(SANDBOXES, NAMESPACE))
        cluster.monitor.is_people = True
        write_conditions(trial, resource, name, trial.get(resource, name)["status"]["conditions"], "Perhaps")
        annotations = {ANNOTATION_STOP_NOW: "true"}
        cluster.server.edit(
            SPRINT_CHAINS, NAMESPACE, "chain-0", lambda chain: chain["metadata"].update(annotations=annotations)
        )
        store.delete(SPRINT_CHAINS, NAMESPACE, "chain-0")
        async with asyncio.timeout(BOUND_SECONDS):
            await until(cluster.server, lambda: not store.list(SPRINT_CHAINS, NAMESPACE))

    play(REFERENCE, steps)


def write_conditions(trial: Trial, resource: Resource, name: str, conditions: list[Json], status: str | None) -> None:
    """Write conditions, all with a status that only another version knows; None: as they are."""
    said = [condition | {"status": status} if status else condition for condition in conditions]
    trial.cluster.server.edit(
        resource, NAMESPACE, name, lambda obj: obj.update(status={**obj["status"], "conditions": said})
    )
