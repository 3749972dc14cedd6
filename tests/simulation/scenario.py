"""What a simulation plays, all by one seed: what people declare and do, how agents behave, what goes wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from codecourier.kube.api import Json, Resource
from tests.simulation.faults import Fault
from tests.simulation.merge_scenes import MergeScene, merge_scenes_of
from tests.simulation.nights import NIGHTS, Night
from tests.simulation.steps import Behaviour, PodTrouble

__all__ = ["KUBELET_BEHAVIOURS", "REFERENCE", "Deed", "Mood", "Scenario", "scenario_of"]

Mood = Literal["calm", "stormy", "peopled"]
"""What a scenario may hold besides faults of the API server, the forge's REST interface and operators.

- calm: nothing. Faults may not change anything at all, not even the number of tries.
- stormy: pods, nodes and pushes fail, and clocks jump. Tries are consumed; the outcome may not change.
- peopled: people pause, cancel, delete, resume and break things at any moment. All comes to rest.
"""

_CALM_BEHAVIOURS = (
    Behaviour.CHANGES,
    Behaviour.CHANGES,
    Behaviour.CHANGES,
    Behaviour.CHANGES,
    Behaviour.NOTHING,
    Behaviour.FAILS,
    Behaviour.PROVIDER_LIMIT,
    Behaviour.HANGS,
    Behaviour.SETUP_FAILS,
    Behaviour.VERIFY_FAILS,
    Behaviour.LEAKS,
    Behaviour.OUT_OF_MEMORY,
)
KUBELET_BEHAVIOURS = (Behaviour.CHILD_OUT_OF_MEMORY, Behaviour.NEVER_PULLED, Behaviour.NEVER_STARTED)
"""Those after which a kubelet leaves a pod Pending, or that never start. Not in seeds, as they take long."""

_RATES: tuple[Mapping[Fault, float], ...] = (
    {},
    {Fault.CRASH_BEFORE: 0.015, Fault.CRASH_AFTER: 0.015},
    {Fault.DROPPED: 0.02, Fault.LOST: 0.04},
    {Fault.BROKEN: 0.05, Fault.THROTTLED: 0.05, Fault.TORN: 0.02},
    {Fault.LATE: 0.03, Fault.ORPHANED: 0.015},
    {
        Fault.CRASH_BEFORE: 0.01,
        Fault.CRASH_AFTER: 0.01,
        Fault.ORPHANED: 0.01,
        Fault.LOST: 0.02,
        Fault.LATE: 0.02,
        Fault.BROKEN: 0.02,
    },
)
_CLUSTER_DEEDS = ("cut watches", "compact", "slow events", "partition leader", "restart operator", "pause collector")
_STORMY_DEEDS = ("kill container", "evict pod", "cut node", "jump clock")
_PEOPLE_DEEDS = (
    "expire pod",
    "cancel run",
    "delete run",
    "delete run in foreground",
    "cancel chain",
    "delete chain",
    "delete chain in foreground",
    "stop chain now",
    "make chain again",
    "suspend chain",
    "suspend project",
    "make project again",
    "delete project",
    "raise attempt",
    "raise attempt of run",
    "apply again",
    "delete sandbox",
    "orphan sandbox",
    "orphan run",
    "delete pod",
    "delete record",
    "delete notification",
    "delete token",
    "change limit",
    "break credential",
    "delete workflow",
    "edit workflow",
    "delete revision",
    "refuse pull request",
    "trouble forge",
    "refuse creations",
    "jump clock far",
    "delete namespace",
)
_TASK_DEEDS = (
    "pass a day",
    "pass a day",
    "pass some days",
    "run task now",
    "unpause task",
    "lose status of task",
    "suspend task",
    "edit task",
    "reschedule task",
    "delete task",
    "make task again",
)
"""What people do with RecurringTasks, and what makes their slots come."""

_LESSON_DEEDS = (
    "accept learning",
    "accept learning",
    "accept learning",
    "write learning",
    "take learning back",
    "trash learning",
    "correct learning",
    "delete learning",
)
"""What people do with Learnings."""
_MEMBER_DEEDS = ("change role", "take member out", "delete binding", "alter binding")
"""What people do with members, and with the RoleBindings that give them their roles."""

_PULL_DEEDS = ("merge pull request", "close pull request", "reopen pull request", "fail check", "pass check")
"""What people and their CI do with pull requests."""

_SESSION_DEEDS = (
    "ask for more",
    "ask for more",
    "ask for more",
    "close issue",
    "reopen issue",
    "lock issue",
    "transfer issue",
    "delete issue",
    "delete comment",
    "forbid comments",
    "lose status of session",
    "trash session",
    "delete session",
    "make session again",
)
"""What people do with IssueSessions and their issues."""

_MERGE_DEEDS = (
    "cancel merge",
    "delete merge",
    "delete merge in foreground",
    "push to pull request",
    "push to base",
    "push to base",
    "push a clash to base",
    "retarget pull request",
    "make pull request a draft",
    "close source",
    "fail check of source",
    "hide checks",
    "require check",
    "break merge",
    "merge at once",
)
"""What people do with MergeJobs, and with what these merge."""

_RETENTION_DEEDS = (
    *("pass a day", "pass two hours", "pass two hours") * 2,
    *("pass a season", "pass two hours") * 2,
    "put into the trash",
    "put into the trash",
)
"""What makes days be sealed, and things be deleted for their age."""

_LATE_DEEDS = ("raise attempt", "raise attempt", "raise attempt of run", "apply again")
"""What makes sense only for what has ended."""

_RESTORE_RATE = 0.2
"""How often the API server is restored from a backup while people work."""


@dataclass(frozen=True)
class Deed:
    """Something that happens at a time."""

    seconds: float
    what: str


@dataclass(frozen=True)
class Scenario:
    """All that one seed decides; the order of everything else follows from it."""

    seed: int
    mood: Mood
    sprints: int
    chains: int
    runs: int
    limit: int
    operators: int
    is_personal: bool
    """Whether the Project has a personal token instead of an App."""

    is_draft: bool
    """Whether work of failed agents becomes a draft pull request."""

    has_verify: bool
    resume_from: int | None
    """Sprint to begin the chains with, None for the first."""

    behaviours: Mapping[tuple[str, int], Behaviour]
    """How agents behave, by the name of the chain or Run and the sprint's index; others change a file."""

    troubles: Mapping[tuple[str, int], PodTrouble] = field(default_factory=dict)
    """What goes wrong in the first try, by the same."""

    deeds: tuple[Deed, ...] = ()
    rates: Mapping[Fault, float] = field(default_factory=dict)
    fault_seconds: float = 240.0
    """How long faults happen."""

    declared: tuple[tuple[Resource, str, Json], ...] = ()
    """What else people declare at the beginning: kind, name and spec."""

    tasks: int = 0
    """How many RecurringTasks there are, due each day soon after midnight UTC."""

    sessions: int = 0
    """How many IssueSessions there are, each with an open issue."""

    members: int = 0
    """How many members the Project has."""

    night: Night | None = None
    """A change of clocks that the clock goes over; its tasks are due by the clocks of its zone."""

    neighbours: int = 0
    """How many Runs another team has, whose repository host hangs; keys must not wait for workers because of it."""

    merges: tuple[MergeScene, ...] = ()
    """The MergeJobs that there are, each with pull requests of its own."""

    lessons: int = 0
    """How many lessons each agent proposes; those after the first are the same for all."""

    pace: float = 1.0
    """How long the steps of pods take, as a share of the usual: pods of 0.01 end before anybody has seen them run."""

    def without_faults(self) -> Scenario:
        """Return the same scenario in a world where nothing goes wrong."""
        return replace(self, troubles={}, deeds=(), rates={}, operators=1, neighbours=0)


