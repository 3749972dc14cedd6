"""A MergeJob and its host, played by hand: plans are carried out whole, and time passes as a test says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from codecourier.core.merge_job.plan import plan_merge_job
from codecourier.core.merge_job.world import MergeJobWorld
from codecourier.core.shared.facts import AgentSecretsAsk, AgentSecretsFact, Ask, Facts, Problem
from codecourier.core.shared.intents import Create, Event, Failures, Plan
from codecourier.core.shared.naming import FINALIZER
from codecourier.core.shared.worlds import check_world
from codecourier.resources.merge_job import MergeJob, MergeJobSpec, MergeJobStatus, MergeMode
from codecourier.resources.meta import LocalReference, ObjectMeta
from codecourier.resources.project import Project
from codecourier.resources.run import Run
from codecourier.resources.workflow import Workflow
from tests.core.playing import Playing
from tests.support.worlds import NOW, URL, make_project, make_workflow

__all__ = ["Played", "make_job", "reason_of"]


def make_job(*numbers: int, url: str = URL, **spec: Any) -> MergeJob:
    """Return a MergeJob of mode Combine for these pull requests of the Project's repository, or for 7 and 8."""
    fields: dict[str, Any] = {
        "mode": MergeMode.COMBINE,
        "pull_requests": tuple(f"{url}/pull/{number}" for number in numbers or (7, 8)),
        "workflow_ref": LocalReference(name="scripted"),
    }
    metadata = ObjectMeta(
        name="release",
        namespace="shop",
        uid="uid-release",
        creation_timestamp=NOW,
        finalizers=(FINALIZER,),
    )
    return MergeJob(metadata=metadata, spec=MergeJobSpec(**{**fields, **spec}))


@dataclass
class Played(Playing):
    """What is there; `look` plans and carries the plan out."""

    job: MergeJob = field(default_factory=make_job)
    project: Project | None = field(default_factory=make_project)
    workflow: Workflow | None = field(default_factory=make_workflow)
    now: datetime = NOW
    runs: dict[str, Run] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Names of the Runs that were ever made, in their order."""

    secrets: AgentSecretsFact = field(default_factory=AgentSecretsFact)
    is_namespace_ending: bool = False
    refusal: Problem | None = None
    """Why Runs cannot be made now."""

    failed: dict[Any, Problem] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    """The Events of all plans that were carried out."""

    @property
    def status(self) -> MergeJobStatus:
        """The MergeJob's status."""
        return self.job.status

    def change(self, **spec: Any) -> None:
        """Change the spec as a user does."""
        self.job = self.job.updated(spec=self.job.spec.updated(**spec))

    def delete(self) -> None:
        """Delete the MergeJob as a user does: its finalizer keeps it."""
        self.job = self.job.updated(metadata=self.job.metadata.updated(deletion_timestamp=self.now))

    def plan(self) -> Plan:
        """Return the plan of the present world, with every question answered."""
        answers: dict[Ask[Any], object] = {}
        while True:
            world = MergeJobWorld(
                job=self.job,
                project=self.project,
                workflow=self.workflow,
                runs=tuple(self.runs.values()),
                is_namespace_ending=self.is_namespace_ending,
                facts=Facts(answers),
                failures=Failures(self.failed),
            )
            check_world(world)
            plan = plan_merge_job(world, self.now)
            if not plan.asks:
                return plan
            assert not answers.keys() & set(plan.asks)
            answers |= {ask: self._answer(ask) for ask in plan.asks}

    def look(self, at: datetime | None = None) -> Plan:
        """Let time pass, plan once, and carry the plan out."""
        self.now = self.now if at is None else at
        plan = self.plan()
        self.events += plan.events
        if isinstance(plan.status, MergeJobStatus):
            self.job = self.job.updated(status=plan.status)
        for create in plan.creates:
            self._create(create)
        return plan

    def seen(self) -> object:
        """Return all that a plan may change."""
        return (self.job, dict(self.runs))

    def _answer(self, ask: Ask[Any]) -> object:
        assert isinstance(ask, AgentSecretsAsk)
        return self.secrets

    def _create(self, create: Any) -> None:
        assert isinstance(create, Create)
        run = create.resource
        assert isinstance(run, Run)
        if self.refusal is not None:
            self.failed[create] = replace(self.refusal, tried=self.now, refused_since=self.now)
        elif run.name not in self.runs:
            metadata = run.metadata.updated(uid=f"uid-{run.name}", creation_timestamp=self.now)
            self.runs[run.name] = run.updated(metadata=metadata)
            self.made.append(run.name)
            self.failed.pop(create, None)


def reason_of(played: Played, type_: str = "Succeeded") -> str | None:
    """Return the reason of a condition; None: there is none."""
    condition = played.status.condition(type_)
    return None if condition is None else condition.reason
