"""The monitor: it sees every change and every deed, and has each invariant of the design checked.

`docs/invariants.md` has each by its number. `once` counts what cannot be taken back:
agent starts, pushes and pull requests. `world` refuses worlds that no cluster can show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from codecourier.core.shared.worlds import ImpossibleWorldError, World, check_world
from codecourier.kinds.api_resources import (
    DAILY_STATS,
    LEARNINGS,
    MERGE_JOBS,
    NOTIFICATIONS,
    PROJECTS,
    RECURRING_TASKS,
    RUNS,
    SANDBOXES,
    SPRINT_CHAINS,
    USAGE_RECORDS,
)
from codecourier.kinds.registry import Registry
from codecourier.kube.api import PODS, SECRETS, Resource
from codecourier.resources.meta import GROUP
from tests.simulation.forge import ForgeServer
from tests.simulation.invariants.credentials import Credentials
from tests.simulation.invariants.endings import Endings
from tests.simulation.invariants.generations import GenerationWatch
from tests.simulation.invariants.lessons import Lessons, SeenLessons
from tests.simulation.invariants.merges import Merges
from tests.simulation.invariants.objects import key_of
from tests.simulation.invariants.outcomes import Outcomes
from tests.simulation.invariants.places import Places
from tests.simulation.invariants.pulls import Pulls
from tests.simulation.invariants.records import Records
from tests.simulation.invariants.retention import RetentionWatch
from tests.simulation.invariants.scene import Scene, Violation
from tests.simulation.invariants.sessions import Sessions
from tests.simulation.invariants.slots import Slots
from tests.simulation.invariants.sprints import Sprints
from tests.simulation.invariants.stops import Stops
from tests.simulation.invariants.work import WorkDone
from tests.simulation.nodes import Nodes
from tests.simulation.store import ObjectStore
from tests.simulation.stored import Change

__all__ = ["Monitor", "Seen"]

Check = Callable[[Change], None]


@dataclass(frozen=True)
class Seen:
    """What the monitor counted of the API server's objects up to a backup."""

    made: dict[Resource, Counter[tuple[str, str]]]
    taken_back: Counter[tuple[str, str]]
    told: dict[str, list[tuple[str, str]]]
    started: dict[str, tuple[str, str]]
    stored_tokens: set[str]
    lessons: SeenLessons


