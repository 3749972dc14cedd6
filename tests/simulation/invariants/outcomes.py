"""What is finished stays as it is, and so does the Workflow of an attempt (invariant 4)."""

from __future__ import annotations

from codecourier.kube.api import CONTROLLER_REVISIONS, Json
from tests.simulation.invariants.objects import FINISHED, reason_of, status_of
from tests.simulation.invariants.records import Records
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change, Stored

__all__ = ["Outcomes"]


class Outcomes:
    """Checks what must not change any more.

    Parameters
    ----------
    scene
        What is looked at.
    records
        What was made.
    """

    def __init__(self, scene: Scene, records: Records) -> None:
        self._scene = scene
        self._records = records

    def finished_stays(self, change: Change) -> None:
        """Check that the outcome of an attempt stays."""
        if change.type != "MODIFIED" or change.old is None:
            return
        old, new = status_of(change.old), status_of(change.new)
        if old.get("phase") not in FINISHED or _number(old) != _number(new):
            return
        before, after = _outcome(change.old), _outcome(change.new)
        if before != after:
            self._scene.fail("4", f"{change.identity[0].kind} {change.identity[2]} was {before} and became {after}")

    def revision_stays(self, change: Change) -> None:
        """Check that an attempt of a Run keeps the Workflow that it began with."""
        before, after = status_of(change.old), status_of(change.new)
        name, named = after.get("workflowRevision"), before.get("workflowRevision")
        if named is not None and after.get("attempt") == before.get("attempt") and name != named:
            self._scene.fail("4", f"Run {change.identity[2]} changes its Workflow within an attempt")
        if name is not None and not self._records.is_made(CONTROLLER_REVISIONS, change.identity[1], name):
            self._scene.fail("4", f"Run {change.identity[2]} names a revision that was never made")


def _number(status: Json) -> tuple[object, object]:
    """Return what a person's wish for more raises: the attempt, or how many Runs a session has made."""
    return status.get("attempt"), status.get("runCount")


def _outcome(stored: Stored) -> tuple[str | None, str, str | None, str | None]:
    status = status_of(stored)
    return status.get("phase"), reason_of(stored.obj), status.get("headCommit"), status.get("message")
