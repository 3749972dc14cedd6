"""Invariant 2, watched: each slot of a RecurringTask has exactly one disposition, and makes at most one Run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Any

from codecourier.kinds.api_resources import RECURRING_TASKS
from codecourier.zones import find_zone
from tests.core.slots.oracle import Walk, is_due, walk_slots
from tests.simulation.invariants.objects import status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change, Stored

__all__ = ["Slots"]

DAY = timedelta(days=1)
AROUND = 4 * DAY
"""How far the oracle walks beyond what is asked for: it says nothing about the first and last days of a walk."""


class Slots:
    """Sees every Run that a task makes, and every step of a task's ledger.

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
        """Check a step of a task's ledger: it goes forward, and settles each slot that it passes once.

        Where the schedule began anew, the ledger has passed the slots of the replaced one.
        """
        if change.type != "MODIFIED" or change.old is None:
            return
        name, old, new = change.identity[2], status_of(change.old), status_of(change.new)
        slots = Counter((record["slot"], record.get("isManual", False)) for record in new.get("history") or ())
        if any(count > 1 for count in slots.values()):
            self._fail(f"a slot of task {name} has two dispositions: {dict(slots)}")
        if not old.get("settledTime") or not new.get("settledTime"):
            return
        before, after = (datetime.fromisoformat(status["settledTime"]) for status in (old, new))
        if after < before:
            self._fail(f"the ledger of task {name} goes back")
        passed = set(slots_of(old["anchor"], before, after))
        counted = _dispositions(new) - _dispositions(old)
        if counted != len(passed):
            self._fail(f"{len(passed)} slots of task {name} passed, and {counted} got a disposition")
        if wrong := _settled(new) - _settled(old) - passed:
            self._fail(f"task {name} settled what was no slot: {sorted(wrong)}")

    def _fail(self, text: str) -> None:
        self._scene.fail("2", text)

    def unsettled(self, now: datetime) -> Iterator[str]:
        """Yield what is left to decide at rest."""
        for stored in self._scene.store.list(RECURRING_TASKS):
            status = status_of(stored)
            if "deletionTimestamp" in stored.metadata or not status.get("settledTime"):
                continue
            settled = datetime.fromisoformat(status["settledTime"])
            for slot in slots_of(status["anchor"], settled, now - timedelta(seconds=60)):
                yield f"slot {slot} of task {stored.metadata['name']} has no disposition"
            if _active(stored):
                yield f"task {stored.metadata['name']} waits for {_active(stored)}"


def slots_of(anchor: Mapping[str, Any], after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots after one time up to another, by the tests' own walk through time."""
    if until <= after:
        return
    first, at = date.fromisoformat(anchor["date"]), time(anchor["hour"], anchor["minute"])
    due = partial(is_due, anchor["frequency"], first, anchor["day"])
    if anchor["timeZone"] == "UTC":
        days = (after.date() + number * DAY for number in range((until.date() - after.date()).days + 1))
        slots = [datetime.combine(day, at, UTC) for day in days if due(day)]
    else:
        walk = _walk(anchor["timeZone"], after.date(), until.date())
        slots = list(walk_slots(walk, at, due))
    yield from (slot for slot in slots if after < slot <= until)


@lru_cache(maxsize=64)
def _walk(name: str, first: date, last: date) -> Walk:
    zone = find_zone(name)
    assert zone is not None
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last))
    return Walk.through(start - AROUND, end + AROUND, zone)


def _active(task: Stored) -> list[str]:
    return [active["run"] for active in status_of(task).get("active") or ()]


def _settled(status: Mapping[str, Any]) -> set[datetime]:
    records = status.get("history") or ()
    return {datetime.fromisoformat(record["slot"]) for record in records if not record.get("isManual")}


def _dispositions(status: Mapping[str, Any]) -> int:
    totals = status.get("totals") or {}
    return sum(totals.get(name, 0) for name in ("fired", "skipped", "missed"))
