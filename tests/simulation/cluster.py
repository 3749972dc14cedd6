"""The whole system on a virtual clock: real plans, reconciler, queue and caches over a simulated world."""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from codecourier.controller.operator import Operator, OperatorParts
from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES, LABEL_REPOSITORY_CREDENTIAL
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.github.secret import Secret
from codecourier.hosts.credentials import AppIdentity
from codecourier.kinds.api_resources import (
    ISSUE_SESSIONS,
    LEARNINGS,
    MERGE_JOBS,
    PROJECTS,
    RECURRING_TASKS,
    RUNS,
    SPRINT_CHAINS,
    WORKFLOWS,
)
from codecourier.kinds.registry import REGISTRY, Registry
from codecourier.kube.api import EVENTS, LEASES, NAMESPACES, SECRETS, Json, Resource
from codecourier.kube.errors import NotFound
from codecourier.metrics import Metrics
from codecourier.resources.meta import API_VERSION
from codecourier.task import Task
from tests.simulation.admission import Admission
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import EPOCH, WallClock
from tests.simulation.coverage import Coverage
from tests.simulation.deeds import Deeds
from tests.simulation.faults import CountingPlan, FaultPlan, FaultyNetwork, RandomFaults
from tests.simulation.forge import CANARY, URL, ForgeClient, ForgeServer
from tests.simulation.invariants.monitor import Monitor, Seen
from tests.simulation.kubelets import Kubelets
from tests.simulation.members import members_of
from tests.simulation.merge_scenes import MergeScene, spec_of
from tests.simulation.neighbours import NEIGHBOUR, declare_neighbours
from tests.simulation.nights import begin_of, schedule_of
from tests.simulation.nodes import Nodes
from tests.simulation.scenario import Scenario
from tests.simulation.schema import Definition, definitions_of
from tests.simulation.steps import Behaviour, PodTrouble
from tests.simulation.stored import Backup, Change

__all__ = ["NAMESPACE", "OperatorLife", "SimulatedCluster"]

NAMESPACE = "shop"
_SYSTEM = "codecourier-system"
_CREDENTIAL = "repository-token"
_TRACE_LENGTH = 400
_DRAIN_SECONDS = 5.0


class OperatorLife:
    """One operator from its start to its end, by crash, order or loss of the Lease.

    Parameters
    ----------
    cluster
        Where it works.
    identity
        Its name.
    plan
        What goes wrong with its calls.
    """

    def __init__(self, cluster: SimulatedCluster, identity: str, plan: FaultPlan) -> None:
        self.identity = identity
        self._cluster = cluster
        random = Random(cluster.random.getrandbits(64))
        self.network = FaultyNetwork(random, plan, self.kill, self._note_fault)
        self._stop = asyncio.Event()
        self._metrics = Metrics()
        is_app = not cluster.scenario.is_personal
        self._operator = Operator(
            OperatorParts(
                api=cluster.server.client(identity, self.network),
                forge=ForgeClient(cluster.forge, identity, self.network),
                now=cluster.clock.now,
                random=random,
                pods=PodSettings("courier:1", has_ca=False),
                namespace=_SYSTEM,
                identity=identity,
                forge_hosts=frozenset({"forge.test", "hung.test"}),
                app=AppIdentity(1, Secret(f"{CANARY}key"), "forge.test") if is_app else None,
                registry=cluster.registry,
                inspect=cluster.monitor.check_world,
            ),
            self._metrics,
        )
        self._task = asyncio.get_running_loop().create_task(self._live())

    @property
    def is_leading(self) -> bool:
        """Whether it holds the Lease."""
        return self._operator.is_leading

    @property
    def worked(self) -> float:
        """How often it has worked on a key."""
        samples = (sample for metric in self._metrics.reconciles.collect() for sample in metric.samples)
        return sum(sample.value for sample in samples if sample.name.endswith("_total"))

    @property
    def oldest_seconds(self) -> float:
        """How long the key that waits longest for a worker has waited."""
        return self._metrics.registry.get_sample_value("codecourier_queue_oldest_seconds") or 0.0

    def kill(self) -> None:
        """End it as SIGKILL would: nothing that it has begun leaves any more."""
        if not self.network.is_dead:
            self.network.is_dead = True
            self._cluster.note(f"{self.identity}: killed")
            asyncio.get_running_loop().call_soon(self._task.cancel)
            self._cluster.ended(self)

    def _note_fault(self, text: str) -> None:
        self._cluster.note(text)
        self._cluster.monitor.generations.disturb()

    def stop(self) -> None:
        """Ask it to end, as SIGTERM does."""
        self._stop.set()

    async def _live(self) -> None:
        is_graceful = await self._operator.run(self._stop, _DRAIN_SECONDS)
        self._cluster.note(f"{self.identity}: ended{'' if is_graceful else ', the Lease was lost'}")
        self.kill()