REFERENCE = Scenario(
    seed=0,
    mood="calm",
    sprints=2,
    chains=1,
    runs=0,
    limit=1,
    operators=1,
    is_personal=False,
    is_draft=False,
    has_verify=False,
    resume_from=None,
    behaviours={},
)
"""A chain of two sprints in a world where nothing goes wrong."""


def scenario_of(seed: int) -> Scenario:
    """Return the scenario of a seed."""
    random = Random(f"scenario {seed}")
    mood: Mood = random.choice(("calm", "stormy", "peopled"))
    sprints = random.choice((1, 2, 2, 3))
    chains, runs = random.choice(((1, 0), (1, 0), (1, 1), (0, 2), (0, 3), (2, 0)))
    names = [f"chain-{n}" for n in range(chains)] + [f"run-{n}" for n in range(runs)]
    slots = [(name, index) for name in names for index in range(sprints if name.startswith("chain") else 1)]
    behaviours = {slot: random.choice(_CALM_BEHAVIOURS) for slot in slots if random.random() < 0.5}
    if mood == "stormy":
        # A wait that the provider asked for is one try of a sequence; storms use tries up and would shift it.
        behaviours = {s: b for s, b in behaviours.items() if b is not Behaviour.PROVIDER_LIMIT}
    fault_seconds = 240.0
    tasks = Random(f"tasks {seed}").choice((0, 0, 0, 1, 2))
    sessions = Random(f"sessions {seed}").choice((0, 0, 0, 1))
    night = Random(f"night {seed}").choice((None, *NIGHTS)) if tasks and mood == "peopled" else None
    lessons = Random(f"lessons {seed}").choice((0, 0, 1, 2, 3))
    ages = Random(f"retention {seed}").choice((False, False, True)) and night is None
    extra = _TASK_DEEDS * 3 * (tasks > 0) + _LESSON_DEEDS * 3 * (lessons > 0) + _SESSION_DEEDS * 3 * (sessions > 0)
    members = Random(f"members {seed}").choice((0, 0, 1, 3))
    extra += _MEMBER_DEEDS * 3 * (members > 0)
    extra += _RETENTION_DEEDS * 6 * ages
    # A merge moves the base branch, and with it what the Runs of others start from, whenever it lands.
    merges = tuple(scene for scene in merge_scenes_of(seed) if mood == "peopled" or scene.mode == "Combine")
    extra += _MERGE_DEEDS * 5 * bool(merges)
    extra += _PULL_DEEDS * 4 * Random(f"pulls {seed}").choice((False, False, True))
    return Scenario(
        seed=seed,
        mood=mood,
        sprints=sprints,
        chains=chains,
        runs=runs,
        limit=random.choice((1, 1, 2, 5)),
        operators=random.choice((1, 1, 2)),
        is_personal=random.random() < 0.3,
        is_draft=random.random() < 0.3,
        has_verify=random.random() < 0.5,
        resume_from=sprints - 1 if chains and random.random() < 0.1 else None,
        behaviours=behaviours,
        troubles=_troubles(random, slots) if mood == "stormy" else {},
        deeds=_deeds(random, mood, fault_seconds, extra),
        tasks=tasks,
        sessions=sessions,
        members=members,
        merges=merges,
        night=night,
        lessons=lessons,
        rates=random.choice(_RATES),
        fault_seconds=fault_seconds,
        pace=random.choice((1.0, 1.0, 1.0, 0.01)),
    )


