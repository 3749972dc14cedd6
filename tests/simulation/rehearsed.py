"""Scenarios for what happens too seldom for every budget of seeds to come through it."""

from __future__ import annotations

from dataclasses import replace

from codecourier.kinds.api_resources import MERGE_JOBS
from codecourier.kube.api import Json
from tests.simulation.faults import Fault
from tests.simulation.forge import URL
from tests.simulation.merge_scenes import Ci, MergeScene, Source
from tests.simulation.nights import NIGHTS
from tests.simulation.scenario import KUBELET_BEHAVIOURS, REFERENCE, Deed, Scenario
from tests.simulation.steps import Behaviour

__all__ = ["REHEARSED"]


def _rehearsed_task(*deeds: tuple[float, str], fails: bool = False, hangs: bool = False, tasks: int = 1) -> Scenario:
    """Return a scenario of daily tasks in which people do just this."""
    behaviour = Behaviour.FAILS if fails else Behaviour.HANGS if hangs else None
    behaviours = {} if behaviour is None else {(f"task-{number}", 0): behaviour for number in range(tasks)}
    return replace(
        REFERENCE,
        mood="peopled",
        chains=0,
        tasks=tasks,
        limit=3,
        behaviours=behaviours,
        deeds=tuple(Deed(*deed) for deed in deeds),
    )


def _rehearsed_session(*deeds: tuple[float, str], behaviour: Behaviour | None = None) -> Scenario:
    """Return a scenario of a session in which people do just this."""
    behaviours = {} if behaviour is None else {("session-0", 0): behaviour}
    made = tuple(Deed(*deed) for deed in deeds)
    return replace(REFERENCE, mood="peopled", chains=0, sessions=1, behaviours=behaviours, deeds=made)


def _rehearsed(
    runs: int,
    *deeds: tuple[float, str],
    fails: tuple[int, ...] = (),
    hangs: tuple[int, ...] = (),
    others: tuple[Behaviour, ...] = (),
    pace: float = REFERENCE.pace,
) -> Scenario:
    """Return a scenario of some Runs, or of a chain where there are none, in which people do just this."""
    name = "run" if runs else "chain"
    behaviours = {(f"{name}-{number}", 0): Behaviour.FAILS for number in fails}
    behaviours |= {(f"{name}-{number}", 0): Behaviour.HANGS for number in hangs}
    behaviours |= {(f"{name}-{number}", 0): behaviour for number, behaviour in enumerate(others)}
    return replace(
        REFERENCE,
        mood="peopled",
        chains=0 if runs else 1,
        runs=runs,
        behaviours=behaviours,
        deeds=tuple(Deed(*deed) for deed in deeds),
        pace=pace,
    )


def _rehearsed_lessons(*deeds: tuple[float, str]) -> Scenario:
    """Return a scenario of Runs, one after the other, whose agents propose lessons and in which people do just this."""
    return replace(_rehearsed(5, *deeds, fails=(1,)), lessons=3)


def _rehearsed_merge(
    *sources: Source,
    deeds: tuple[tuple[float, str], ...] = (),
    single: bool = False,
    ci: Ci = Ci.GREEN,
    behaviour: Behaviour = Behaviour.CHANGES,
    pace: float = REFERENCE.pace,
    seed: int = REFERENCE.seed,
) -> Scenario:
    """Return a scenario of a merge in which people do just this."""
    scene = MergeScene(sources or (Source.CLEAN,), "Single" if single else "Combine", ci=ci)
    return replace(
        REFERENCE,
        mood="peopled",
        chains=0,
        merges=(scene,),
        has_verify=True,
        pace=pace,
        seed=seed,
        behaviours={("merge-0", 0): behaviour},
        deeds=tuple(Deed(*deed) for deed in deeds),
    )


_SEALING = ((5.0, "pass a day"), (10.0, "pass two hours"), (20.0, "pass two hours"))
"""What lets a day be sealed, from a time on."""


def _at(seconds: float, *deeds: tuple[float, str]) -> tuple[tuple[float, str], ...]:
    return tuple((seconds + after, what) for after, what in deeds)


_AGING = _at(0.0, (0.0, "pass a season"), (10.0, "pass two hours"), (20.0, "pass two hours"))
"""What lets things go for their age."""


_CANCELLED_MERGE: Json = {
    "mode": "Combine",
    "pullRequests": [f"{URL}/pull/7"],
    "workflowRef": {"name": "runnable"},
    "cancelled": True,
}

