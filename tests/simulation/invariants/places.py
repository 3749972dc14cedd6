"""Only so many Runs have a place as may run at once (invariant 10)."""

from __future__ import annotations

import asyncio
from datetime import datetime

from codecourier.core.project.admission import UNSEEN_LIMIT
from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.kube.api import Json
from tests.simulation.invariants.objects import FINISHED, became, is_unfinished, status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change, Stored

__all__ = ["Places"]

_Place = tuple[str, int, int, datetime]
"""Which try a place is for, and since when."""


class Places:
    """Checks the places of a Project.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._limit = 0
        self._project_time = 0.0

    def limit_seen(self, change: Change) -> None:
        """Remember since when a Project is there, and its highest limit."""
        if change.type == "ADDED":
            self._project_time = asyncio.get_running_loop().time()
        self._limit = max(self._limit, change.new.obj["spec"]["limits"]["maxConcurrentRuns"])

    def limit_holds(self, change: Change) -> None:
        """Check the limit whenever a place is given."""
        if change.old is None or change.type != "MODIFIED":
            return
        old, new = _places(change.old), _places(change.new)
        if not new - old:
            return
        limit = change.new.obj["spec"]["limits"]["maxConcurrentRuns"]
        # A Run that runs counts even where its place was given to another one.
        running = self._running(change.identity[1])
        needed = {place[:3] for place in new if self._is_needed(*place)} | running
        if len(needed) > max(limit, len(running)):
            self._scene.fail("10", f"{len(needed)} Runs have a place where {limit} may run")

    def run_has_place(self, change: Change) -> None:
        """Check that a Run that begins to run has a place."""
        is_new = asyncio.get_running_loop().time() < self._project_time + UNSEEN_LIMIT.total_seconds()
        if is_new or not became(change, "Running"):
            return
        project = self._scene.store.find((PROJECTS, change.identity[1], "default"))
        if change.new.metadata["uid"] not in {entry["uid"] for entry in _admitted(project)}:
            self._scene.fail("10", f"Run {change.identity[2]} is Running without a place")

    def few_run(self, change: Change) -> None:
        """Check the limit whenever one more Run has a pod; after people lowered it, the highest one counts."""
        if became(change, "Running") and len(running := self._running(change.identity[1])) > self._limit:
            self._scene.fail("10", f"{len(running)} Runs are Running where {self._limit} may run")

    def _running(self, namespace: str) -> set[tuple[str, int, int]]:
        """Return the tries that are Running, as places name them."""
        runs = (stored.obj for stored in self._scene.store.list(RUNS, namespace))
        return {
            (run["metadata"]["uid"], run["status"]["attempt"], len(run["status"]["tries"]))
            for run in runs
            if (run.get("status") or {}).get("phase") == "Running" and "pullRequest" not in run["status"]
        }

    def _is_needed(self, uid: str, attempt: int, try_number: int, since: datetime) -> bool:
        run = self._scene.find_by_uid(uid)
        if run is None:
            return False
        status = status_of(run)
        if status.get("phase") in FINISHED:
            is_wanted = not run.metadata.get("deletionTimestamp") and is_unfinished(run.obj)
            return is_wanted and attempt > status.get("attempt", 0)
        tries = len(status.get("tries") or ()) if status.get("attempt") == attempt else 0
        is_returned = "retryTime" in status and since < datetime.fromisoformat(status["retryTime"])
        if status.get("phase") == "Running":
            return try_number == tries and "pullRequest" not in status
        return try_number == tries + 1 and not is_returned


def _admitted(project: Stored | None) -> list[Json]:
    return status_of(project).get("admitted") or []


def _places(project: Stored) -> set[_Place]:
    return {
        (entry["uid"], entry["attempt"], entry["tryNumber"], datetime.fromisoformat(entry["admissionTime"]))
        for entry in _admitted(project)
    }
