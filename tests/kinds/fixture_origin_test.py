"""A second origin, defined in this file alone: its Runs stop for it, are recorded by it, and report through it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import Field

from codecourier.cache.store import Store, UnreadableError
from codecourier.core.origin import Origin
from codecourier.core.shared.intents import Create, Plan
from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, uid_hash
from codecourier.core.shared.notifications import build_notification
from codecourier.core.shared.worlds import World
from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS, USAGE_RECORDS
from codecourier.kinds.kind import Kind, Planning, Reader, Use, phases
from codecourier.kinds.registry import ALL, Registry
from codecourier.kinds.relation import OriginKind
from codecourier.kinds.relations import marked
from codecourier.kinds.shared import NAMESPACE_ENDING
from codecourier.kinds.sources import RUN_SOURCE
from codecourier.kube.api import Json, custom_resource
from codecourier.resources.crd import build_crd
from codecourier.resources.meta import (
    CustomResource,
    KindInfo,
    LocalReference,
    Model,
    ObjectMeta,
    ObjectName,
    Prompt,
    Status,
)
from codecourier.resources.notification import NotificationType
from codecourier.resources.run import Origin as RunOrigin
from codecourier.resources.run import Run, RunSpec
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import NAMESPACE, SimulatedCluster
from tests.simulation.play import play
from tests.simulation.scenario import REFERENCE, Scenario
from tests.simulation.steps import Behaviour
from tests.support.simulated import until


class BatchPhase(StrEnum):
    """Where a Batch is."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"


class BatchSpec(Model):
    """What is asked for."""

    workflow_ref: LocalReference
    """The Workflow of its Run."""

    prompt: Prompt
    """What its Run is asked to do."""

    stop: bool = False
    """Whether its Run has to stop."""


class BatchStatus(Status):
    """What became of it."""

    phase: BatchPhase = BatchPhase.PENDING
    """Pending, Running or Completed."""

    run: ObjectName | None = None
    """Its Run."""

    end: Annotated[str, Field(max_length=64)] = ""
    """How its Run ended: the ledger."""

    message: Annotated[str, Field(max_length=256)] = ""
    """What happened."""


class Batch(CustomResource):
    """Makes one Run."""

    info: ClassVar[KindInfo] = KindInfo(kind="Batch", plural="batches", makes_runs=True, is_reported=True)

    kind: str = "Batch"
    spec: BatchSpec
    status: BatchStatus = Field(default_factory=BatchStatus)


@dataclass(frozen=True)
class BatchWorld(World):
    """A Batch and what it reads."""

    batch: Batch
    runs: tuple[Run, ...]
    is_namespace_ending: bool


@dataclass(frozen=True)
class BatchOrigin:
    """A Batch as its Run sees it."""

    batch: Batch
    reports_ends: bool = True
    stop_sentence: str = "Stopped because its Batch asked for it."

    @property
    def kind(self) -> str:
        """Its kind."""
        return "Batch"

    @property
    def name(self) -> str:
        """Its name."""
        return self.batch.name

    @property
    def uid(self) -> str:
        """Its UID."""
        return self.batch.uid

    def is_stopping(self, _run: Run) -> bool:
        """Tell whether the Run has to stop."""
        return self.batch.spec.stop

    def has_recorded(self, _run: Run) -> bool:
        """Tell whether the ledger holds the Run's end."""
        return bool(self.batch.status.end)

    def needs(self, run: Run) -> bool:
        """Tell whether the ledger lacks the Run's end."""
        return not self.has_recorded(run)


def make_origin(batch: Batch) -> Origin:
    """Return a Batch as its Run sees it."""
    return BatchOrigin(batch)


_RUNS = marked("spec.origin.uid", "spec.origin.name", RUN_SOURCE, kind="spec.origin.kind")


def gather_batch(read: Reader[Batch], batch: Batch) -> BatchWorld:
    """Read a Batch's world."""
    return BatchWorld(batch, read(_RUNS), read(NAMESPACE_ENDING))


def plan_batch(world: BatchWorld, now: datetime) -> Plan:
    """Pending → Running with a Run → Completed with its end."""
    batch = world.batch
    if batch.status.phase is BatchPhase.COMPLETED or world.is_namespace_ending:
        return Plan()
    run = next(iter(world.runs), None)
    if run is None:
        made = build_run(batch)
        generation = batch.metadata.generation
        running = batch.status.updated(phase=BatchPhase.RUNNING, run=made.name, observed_generation=generation)
        return Plan(status=running, creates=(Create(made),))
    if not run.status.phase.is_finished:
        return Plan(status=batch.status.updated(observed_generation=batch.metadata.generation))
    message = f"Its Run ended as {run.status.phase}."
    told = build_notification(
        batch,
        NotificationType.WORKFLOW_COMPLETED,
        "a1",
        title="A Batch is over",
        message=message,
        event_time=run.status.finish_time or now,
    )
    done = batch.status.updated(phase=BatchPhase.COMPLETED, end=run.status.phase.value, message=message)
    return Plan(records=(Create(told),), status=done)


def build_run(batch: Batch) -> Run:
    """Return the Run of a Batch."""
    name = f"{batch.name}-{uid_hash(batch.uid)}"
    return Run(
        metadata=ObjectMeta(
            name=name,
            namespace=batch.namespace,
            labels={LABEL_ORIGIN_UID: batch.uid},
            finalizers=(FINALIZER,),
        ),
        spec=RunSpec(
            workflow_ref=batch.spec.workflow_ref,
            prompt=batch.spec.prompt,
            origin=RunOrigin(kind="Batch", name=batch.name, uid=batch.uid, index=0),
        ),
    )


