"""What is Cancelled works no more (invariant 5)."""

from __future__ import annotations

from codecourier.core.shared.naming import LABEL_RUN_UID, LABEL_SANDBOX_UID
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import PODS
from tests.simulation.forge import Push
from tests.simulation.invariants.objects import became, is_unfinished, reason_of, status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change

__all__ = ["Stops"]

_UNCONFIRMED = "ProcessUnconfirmed"


class Stops:
    """Checks what goes on after a stop.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def run_is_over(self, change: Change) -> None:
        """Check that a cancelled Run has no process."""
        if became(change, "Cancelled"):
            self._no_process(change, LABEL_RUN_UID)

    def sandbox_is_over(self, change: Change) -> None:
        """Check that a cancelled Sandbox has no process."""
        if became(change, "Cancelled"):
            self._no_process(change, LABEL_SANDBOX_UID)

    def chain_is_over(self, change: Change) -> None:
        """Check that no Run of a cancelled chain goes on."""
        if not became(change, "Cancelled"):
            return
        chain = change.identity[2]
        for stored in self._scene.store.list(RUNS, change.identity[1]):
            origin = stored.obj["spec"].get("origin") or {}
            if origin.get("uid") == change.new.metadata["uid"] and is_unfinished(stored.obj):
                self._scene.fail("5", f"chain {chain} is Cancelled and Run {stored.metadata['name']} is not over")

    def pushed(self, push: Push) -> None:
        """Check that nothing is pushed for a cancelled Run."""
        run = self._scene.find_by_uid(push.commit.run)
        if run is None or status_of(run).get("phase") != "Cancelled":
            return
        if not (self._scene.forge.personal and reason_of(run.obj) == _UNCONFIRMED):
            self._scene.fail("5", f"Run {run.metadata['name']} is Cancelled, and its work was pushed afterwards")

    def _no_process(self, change: Change, label: str) -> None:
        kind, _, name = change.identity
        is_unconfirmed = _UNCONFIRMED in (reason_of(change.new.obj), change.new.obj["status"].get("reason"))
        for stored in self._scene.store.list(PODS, change.identity[1], f"{label}={change.new.metadata['uid']}"):
            if self._scene.nodes.is_alive(stored.metadata["uid"]) and not is_unconfirmed:
                self._scene.fail("5", f"{kind.kind} {name} is Cancelled and its pod {stored.metadata['name']} runs")
