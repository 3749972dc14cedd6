"""Invariant 2, watched: each slot of a RecurringTask has exactly one disposition, and makes at most one Run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from codecourier.kinds.api_resources import RECURRING_TASKS
from codecourier.kube.api import Json
from tests.simulation.invariants.objects import status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change, Stored

__all__ = ["Slots"]

DAY = timedelta(days=1)


class Slots:
    """Sees every Run that a task makes, and every step of a task's ledger. Tasks are daily, in UTC.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._made: Counter[tuple[str, str]] = Counter()

    def restored(self) -> None:
        """Forget what was made: the API server lost it, too."""
        self._made.clear()

    def run_made(self, change: Change) -> None:
        """Check a Run that is made: its slot has no other one, and its task claims it."""
        origin = change.new.obj["spec"].get("origin") or {}
        if change.type != "ADDED" or origin.get("kind") != RECURRING_TASKS.kind:
            return
        self._made[origin["uid"], origin["slot"]] += 1
        if self._made[origin["uid"], origin["slot"]] > 1:
            self._fail(f"slot {origin['slot']} of task {origin['name']} made two Runs")
        task = self._scene.find_by_uid(origin["uid"])
        if task is not None and change.identity[2] not in _active(task):
            self._fail(f"Run {change.identity[2]} is not claimed by its task")

    def task_changed(self, change: Change) -> None:
        """Check a step of a task's ledger: it goes forward, and counts each slot that it passes once."""
        if change.type != "MODIFIED" or change.old is None:
            return
        name, old, new = change.identity[2], status_of(change.old), status_of(change.new)
        slots = Counter((record["slot"], record.get("isManual", False)) for record in new.get("history") or ())
        if any(count > 1 for count in slots.values()):
            self._fail(f"a slot of task {name} has two dispositions: {dict(slots)}")
        if not old.get("settledTime") or old.get("anchor") != new.get("anchor"):
            return
        before, after = (datetime.fromisoformat(status["settledTime"]) for status in (old, new))
        if after < before:
            self._fail(f"the ledger of task {name} goes back")
        passed = sum(1 for _ in slots_of(change.new.obj, before, after))
        counted = _dispositions(new) - _dispositions(old)
        if counted != passed:
            self._fail(f"{passed} slots of task {name} passed, and {counted} got a disposition")

    def _fail(self, text: str) -> None:
        self._scene.fail("2", text)

    def unsettled(self, now: datetime) -> Iterator[str]:
        """Yield what is left to decide at rest."""
        for stored in self._scene.store.list(RECURRING_TASKS):
            status = status_of(stored)
            if "deletionTimestamp" in stored.metadata or not status.get("settledTime"):
                continue
            settled = datetime.fromisoformat(status["settledTime"])
            for slot in slots_of(stored.obj, settled, now - timedelta(seconds=60)):
                yield f"slot {slot} of task {stored.metadata['name']} has no disposition"
            if _active(stored):
                yield f"task {stored.metadata['name']} waits for {_active(stored)}"


def slots_of(task: Json, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots of a daily task in UTC, by adding days."""
    spec = task["spec"]
    slot = after.replace(hour=spec["hour"], minute=spec["minute"], second=0, microsecond=0)
    while slot <= until:
        if slot > after:
            yield slot
        slot += DAY


def _active(task: Stored) -> list[str]:
    return [active["run"] for active in status_of(task).get("active") or ()]


def _dispositions(status: Json) -> int:
    totals = status.get("totals") or {}
    return sum(totals.get(name, 0) for name in ("fired", "skipped", "missed"))