REHEARSED = (
    _rehearsed(2, (60.0, "close pull request"), (200.0, "reopen pull request"), (260.0, "merge pull request")),
    _rehearsed(1, (60.0, "fail check"), (200.0, "pass check"), (330.0, "fail check"), (480.0, "merge pull request")),
    _rehearsed(0, (0.0, "delete workflow"), (2.0, "delete chain")),
    _rehearsed(0, (20.0, "cancel run"), (200.0, "raise attempt")),
    _rehearsed(0, (200.0, "raise attempt"), fails=(0,)),
    _rehearsed(0, (1.0, "refuse pull request")),
    _rehearsed(0, (1.0, "forbid pull requests"), (200.0, "delete chain"), (250.0, "cancel run")),
    _rehearsed(0, (0.0, "cancel chain"), (200.0, "raise attempt"), (400.0, "apply again")),
    _rehearsed(0, (8.0, "cancel chain"), (8.1, "raise attempt"), (200.0, "raise attempt")),
    _rehearsed(0, (0.0, "delete workflow"), (2.0, "cancel chain")),
    _rehearsed(0, (8.0, "delete chain"), (9.0, "cancel chain"), pace=40.0),
    _rehearsed(1, (1.0, "forbid pull requests"), (200.0, "delete run")),
    _rehearsed(1, (0.0, "delete workflow"), (2.0, "cancel run")),
    _rehearsed(1, (200.0, "raise attempt of run"), fails=(0,)),
    _rehearsed(1, (15.0, "expire pod")),
    _rehearsed(2, (40.0, "raise attempt of run"), hangs=(1,)),
    _rehearsed(2, (40.0, "raise attempt of run"), fails=(0,), hangs=(1,)),
    _rehearsed(3, (5.0, "cancel run"), (6.0, "cancel run")),
    _rehearsed(1, (0.4, "partition leader"), (3.0, "delete pod"), pace=0.01),
    _rehearsed(1, (5.0, "delete run in foreground")),
    _rehearsed(1, (5.0, "delete token")),
    _rehearsed(1, (6.0, "orphan sandbox")),
    _rehearsed(1, (6.0, "orphan sandbox"), (60.0, "delete namespace")),
    _rehearsed(0, (8.0, "orphan run")),
    _rehearsed(3, others=KUBELET_BEHAVIOURS),
    _rehearsed(3, (8.0, "cancel run"), (9.0, "delete run"), others=KUBELET_BEHAVIOURS),
    _rehearsed(1, (12.0, "lose node")),
    _rehearsed(1, (5.0, "cancel run"), (200.0, "raise attempt of run"), (400.0, "apply again")),
    _rehearsed(0, (200.0, "suspend chain"), pace=40.0),
    _rehearsed(2, (8.0, "delete workflow")),
    _rehearsed(2, (8.0, "delete project")),
    _rehearsed(0, (8.0, "delete project"), (9.0, "delete chain")),
    _rehearsed(3, (6.0, "make project again")),
    _rehearsed(1, (100.0, "pass a day"), (105.0, "raise attempt of run"), *_at(300.0, *_AGING), fails=(0,)),
    _rehearsed(0, (1.0, "back up"), (7.0, "restore")),
    _rehearsed(0, (8.0, "back up"), (25.0, "restore")),
    _rehearsed(0, (8.0, "back up"), (80.0, "restore")),
    _rehearsed(0, (16.0, "back up"), (46.0, "restore")),
    replace(_rehearsed(0, (5.0, "back up"), (40.0, "restore"), (60.0, "hand over")), operators=2),
    replace(REFERENCE, runs=1, limit=2, neighbours=40),
    _rehearsed(1, (4.0, "edit workflow"), (6.0, "evict pod")),
    _rehearsed(3, (3.0, "edit workflow"), (6.0, "delete revision"), (7.0, "evict pod")),
    _rehearsed(1, (5.0, "delete revision"), (6.0, "evict pod")),
    _rehearsed_task((200.0, "pass a day"), (400.0, "pass some days"), (600.0, "run task now"), (700.0, "suspend task")),
    _rehearsed_task(*((200.0 * n, "pass a day") for n in (1, 2, 3)), (700.0, "unpause task"), fails=True),
    _rehearsed_task((5.0, "pass a day"), (80.0, "pass a day"), hangs=True, tasks=3),
    _rehearsed_task((1.0, "suspend task for long"), (100.0, "pass a day"), (200.0, "pass a day")),
    _rehearsed_task((50.0, "lose workflow"), (55.0, "suspend task"), (200.0, "pass a day")),
    _rehearsed_task((50.0, "refuse Runs for long")),
    _rehearsed_task((200.0, "pass a day"), (400.0, "lose status of task"), (500.0, "pass a day"), fails=True),
    _rehearsed_task((200.0, "pass a day"), (210.0, "lose status of task"), (400.0, "pass a day")),
    _rehearsed_task((200.0, "reschedule task"), (250.0, "delete task"), (300.0, "make task again")),
    *(replace(_rehearsed_task(*((80.0 * n, "pass a day") for n in range(1, 9))), night=night) for night in NIGHTS[:2]),
    _rehearsed_lessons((60.0, "accept learning"), (61.0, "accept learning"), (200.0, "correct learning")),
    _rehearsed_lessons((1.0, "write learning"), (20.0, "take learning back"), (60.0, "accept learning")),
    _rehearsed_lessons(
        (50.0, "trash learning"), (55.0, "delete learning"), (60.0, "accept learning"), (62.0, "evict pod")
    ),
    _rehearsed_session((200.0, "ask for more"), (400.0, "close issue"), (600.0, "ask for more")),
    _rehearsed_session((100.0, "ask for more"), (110.0, "merge pull request"), (300.0, "ask for more")),
    _rehearsed_session((0.0, "close issue"), (200.0, "reopen issue"), (300.0, "ask for more")),
    _rehearsed_session((8.0, "cancel run"), (200.0, "ask for more")),
    replace(_rehearsed_session((8.0, "close issue"), (9.0, "ask for more")), pace=20.0),
    _rehearsed_session((200.0, "ask for more"), behaviour=Behaviour.FAILS),
    _rehearsed_session((0.0, "mistake pull request for issue"), (100.0, "ask for more")),
    _rehearsed_session((0.0, "forbid comments"), (150.0, "ask for more")),
    _rehearsed_session((1.0, "lock issue"), (150.0, "delete comment"), (200.0, "ask for more")),
    _rehearsed_session((100.0, "ask for more"), (101.0, "lose status of session"), (300.0, "ask for more")),
    _rehearsed_session((0.0, "trash session"), (150.0, "lose status of session"), (200.0, "ask for more")),
    replace(_rehearsed_session(), seed=7, rates={Fault.LATE: 0.15}, fault_seconds=20.0),
    replace(_rehearsed_session((1.0, "partition leader"), (3.0, "hand over"), (100.0, "ask for more")), operators=2),
    _rehearsed(3, *_at(120.0, *_SEALING), *_at(240.0, *_AGING), others=(Behaviour.NOTHING, Behaviour.NOTHING)),
    replace(
        _rehearsed_task(*((100.0 * day, "pass a day") for day in (1, 2, 3)), *_at(400.0, *_AGING)),
        behaviours={("task-0", 0): Behaviour.NOTHING},
    ),
    _rehearsed_lessons((100.0, "put into the trash"), (101.0, "put into the trash"), *_at(240.0, *_AGING)),
    replace(_rehearsed_task((60.0, "partition leader"), (200.0, "pass a day"), (262.0, "hand over")), operators=2),
    replace(REFERENCE, mood="peopled", chains=0, declared=((MERGE_JOBS, "cancelled", _CANCELLED_MERGE),)),
    _rehearsed_merge(single=True),
    _rehearsed_merge(*Source),
    _rehearsed_merge(Source.CLASHES, Source.CLASHES, Source.CLEAN, behaviour=Behaviour.VERIFY_FAILS),
    _rehearsed_merge(single=True, ci=Ci.LATE),
    _rehearsed_merge(single=True, ci=Ci.PASSES, deeds=((45.0, "push to base"), (50.0, "require check"))),
    _rehearsed_merge(single=True, deeds=((60.0, "push to pull request"),)),
    _rehearsed_merge(single=True, deeds=((60.0, "retarget pull request"),)),
    _rehearsed_merge(single=True, deeds=((10.0, "cancel merge"),)),
    _rehearsed_merge(single=True, ci=Ci.NONE),
    _rehearsed_merge(single=True, ci=Ci.FAILS, pace=6.0),
    _rehearsed_merge(single=True, deeds=((91.0, "push to base"), (125.0, "push to base")), seed=2),
    _rehearsed_merge(Source.CLEAN, Source.CLEAN, deeds=((10.0, "cancel run"),)),
    replace(_rehearsed_merge(), merges=(MergeScene((Source.CLEAN,), "Single", ci=Ci.SLOW),) * 3, limit=3, seed=2),
)
"""What happens too seldom for every budget of seeds to come through it."""