def _troubles(random: Random, slots: list[tuple[str, int]]) -> dict[tuple[str, int], PodTrouble]:
    return {slot: random.choice(tuple(PodTrouble)) for slot in slots if random.random() < 0.4}


def _deeds(random: Random, mood: Mood, seconds: float, extra: tuple[str, ...]) -> tuple[Deed, ...]:
    people = (*_PEOPLE_DEEDS, *_PEOPLE_DEEDS, *extra)
    known = {"calm": (), "stormy": _STORMY_DEEDS, "peopled": (*people, *_STORMY_DEEDS)}[mood]
    chosen = [random.choice(_CLUSTER_DEEDS) for _ in range(random.randrange(4))]
    chosen += [random.choice(known) for _ in range(random.randrange(1, 6))] if known else []
    late = (
        Deed(seconds * (0.4 + 0.6 * random.random()), random.choice(_LATE_DEEDS)) for _ in range(random.randrange(4))
    )
    # The first seconds, in which everything is accepted, see as much as all the rest.
    deeds = [Deed(random.random() * (2.0 if random.random() < 0.3 else seconds), what) for what in chosen]
    if mood == "peopled":
        deeds += [*late, *_restore(random)]
    return tuple(sorted(deeds, key=lambda deed: deed.seconds))


def _restore(random: Random) -> tuple[Deed, ...]:
    if random.random() > _RESTORE_RATE:
        return ()
    backup = random.random() * 60
    return Deed(backup, "back up"), Deed(backup + random.random() * random.choice((2, 20, 60)), "restore")