class SimulatedCluster:
    """API server, forge, nodes and operators of one scenario. Make it inside the running loop.

    Parameters
    ----------
    scenario
        What is played.
    plan
        What goes wrong with operators' calls; None: as the scenario's rates say.
    registry
        The kinds that operators work on.
    definitions
        The kinds as the API server has them; None: as the registry's models define them.
    """

    def __init__(
        self,
        scenario: Scenario,
        plan: FaultPlan | None = None,
        registry: Registry = REGISTRY,
        definitions: Sequence[Definition] | None = None,
    ) -> None:
        self.scenario = scenario
        self.registry = registry
        self.namespace = NAMESPACE
        self.random = Random(f"cluster {scenario.seed}")
        self.trace: deque[str] = deque(maxlen=_TRACE_LENGTH)
        self.backup: tuple[Backup, Seen] | None = None
        self.quiet_since = 0.0
        """When something last changed, the Lease and Kubernetes Events not counted; virtual seconds."""

        self._loop = asyncio.get_running_loop()
        self.clock = WallClock(self._loop, EPOCH if scenario.night is None else begin_of(scenario.night))
        self.server = ApiServer(
            now=self.clock.now, random=self._fork(), definitions=definitions or definitions_of(registry)
        )
        self.admission = Admission(NAMESPACE)
        self.server.store.admission.append(self.admission.check)
        self.forge = ForgeServer(self.clock.now, f"{CANARY}personal" if scenario.is_personal else "")
        self.forge.merger.pause = _pauses(scenario.seed)
        random = self._fork()
        kubelets = Kubelets(
            self.server,
            self.forge,
            random=random,
            now=self.clock.now,
            script=self._script,
            note=self.note,
            pace=scenario.pace,
            lessons=scenario.lessons,
        )
        self.nodes = Nodes(self.server, kubelets, random=random, note=self.note)
        self.monitor = Monitor(self.server.store, self.forge, self.nodes, registry)
        self.coverage = Coverage(registry)
        self.server.store.listeners += [self.coverage.changed, self._changed]
        chosen = plan or RandomFaults(self._fork(), scenario.rates, lambda: self._loop.time() > self.fault_end)
        self._counter = CountingPlan(chosen)
        self._waiting: dict[tuple[Resource, str], Callable[[], None]] = {}
        self.operators: list[OperatorLife] = []
        # What their tasks wait for never comes; kept, so that they are not collected before the simulation ends.
        self._dead: list[OperatorLife] = []
        self._declare()
        for number in range(scenario.operators):
            self._start(f"operator-{number}")
        deeds = Deeds(self, self._fork())
        for deed in scenario.deeds:
            self._loop.call_at(deed.seconds, deeds.do, deed.what)

    @property
    def fault_end(self) -> float:
        """When the last fault happens, in virtual seconds."""
        return self.scenario.fault_seconds if self.scenario.rates or self.scenario.deeds else 0.0

    @property
    def writes(self) -> int:
        """How many writes operators began, those for the Lease not counted."""
        return self._counter.count

    @property
    def worked(self) -> float:
        """How often the operators that live have worked on a key."""
        return sum(operator.worked for operator in self.operators)

    @property
    def oldest_seconds(self) -> float:
        """How long the key that waits longest for a worker of an operator has waited."""
        return max((operator.oldest_seconds for operator in self.operators), default=0.0)

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self._loop.time():9.3f} {text}")

    def ended(self, life: OperatorLife) -> None:
        """Start another operator in the place of one that has ended, as its Deployment does."""
        self.monitor.generations.disturb()
        self.operators.remove(life)
        self._dead.append(life)
        self._loop.call_later(self.random.random() * 3, self._start, life.identity)

    def restart_some(self) -> None:
        """Ask an operator to end."""
        if self.operators:
            self.random.choice(self.operators).stop()

    def back_up(self) -> None:
        """Make the backup of the API server that a restore brings back."""
        self.backup = self.server.store.back_up(), self.monitor.back_up()

    def restore(self) -> None:
        """Bring the API server back to its last backup: what was written since is lost."""
        if self.backup is None or self.monitor.is_namespace_ending:
            return
        stored, seen = self.backup
        self.note(f"restored to version {stored.version}")
        self.monitor.restore(seen)
        self.server.restore(stored, 1 + self.random.random() * 20)
        self.nodes.restored()
        self.quiet_since = self._loop.time()

    def when_gone(self, resource: Resource, name: str, work: Callable[[], None]) -> None:
        """Do something once an object is gone."""
        try:
            self.server.store.get(resource, NAMESPACE, name)
        except NotFound:
            work()
        else:
            self._waiting[resource, name] = work

    def make_sprint_chain(self, name: str) -> None:
        """Declare a SprintChain."""
        spec: Json = {
            "workflowRef": {"name": "scripted"},
            "sprintRange": {"first": 1, "last": self.scenario.sprints},
            "prompt": "Build it.",
        }
        if self.scenario.resume_from is not None:
            spec["resumeFromSprint"] = self.scenario.resume_from
        self._create(SPRINT_CHAINS, name, spec)

    def make_task(self, name: str) -> None:
        """Declare a RecurringTask whose first slot comes soon after the start."""
        number = int(name.rpartition("-")[2])
        policies = ("Forbid", "Allow", "Replace")
        spec: Json = {
            **schedule_of(self.scenario.night, number),
            "workflowRef": {"name": "scripted"},
            "prompt": "Audit it.",
            "concurrencyPolicy": policies[number % len(policies)],
            "startingDeadlineSeconds": 120,
            "pauseAfterFailures": 2,
            "completedRunsHistoryLimit": 1,
        }
        self._create(RECURRING_TASKS, name, spec)

    def make_session(self, name: str) -> None:
        """Declare an IssueSession for an issue of its own."""
        issue = self.forge.board.create(f"The issue of {name}")
        self._create(ISSUE_SESSIONS, name, {"workflowRef": {"name": "scripted"}, "issueUrl": issue.url, "maxRuns": 3})

    def make_merge(self, name: str, scene: MergeScene) -> None:
        """Declare a MergeJob, with pull requests of its own."""
        self._create(MERGE_JOBS, name, spec_of(scene, scene.propose(self.forge, name)))

    def make_run(self, name: str, workflow: str = "scripted") -> None:
        """Declare a Run."""
        self._create(RUNS, name, {"workflowRef": {"name": workflow}, "prompt": f"Fix {name}."})

    def write_learning(self, name: str) -> None:
        """Declare a Learning that a person has written, for agents of the Workflow."""
        spec: Json = {"text": f"Lesson of a person: {name}.", "workflowRef": {"name": "scripted"}, "accepted": True}
        self._create(LEARNINGS, name, spec)

    def make_workflow(self, name: str = "scripted") -> None:
        """Declare the Workflow."""
        spec: Json = {
            "image": "agent",
            "agent": {"command": ["agent"]},
            "retry": {"maxTries": 10, "backoffSeconds": 1},
        }
        if self.scenario.has_verify:
            spec["verify"] = ["make test"]
        if self.scenario.is_draft:
            spec["pullRequest"] = {"onFailure": "Draft"}
        self._create(WORKFLOWS, name, spec)

    def set_token(self, token: str = f"{CANARY}personal") -> None:
        """Write the Secret with the Project's personal token."""
        data = {"token": base64.b64encode(token.encode()).decode()}
        try:
            self.server.edit(SECRETS, NAMESPACE, _CREDENTIAL, lambda secret: secret.update(data=data))
        except NotFound:
            metadata = {**_named(_CREDENTIAL), "labels": {LABEL_REPOSITORY_CREDENTIAL: "true"}}
            self.server.store.create(SECRETS, {"metadata": metadata, "data": data})

    def _declare(self) -> None:
        for namespace in (_SYSTEM, NAMESPACE):
            metadata = {"name": namespace, "annotations": {ANNOTATION_APP_REPOSITORIES: URL}}
            self.server.store.create(NAMESPACES, {"metadata": metadata})
        repository: Json = {"url": URL, "isDefault": True}
        if self.scenario.is_personal:
            self.set_token()
            repository["credentialRef"] = {"name": _CREDENTIAL}
        else:
            repository["app"] = {"installationId": 7}
        limits = {"maxConcurrentRuns": self.scenario.limit}
        members = members_of(self.scenario.members)
        self._create(PROJECTS, "default", {"repositories": [repository], "limits": limits, "members": members})
        self.make_workflow()
        if self.scenario.neighbours:
            declare_neighbours(self.server.store, self.scenario.neighbours)
        for number in range(self.scenario.chains):
            self.make_sprint_chain(f"chain-{number}")
        for number in range(self.scenario.tasks):
            self.make_task(f"task-{number}")
        for number in range(self.scenario.sessions):
            self.make_session(f"session-{number}")
        for number, scene in enumerate(self.scenario.merges):
            self.make_merge(f"merge-{number}", scene)
        for resource, name, spec in self.scenario.declared:
            self._create(resource, name, spec)
        for number in range(self.scenario.runs):
            self.make_run(f"run-{number}")

    def _create(self, resource: Resource, name: str, spec: Json) -> None:
        body: dict[str, Any] = {"apiVersion": API_VERSION, "kind": resource.kind, "metadata": _named(name)}
        self.server.store.create(resource, {**body, "spec": spec})

    def _start(self, identity: str) -> None:
        self.note(f"{identity}: starts")
        self.monitor.generations.disturb()
        self.operators.append(OperatorLife(self, identity, self._counter))

    def _fork(self) -> Random:
        return Random(self.random.getrandbits(64))

    def _script(self, task: Task) -> tuple[Behaviour, PodTrouble | None]:
        slot = task.run.name, 0
        if task.run.name.startswith(("task-", "session-", "merge-")):
            slot = "-".join(task.run.name.split("-")[:2]), 0
        if (index := task.variables.get("CODECOURIER_SPRINT_INDEX")) is not None:
            # chain-0-<hash>-s1-a1
            slot = "-".join(task.run.name.split("-")[:2]), int(index)
        behaviour = self.scenario.behaviours.get(slot, Behaviour.CHANGES)
        is_first = task.try_number == 1
        if behaviour is Behaviour.PROVIDER_LIMIT and not is_first:
            behaviour = Behaviour.CHANGES
        return behaviour, self.scenario.troubles.get(slot) if is_first else None

    def _changed(self, change: Change) -> None:
        resource, namespace, name = change.identity
        if resource in (LEASES, EVENTS) or namespace == NEIGHBOUR:
            return
        self.quiet_since = self._loop.time()
        status = change.new.obj.get("status") or {}
        words = " ".join(str(status[key]) for key in ("phase", "message") if status.get(key))
        self.note(f"{change.type.lower()} {resource.kind} {namespace}/{name} {words}"[:200])
        if change.type == "DELETED" and (resource, name) in self._waiting:
            self._loop.call_soon(self._waiting.pop((resource, name)))


def _pauses(seed: int) -> Callable[[], float]:
    """Return how long merges in the background take: half of them are done when they are looked at first."""
    random = Random(f"merging {seed}")
    return lambda: max(0.0, random.uniform(-20.0, 20.0))


def _named(name: str) -> Json:
    return {"name": name, "namespace": NAMESPACE}
