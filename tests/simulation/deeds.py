"""What happens to a simulated cluster beside its controllers: people's doings and mishaps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from codecourier.core.shared.naming import (
    ANNOTATION_RUN_NOW,
    ANNOTATION_STOP_NOW,
    ANNOTATION_UNPAUSE,
    LABEL_MANAGED,
)
from codecourier.kinds.api_resources import (
    LEARNINGS,
    NOTIFICATIONS,
    PROJECTS,
    RECURRING_TASKS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
    WORKFLOWS,
)
from codecourier.kube.api import CONTROLLER_REVISIONS, NAMESPACES, PODS, SECRETS, Json, Propagation, Resource
from codecourier.kube.errors import ApiError
from tests.simulation.admission import Obstacle
from tests.simulation.forge import CANARY, ForgeTrouble
from tests.simulation.invariants.objects import is_unfinished
from tests.simulation.lesson_deeds import lesson_deeds
from tests.simulation.members import member_deeds
from tests.simulation.merge_deeds import merge_deeds
from tests.simulation.nights import seconds_to_next
from tests.simulation.pull_deeds import pull_deeds
from tests.simulation.retention_deeds import retention_deeds
from tests.simulation.session_deeds import session_deeds
from tests.simulation.stored import Stored

if TYPE_CHECKING:
    from tests.simulation.cluster import SimulatedCluster

__all__ = ["Deeds"]

_WISHES = frozenset(
    {
        "cancel run",
        "cancel chain",
        "suspend chain",
        "suspend project",
        "raise attempt",
        "raise attempt of run",
        "apply again",
    }
)
"""Deeds of people that only change a spec, after which the leader is not excused from observing it."""

_HOLD_SECONDS = 40.0
_NAMESPACE_RATE = 0.3
_FAR_JUMPS = (-7200.0, -3600.0, -300.0, 300.0, 3600.0, 7200.0)
_OUTAGES = (20.0, 300.0, 3600.0)
"""How long the forge does not work."""

_REFUSALS = (20.0, 120.0, 300.0)
"""How long creations of a kind are refused: shorter than the time after which a record is given up."""

_REFUSED = (SANDBOXES, SECRETS, PODS, NOTIFICATIONS, USAGE_RECORDS, RUNS, LEARNINGS)


def _manifest_of(stored: Stored) -> Json:
    """Return what people would declare to make an object again."""
    body = {key: value for key, value in stored.copy().items() if key != "status"}
    return {**body, "metadata": {key: body["metadata"][key] for key in ("name", "namespace")}}


class Deeds:
    """Does what a scenario names; what makes no sense at the moment does nothing.

    Parameters
    ----------
    cluster
        The cluster.
    random
        Chooses among the objects that are there.
    """

    def __init__(self, cluster: SimulatedCluster, random: Random) -> None:
        self._cluster = cluster
        self._random = random
        self._table: dict[str, Callable[[], Any]] = {
            "cut watches": cluster.server.cut_watches,
            "compact": cluster.server.compact,
            "slow events": self._slow_events,
            "late pods": lambda: self._late(PODS),
            "late runs": lambda: self._late(RUNS),
            "back up": cluster.back_up,
            "restore": cluster.restore,
            "hand over": self._hand_over,
            "partition leader": self._partition,
            "restart operator": cluster.restart_some,
            "pause collector": self._pause_collector,
            "kill container": cluster.nodes.kill_container,
            "evict pod": cluster.nodes.evict,
            "expire pod": cluster.nodes.expire,
            "cut node": lambda: cluster.nodes.cut(60 + random.random() * 240),
            "lose node": cluster.nodes.lose,
            "jump clock": lambda: cluster.clock.jump(random.uniform(-20, 20)),
            "jump clock far": lambda: cluster.clock.jump(random.choice(_FAR_JUMPS)),
            "trouble forge": self._trouble_forge,
            "refuse creations": self._refuse_creations,
            "cancel run": lambda: self._edit(RUNS, lambda run: run["spec"].update(cancelled=True), is_unfinished),
            "cancel chain": self._cancel_chain,
            "delete run": lambda: self._delete(RUNS),
            "delete run in foreground": lambda: self._delete(RUNS, "Foreground"),
            "delete chain": lambda: self._delete(SPRINT_CHAINS),
            "delete chain in foreground": lambda: self._delete(SPRINT_CHAINS, "Foreground"),
            "stop chain now": self._stop_now,
            "make chain again": self._make_again,
            "make project again": self._make_project_again,
            "delete project": self._delete_project,
            "suspend chain": lambda: self._suspend(SPRINT_CHAINS),
            "suspend project": lambda: self._suspend(PROJECTS),
            "raise attempt": lambda: self._raise_attempt(SPRINT_CHAINS),
            "raise attempt of run": lambda: self._raise_attempt(RUNS),
            "apply again": self._apply_again,
            "delete sandbox": lambda: self._delete(SANDBOXES),
            "orphan sandbox": lambda: self._delete(SANDBOXES, "Orphan"),
            "orphan run": lambda: self._delete(RUNS, "Orphan"),
            "delete pod": lambda: self._delete(PODS),
            "delete record": lambda: self._delete(USAGE_RECORDS),
            "delete notification": lambda: self._delete(NOTIFICATIONS),
            "delete token": lambda: self._delete(SECRETS, selector=f"{LABEL_MANAGED}=true"),
            "change limit": self._change_limit,
            "break credential": self._break_credential,
            "delete workflow": self._delete_workflow,
            "edit workflow": self._edit_workflow,
            "pass a day": lambda: self._pass_days(1),
            "pass some days": lambda: self._pass_days(random.randrange(2, 6)),
            "run task now": lambda: self._annotate_task(ANNOTATION_RUN_NOW),
            "unpause task": lambda: self._annotate_task(ANNOTATION_UNPAUSE),
            "suspend task": lambda: self._suspend(RECURRING_TASKS),
            "suspend task for long": lambda: self._edit(
                RECURRING_TASKS, lambda task: task["spec"].update(suspend=True)
            ),
            "edit task": lambda: self._edit(RECURRING_TASKS, lambda task: task["spec"].update(prompt="Look again.")),
            "reschedule task": lambda: self._edit_task(minute=random.randrange(60)),
            "lose status of task": lambda: self._edit(RECURRING_TASKS, lambda task: task.update(status={})),
            "delete task": lambda: self._delete(RECURRING_TASKS),
            "make task again": self._make_task_again,
            **retention_deeds(cluster.clock, random, self._edit),
            **lesson_deeds(self._edit, self._delete, cluster.write_learning, random),
            "lose workflow": self._lose_workflow,
            "refuse Runs for long": self._refuse_runs,
            **member_deeds(self._edit, self._delete),
            **session_deeds(cluster, random, self._edit, self._delete, self._later),
            **merge_deeds(cluster, random, self._edit, self._delete, self._later),
            "delete revision": lambda: self._delete(CONTROLLER_REVISIONS),
            "merge pull request": cluster.forge.merge,
            **pull_deeds(cluster.forge, random),
            "refuse pull request": self._refuse,
            "forbid pull requests": lambda: setattr(cluster.forge, "forbids_pulls", True),
            "delete namespace": self._delete_namespace,
        }

    def do(self, what: str) -> None:
        """Do it now; in a namespace that is being deleted people do nothing more."""
        if self._cluster.monitor.is_namespace_ending:
            return
        self._cluster.note(f"deed: {what}")
        if what not in _WISHES:
            self._cluster.monitor.generations.disturb()
        self._cluster.monitor.is_people = True
        try:
            self._table[what]()
        finally:
            self._cluster.monitor.is_people = False

    def _later(self, seconds: float, work: Callable[[], object]) -> None:
        def run() -> None:
            self._cluster.monitor.is_people = True
            with suppress(ApiError):
                work()
            self._cluster.monitor.is_people = False

        asyncio.get_running_loop().call_later(seconds, run)

    def _some(
        self, resource: Resource, fits: Callable[[Json], bool] = lambda _: True, selector: str | None = None
    ) -> Stored | None:
        found = [
            stored
            for stored in self._cluster.server.store.list(resource, self._cluster.namespace, selector)
            if "deletionTimestamp" not in stored.metadata and fits(stored.obj)
        ]
        return self._random.choice(found) if found else None

    def _edit(
        self, resource: Resource, change: Callable[[Json], Any], fits: Callable[[Json], bool] = lambda _: True
    ) -> Stored | None:
        stored = self._some(resource, fits)
        if stored is not None:
            self._cluster.note(f"  {resource.kind} {stored.metadata['name']}")
            self._cluster.server.edit(resource, stored.metadata["namespace"], stored.metadata["name"], change)
        return stored

    def _delete(
        self, resource: Resource, propagation: Propagation = "Background", selector: str | None = None
    ) -> Stored | None:
        stored = self._some(resource, selector=selector)
        if stored is not None:
            self._cluster.note(f"  {resource.kind} {stored.metadata['name']}")
            namespace, name = stored.metadata["namespace"], stored.metadata["name"]
            self._cluster.server.store.delete(resource, namespace, name, propagation=propagation)
        return stored

    def _slow_events(self) -> None:
        resource = self._random.choice((RUNS, SPRINT_CHAINS, SANDBOXES, PODS, PROJECTS, SECRETS, NOTIFICATIONS))
        networks = [operator.network for operator in self._cluster.operators]
        for network in networks:
            network.slow[resource] = 1 + self._random.random() * 15
        self._later(_HOLD_SECONDS, lambda: [network.slow.pop(resource, None) for network in networks])

    def _late(self, resource: Resource) -> None:
        """Let who does not lead hear of a kind much later, as by a link that is dead without a word."""
        for operator in self._cluster.operators:
            if not operator.is_leading:
                operator.network.slow[resource] = _HOLD_SECONDS

    def _hand_over(self) -> None:
        for operator in self._cluster.operators:
            if operator.is_leading:
                operator.stop()

    def _partition(self) -> None:
        leader = next((operator for operator in self._cluster.operators if operator.is_leading), None)
        if leader is not None:
            network = leader.network
            network.is_partitioned = True
            self._cluster.server.cut_watches(leader.identity)
            self._later(self._random.random() * _HOLD_SECONDS, lambda: setattr(network, "is_partitioned", False))

    def _trouble_forge(self) -> None:
        forge = self._cluster.forge
        forge.trouble = self._random.choice(tuple(ForgeTrouble))
        self._cluster.note(f"  {forge.trouble.value}")
        self._later(self._random.choice(_OUTAGES), lambda: setattr(forge, "trouble", None))

    def _refuse_creations(self) -> None:
        obstacles = self._cluster.admission.obstacles
        resource, obstacle = self._random.choice(_REFUSED), self._random.choice(tuple(Obstacle))
        obstacles[resource] = obstacle
        self._cluster.monitor.lessons.is_refused |= resource == LEARNINGS
        self._cluster.note(f"  of {resource.plural}: {obstacle.value}")
        self._later(self._random.choice(_REFUSALS), lambda: obstacles.pop(resource, None))

    def _pause_collector(self) -> None:
        collector = self._cluster.server.garbage_collector
        collector.paused = True
        self._later(_HOLD_SECONDS, lambda: setattr(collector, "paused", False))

    def _stop_now(self) -> None:
        stored = self._delete(SPRINT_CHAINS)
        if stored is None:
            return

        def annotate(obj: Json) -> None:
            obj["metadata"].setdefault("annotations", {})[ANNOTATION_STOP_NOW] = "true"

        self._later(
            self._random.random() * 10,
            lambda: self._cluster.server.edit(
                SPRINT_CHAINS, self._cluster.namespace, stored.metadata["name"], annotate
            ),
        )

    def _cancel_chain(self) -> None:
        """Cancel a chain; now and then the wish is soon taken back, or the chain is asked for a greater attempt."""

        def cancel(chain: Json) -> None:
            chain["spec"]["cancelled"] = True

        def take_back(chain: Json) -> None:
            chain["spec"].pop("cancelled", None)
            if self._random.random() < 0.5:
                chain["spec"]["attempt"] = chain["spec"].get("attempt", 1) + 1

        stored = self._edit(SPRINT_CHAINS, cancel, is_unfinished)
        if stored is not None and self._random.random() < 0.4:
            name, seconds = stored.metadata["name"], self._random.choice((0.1, 5.0, 60.0))
            self._later(
                seconds, lambda: self._cluster.server.edit(SPRINT_CHAINS, self._cluster.namespace, name, take_back)
            )

    def _make_again(self) -> None:
        stored = self._delete(SPRINT_CHAINS)
        if stored is not None:
            name = stored.metadata["name"]
            self._cluster.when_gone(
                SPRINT_CHAINS, name, lambda: self._later(0, lambda: self._cluster.make_sprint_chain(name))
            )

    def _make_project_again(self) -> None:
        """Take the Project away at once, in spite of finalizers, and make it again without its status."""
        stored = self._some(PROJECTS)
        if stored is None:
            return
        body = _manifest_of(stored)
        server, name = self._cluster.server, stored.metadata["name"]
        server.edit(PROJECTS, self._cluster.namespace, name, lambda obj: obj["metadata"].pop("finalizers", None))
        server.store.delete(PROJECTS, self._cluster.namespace, name)
        self._later(self._random.random() * 5, lambda: server.store.create(PROJECTS, body))

    def _delete_project(self) -> None:
        """Delete the Project and make it again some time after it has gone."""
        stored = self._delete(PROJECTS)
        if stored is None:
            return
        body, server, seconds = _manifest_of(stored), self._cluster.server, self._random.random() * _HOLD_SECONDS
        self._cluster.when_gone(
            PROJECTS,
            stored.metadata["name"],
            lambda: self._later(seconds, lambda: server.store.create(PROJECTS, body)),
        )

    def _suspend(self, resource: Resource) -> None:
        stored = self._edit(resource, lambda obj: obj["spec"].update(suspend=True))
        if stored is None:
            return
        name = stored.metadata["name"]

        def resume() -> None:
            self._cluster.server.edit(
                resource, self._cluster.namespace, name, lambda obj: obj["spec"].update(suspend=False)
            )

        self._later(self._random.random() * _HOLD_SECONDS, resume)

    def _raise_attempt(self, resource: Resource) -> None:
        def raise_(obj: Json) -> None:
            spec = obj["spec"]
            spec["attempt"] = spec.get("attempt", 1) + 1
            spec.pop("cancelled", None)
            if resource == SPRINT_CHAINS and self._random.random() < 0.3:
                spec["resumeFromSprint"] = self._random.randrange(self._cluster.scenario.sprints)

        def fits(obj: Json) -> bool:
            # A sprint is repeated by its chain.
            return not is_unfinished(obj) and "origin" not in obj["spec"]

        self._edit(resource, raise_, fits)

    def _apply_again(self) -> None:
        """Apply the first manifest of a Run or chain again, which has no wishes but the index to begin with."""
        first, second = self._random.sample((RUNS, SPRINT_CHAINS), 2)

        def apply(obj: Json) -> None:
            for wish in ("attempt", "cancelled", "suspend", "resumeFromSprint"):
                obj["spec"].pop(wish, None)
            if obj["kind"] == SPRINT_CHAINS.kind and self._cluster.scenario.resume_from is not None:
                obj["spec"]["resumeFromSprint"] = self._cluster.scenario.resume_from

        def fits(obj: Json) -> bool:
            return "origin" not in obj["spec"]

        if self._edit(first, apply, fits) is None:
            self._edit(second, apply, fits)

    def _pass_days(self, days: int) -> None:
        """Let the clock be shortly before midnight, so many days on; or before the next times of a night."""
        clock = self._cluster.clock
        clock.jump(seconds_to_next(self._cluster.scenario.night, clock.now(), days))

    def _annotate_task(self, annotation: str) -> None:
        value = str(self._random.random())
        self._edit(
            RECURRING_TASKS, lambda task: task["metadata"].setdefault("annotations", {}).update({annotation: value})
        )

    def _edit_task(self, **changes: object) -> None:
        self._edit(RECURRING_TASKS, lambda task: task["spec"].update(changes))

    def _make_task_again(self) -> None:
        """Delete a task and make it again at once, under its name and with another UID."""
        stored = self._delete(RECURRING_TASKS)
        if stored is not None:
            name = stored.metadata["name"]
            self._cluster.when_gone(
                RECURRING_TASKS, name, lambda: self._later(0, lambda: self._cluster.make_task(name))
            )

    def _lose_workflow(self) -> None:
        """Take the Workflow away for longer than a slot may be late."""
        if self._delete(WORKFLOWS) is not None:
            self._later(300.0, self._cluster.make_workflow)

    def _refuse_runs(self) -> None:
        """Refuse every Run for longer than a slot may be late."""
        self._cluster.admission.obstacles[RUNS] = Obstacle.QUOTA
        self._later(400.0, lambda: self._cluster.admission.obstacles.pop(RUNS, None))

    def _change_limit(self) -> None:
        limit = self._random.choice((1, 2, 3))
        self._edit(PROJECTS, lambda project: project["spec"]["limits"].update(maxConcurrentRuns=limit))

    def _break_credential(self) -> None:
        if not self._cluster.scenario.is_personal:
            return
        self._cluster.set_token(f"{CANARY}wrong")
        self._later(self._random.random() * _HOLD_SECONDS, self._cluster.set_token)

    def _delete_workflow(self) -> None:
        if self._delete(WORKFLOWS) is not None:
            self._later(self._random.random() * _HOLD_SECONDS, self._cluster.make_workflow)

    def _edit_workflow(self) -> None:
        self._edit(WORKFLOWS, lambda workflow: workflow["spec"].update(image=f"agent:{self._random.random()}"))

    def _refuse(self) -> None:
        self._cluster.forge.refusals += 1

    def _delete_namespace(self) -> None:
        # Once in a while only: nothing can happen in it afterwards.
        if self._random.random() < _NAMESPACE_RATE:
            self._cluster.monitor.is_namespace_ending = True
            self._cluster.server.store.delete(NAMESPACES, None, self._cluster.namespace)