class Monitor:
    """Sees every change and every deed, and remembers the first invariant that did not hold.

    Parameters
    ----------
    store
        The cluster.
    forge
        The forge.
    nodes
        The nodes.
    registry
        The kinds that are played.
    """

    def __init__(self, store: ObjectStore, forge: ForgeServer, nodes: Nodes, registry: Registry) -> None:
        self.is_people = False
        """Set while people, not controllers, change something."""

        self.is_namespace_ending = False
        """Whether the namespace is being deleted: nothing can be made in it, so nothing can be recorded either."""

        self.keys: dict[str, str] = {}
        """What an object is called in comparisons, by UID: names contain hashes of UIDs."""

        self._scene = Scene(store, forge, nodes)
        self.generations = GenerationWatch(store, lambda text: self.fail("13", text))
        self.records = Records(self._scene)
        self.pulls = Pulls(self._scene)
        self.slots = Slots(self._scene)
        self.lessons = Lessons(self._scene)
        self.sessions = Sessions(self._scene)
        self.merges = Merges(self._scene, lambda: self.generations.is_disturbed)
        self.credentials = Credentials(self._scene)
        self.retention = RetentionWatch(self._scene, lambda: not (self.is_people or self.is_namespace_ending))
        self._endings = Endings(registry)
        self._sprints = Sprints(self._scene)
        self._stops = Stops(self._scene)
        self._work = WorkDone(self._scene)
        self._pushes = 0
        self._pulls = 0
        self._checks = self._checks_of(registry)
        store.listeners += [self.changed, self._endings.changed]
        nodes.starting.extend([self._work.agent_started, self._sprints.agent_started])

    @property
    def violation(self) -> Violation | None:
        """The first invariant that did not hold."""
        return self._scene.violation

    def _checks_of(self, registry: Registry) -> Mapping[Resource, Sequence[Check]]:
        """Return what is checked at each change of a kind, in this order."""
        records, stops, sprints, places = self.records, self._stops, self._sprints, Places(self._scene)
        outcomes = Outcomes(self._scene, records)
        checks: dict[Resource, list[Check]] = {
            RUNS: [
                self._name,
                sprints.run_made,
                stops.run_is_over,
                sprints.one_is_active,
                places.run_has_place,
                places.few_run,
                outcomes.revision_stays,
                self.slots.run_made,
                self.lessons.run_changed,
                self.sessions.run_made,
                self.merges.run_made,
                self.retention.counted_changed,
            ],
            RECURRING_TASKS: [self.slots.task_changed],
            SPRINT_CHAINS: [stops.chain_is_over, self._name, sprints.resume_keeps],
            MERGE_JOBS: [self.merges.job_changed],
            SANDBOXES: [stops.sandbox_is_over],
            PROJECTS: [places.limit_seen, places.limit_holds],
            NOTIFICATIONS: [records.made_once, self.pulls.merge_told],
            USAGE_RECORDS: [records.made_once, self.retention.counted_changed],
            DAILY_STATS: [self.retention.day_sealed],
            LEARNINGS: [self.lessons.learning_changed],
            PODS: [records.pod_seen, self.lessons.pod_changed],
            SECRETS: [self.credentials.secret_seen],
        }
        for kind in registry.kinds:
            if kind.is_unfinished is not None:
                checks.setdefault(kind.resource, []).append(outcomes.finished_stays)
        return checks

    def back_up(self) -> Seen:
        """Return what was counted of the API server's objects."""
        records = self.records
        seen = Seen(
            records.made,
            records.taken_back,
            records.told,
            records.started,
            self.credentials.stored,
            self.lessons.back_up(),
        )
        return deepcopy(seen)

    def restore(self, seen: Seen) -> None:
        """Count on from a backup.

        What was written since is lost, and so is that it was done: objects are made again, a try may run again, and
        tokens that no Secret holds any more can only expire. What lies outside of the API server stays: pushes and
        pull requests are still counted once.
        """
        kept, records = deepcopy(seen), self.records
        records.made, records.taken_back, records.told = kept.made, kept.taken_back, kept.told
        records.started, self.credentials.stored = kept.started, kept.stored_tokens
        self._work.restored()
        self.slots.restored()
        self.lessons.restore(kept.lessons)
        self.sessions.restored()
        self.merges.restored()
        self.retention.restored()
        self._endings.restored()

    def fail(self, invariant: str, text: str) -> None:
        """Remember that an invariant did not hold; only the first counts, others follow from it."""
        self._scene.fail(invariant, text)

    def check_world(self, world: World) -> None:
        """Check that an operator plans in a world that a cluster can show."""
        try:
            check_world(world)
        except ImpossibleWorldError as error:
            self.fail("world", str(error))

    def changed(self, change: Change) -> None:
        """Check what a change can break."""
        self.records.count(change)
        self.credentials.no_leak(change)
        self._no_spec(change)
        self.generations.changed(change)
        for check in self._checks.get(change.identity[0], ()):
            check(change)
        self.deeds()

    def deeds(self) -> None:
        """Check what was done at the forge since, and what should have ended."""
        for text in self._endings.overdue():
            self.fail("12", text)
        forge = self._scene.forge
        for push in forge.pushes[self._pushes :]:
            self._work.pushed(push)
            self.credentials.pushed(push)
            self._stops.pushed(push)
        self._pushes = len(forge.pushes)
        for pull in forge.pulls[self._pulls :]:
            self.credentials.opened(pull)
            self._work.opened(pull)
        self._pulls = len(forge.pulls)
        self.sessions.comments_written()
        self.merges.deeds()

    def _no_spec(self, change: Change) -> None:
        if change.identity[0].group != GROUP or change.type != "MODIFIED" or change.old is None or self.is_people:
            return
        if change.old.obj.get("spec") != change.new.obj.get("spec"):
            self.fail("8", f"a controller wrote the spec of {change.identity[0].kind} {change.identity[2]}")

    def _name(self, change: Change) -> None:
        self.keys.setdefault(change.new.metadata["uid"], key_of(change.new.obj))