def is_unfinished(batch: Json) -> bool:
    """Tell whether a Batch has something left to do."""
    return bool((batch.get("status") or {}).get("phase") != "Completed")


BATCH: Kind[Batch, BatchWorld] = Kind(
    Batch,
    Planning(gather_batch, plan_batch, reads=(_RUNS, NAMESPACE_ENDING)),
    is_unfinished=is_unfinished,
    machines=(phases("Batch", ("Pending", "Running"), ("Running", "Completed")),),
    uses=(Use(RUNS, ("create", "get")), Use(NOTIFICATIONS, ("create", "get"))),
    origin=OriginKind(Kind(Batch).source, make_origin, reports_ends=True),
)
BATCHES = custom_resource(Batch.info)
REGISTRY = Registry((*ALL, BATCH))
MODELS = [kind.model for kind in REGISTRY.kinds]
SPEC = {"workflowRef": {"name": "scripted"}, "prompt": "Build it."}
SCENARIO = replace(REFERENCE, chains=0, declared=((BATCHES, "nightly", SPEC),))


class Trial:
    """A simulated cluster with a Batch. Make it inside the running loop."""

    def __init__(self, scenario: Scenario) -> None:
        self.cluster = SimulatedCluster(scenario, registry=REGISTRY)
        self.store = self.cluster.server.store

    def phase(self, resource: Any) -> str:
        """Return the phase of the only object of a kind, empty while there is none."""
        found = self.store.list(resource, NAMESPACE)
        return str((found[0].obj.get("status") or {}).get("phase", "")) if found else ""

    def told(self) -> list[tuple[str, str]]:
        """Return type and kind of entity of every Notification."""
        specs = (stored.obj["spec"] for stored in self.store.list(NOTIFICATIONS, NAMESPACE))
        return sorted((spec["type"], spec["entity"]["kind"]) for spec in specs)


def play_steps(scenario: Scenario, steps: Callable[[Trial], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        trial = Trial(scenario)
        await steps(trial)
        assert trial.cluster.monitor.violation is None, trial.cluster.monitor.violation

    run_virtual(main)


def test_the_crd_of_runs_admits_it() -> None:
    crd = build_crd(Run, MODELS)
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert schema["properties"]["origin"]["properties"]["kind"]["enum"] == [
        "Run",
        "SprintChain",
        "RecurringTask",
        "IssueSession",
        "MergeJob",
        "Batch",
    ]


@pytest.mark.parametrize("behaviour", [Behaviour.CHANGES, Behaviour.FAILS, Behaviour.NOTHING])
def test_its_runs_are_recorded_and_report_through_it(behaviour: Behaviour) -> None:
    result = play(replace(SCENARIO, behaviours={("nightly", 0): behaviour}), registry=REGISTRY)
    assert result.violation is None, result.trace

    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.phase(BATCHES) == "Completed")
        await pass_time(60)
        about = [kind for type_, kind in trial.told() if type_ in {"RunCompleted", "RunFailed", "WorkflowCompleted"}]
        assert about == ["Batch"], "the Run itself reports no end"
        (run,) = trial.store.list(RUNS, NAMESPACE)
        (batch,) = trial.store.list(BATCHES, NAMESPACE)
        assert batch.obj["status"]["end"] == run.obj["status"]["phase"], "the ledger has it"
        assert len(trial.store.list(USAGE_RECORDS, NAMESPACE)) == 1

    play_steps(SCENARIO, steps)


def test_its_runs_stop_for_it() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.phase(RUNS) == "Running")
        trial.cluster.monitor.is_people = True
        trial.cluster.server.edit(BATCHES, NAMESPACE, "nightly", lambda batch: batch["spec"].update(stop=True))
        trial.cluster.monitor.is_people = False
        await until(trial.cluster.server, lambda: trial.phase(RUNS) == "Cancelled")
        (run,) = trial.store.list(RUNS, NAMESPACE)
        assert run.obj["status"]["message"] == BatchOrigin.stop_sentence
        await until(trial.cluster.server, lambda: trial.phase(BATCHES) == "Completed")

    play_steps(SCENARIO, steps)


def test_a_deleted_run_stays_until_the_ledger_has_its_end() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.phase(RUNS) == "Running")
        (run,) = trial.store.list(RUNS, NAMESPACE)
        ended: list[str] = []

        def note(change: Any) -> None:
            if change.identity[0] == RUNS and change.type == "DELETED":
                ended.append(trial.store.get(BATCHES, NAMESPACE, "nightly").obj["status"].get("end", ""))

        trial.store.listeners.append(note)
        trial.cluster.monitor.is_people = True
        trial.store.delete(RUNS, NAMESPACE, run.metadata["name"])
        await until(trial.cluster.server, lambda: not trial.store.list(RUNS, NAMESPACE))
        assert ended == ["Cancelled"]

    play_steps(SCENARIO, steps)


def test_a_version_that_does_not_know_it_leaves_its_runs_alone() -> None:
    async def steps(trial: Trial) -> None:
        await until(trial.cluster.server, lambda: trial.phase(RUNS) == "Running")
        (run,) = trial.store.list(RUNS, NAMESPACE)
        store = Store(Registry(ALL).cached)
        store.cache(RUNS).apply(run.copy())
        with pytest.raises(UnreadableError, match="this version knows no such origin"):
            store.get(RUN_SOURCE, NAMESPACE, run.metadata["name"])

    play_steps(SCENARIO, steps)
