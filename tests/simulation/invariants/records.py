"""A Notification (invariant 3) and a UsageRecord (6) are made once."""

from __future__ import annotations

from collections import Counter, defaultdict

from codecourier.core.shared.naming import LABEL_SANDBOX_UID
from codecourier.kinds.api_resources import NOTIFICATIONS, RUNS, USAGE_RECORDS
from codecourier.kube.api import Resource
from tests.simulation.invariants.objects import FINISHED, status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.stored import Change

__all__ = ["Records"]


class Records:
    """Counts what was made, and what has to be recorded.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self.made: dict[Resource, Counter[tuple[str, str]]] = defaultdict(Counter)
        """How often each name was made, by kind."""

        self.taken_back: Counter[tuple[str, str]] = Counter()
        """How often a UsageRecord was deleted before its Run told of it, by namespace and name."""

        self.told: dict[str, list[tuple[str, str]]] = defaultdict(list)
        """Types and names of the Notifications that were ever made, by the UID of what they are about."""

        self.started: dict[str, tuple[str, str]] = {}
        """UIDs of the Sandboxes whose pod was seen to run before their end, with namespace and name."""

        self._scene = scene

    def is_made(self, resource: Resource, namespace: str, name: str) -> bool:
        """Tell whether an object was ever made."""
        return (namespace, name) in self.made[resource]

    def count(self, change: Change) -> None:
        """Count what is made."""
        if change.type == "ADDED":
            self.made[change.identity[0]][change.identity[1:]] += 1

    def made_once(self, change: Change) -> None:
        """Check that a record was not made before."""
        resource, namespace, name = change.identity
        if resource == NOTIFICATIONS and change.type == "ADDED":
            spec = change.new.obj["spec"]
            self.told[spec["entity"]["uid"]].append((spec["type"], name))
        if change.type == "DELETED" and resource == USAGE_RECORDS and not self._is_in_ledger(change):
            # Deleted between its creation and the write that tells of it, it may come back (decision 0006).
            self.taken_back[namespace, name] += 1
        if self.made[resource][namespace, name] > 1 + self.taken_back[namespace, name]:
            self._scene.fail("3" if resource == NOTIFICATIONS else "6", f"{resource.kind} {name} was made twice")

    def pod_seen(self, change: Change) -> None:
        """Remember whose pod has run."""
        statuses = status_of(change.new).get("initContainerStatuses") or ()
        uid = change.new.labels.get(LABEL_SANDBOX_UID, "")
        sandbox = self._scene.find_by_uid(uid)
        if sandbox is None or sandbox.obj["status"].get("phase") in FINISHED:
            # A node that was cut off tells later what it had done.
            return
        if any({"running", "terminated"} & c["state"].keys() for c in statuses):
            self.started[uid] = change.identity[1:]

    def _is_in_ledger(self, record: Change) -> bool:
        _, namespace, name = record.identity
        run = self._scene.store.find((RUNS, namespace, record.new.obj["spec"]["run"]))
        tries = status_of(run).get("tries") or ()
        return run is None or any(entry["sandbox"] == name and entry.get("isRecorded") for entry in tries)
