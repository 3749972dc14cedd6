"""What kube-controller-manager does in a cluster, as far as CodeCourier relies on it: collect garbage, end namespaces.

Each step comes after a delay of its own by chance, so what happens in between is part of what is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from codecourier.kube.api import NAMESPACES, Json, Propagation
from codecourier.kube.errors import ApiError
from tests.simulation.built_in import FOREGROUND, ORPHAN
from tests.simulation.store import ObjectStore
from tests.simulation.stored import Change, Identity, Stored

__all__ = ["GarbageCollector", "NamespaceController"]


class _Controller:
    """Looks at one key after another, each after a delay, once however often it was asked for.

    Parameters
    ----------
    store
        The cluster.
    random
        Source of the delays.
    max_delay_seconds
        The longest ordinary delay; one in fifty is ten times as long.
    """

    def __init__(self, store: ObjectStore, random: Random, max_delay_seconds: float = 0.5) -> None:
        self.store = store
        self.paused = False
        """While set nothing happens, as when kube-controller-manager is down; what is due then comes later."""
        self._random = random
        self._max_delay = max_delay_seconds
        self._pending: set[str] = set()
        store.listeners.append(self.changed)

    def changed(self, change: Change) -> None:
        """Ask for what a change makes necessary."""
        raise NotImplementedError

    def look(self, key: str) -> None:
        """Do what is necessary about a key."""
        raise NotImplementedError

    def ask(self, key: str) -> None:
        """Look at a key later."""
        if key not in self._pending:
            self._pending.add(key)
            factor = 10.0 if self._random.random() < 0.02 else 1.0
            delay = self._random.random() * self._max_delay * factor
            asyncio.get_running_loop().call_later(delay, self._run, key)

    def _run(self, key: str) -> None:
        self._pending.discard(key)
        if self.paused:
            self.ask(key)
        else:
            self.look(key)


class GarbageCollector(_Controller):
    """Deletes what has no owner left, and sees foreground and orphaning deletions through; its keys are UIDs."""

    def changed(self, change: Change) -> None:
        """Look at the object, at what it owns and at what owns it, where that can matter."""
        metadata = change.new.metadata
        if change.type == "DELETED":
            for owner in metadata.get("ownerReferences") or ():
                self.ask(owner["uid"])
        elif metadata.get("ownerReferences") or ("deletionTimestamp" in metadata and metadata.get("finalizers")):
            self.ask(metadata["uid"])
        if change.type == "DELETED" or FOREGROUND in (metadata.get("finalizers") or ()):
            for identity in self.store.dependents(metadata["uid"]):
                dependent = self.store.find(identity)
                if dependent is not None:
                    self.ask(dependent.metadata["uid"])

    def look(self, key: str) -> None:
        """Decide about one object."""
        identity = self.store.find_uid(key)
        stored = self.store.find(identity) if identity is not None else None
        if identity is None or stored is None:
            return
        finalizers = stored.metadata.get("finalizers") or ()
        if "deletionTimestamp" not in stored.metadata:
            self._collect(identity, stored)
        elif FOREGROUND in finalizers:
            self._wait_for_dependents(stored, identity)
        elif ORPHAN in finalizers:
            for dependent in self.store.dependents(key):
                self._disown(dependent, lambda owner: bool(owner["uid"] == key))
            self._finalize(identity, ORPHAN)

    def _collect(self, identity: Identity, stored: Stored) -> None:
        owners = stored.metadata.get("ownerReferences") or ()
        states = {owner["uid"]: self._state(owner["uid"], identity[1]) for owner in owners}
        if "solid" in states.values():
            if set(states.values()) != {"solid"}:
                self._disown(identity, lambda owner: states.get(owner["uid"], "solid") != "solid")
        elif owners:
            self._delete(identity, stored, waiting="waiting" in states.values())

    def _state(self, uid: str, namespace: str) -> str:
        identity = self.store.find_uid(uid)
        owner = self.store.find(identity) if identity is not None else None
        if identity is None or owner is None or identity[1] not in ("", namespace):
            return "dangling"
        is_waiting = "deletionTimestamp" in owner.metadata and FOREGROUND in (owner.metadata.get("finalizers") or ())
        return "waiting" if is_waiting else "solid"

    def _delete(self, identity: Identity, stored: Stored, *, waiting: bool) -> None:
        finalizers = stored.metadata.get("finalizers") or ()
        propagation: Propagation = "Background"
        if waiting and self.store.dependents(stored.metadata["uid"]):
            propagation = "Foreground"
        elif ORPHAN in finalizers or FOREGROUND in finalizers:
            propagation = "Orphan" if ORPHAN in finalizers else "Foreground"
        self.store.delete(*identity, uid=stored.metadata["uid"], propagation=propagation)

    def _wait_for_dependents(self, stored: Stored, identity: Identity) -> None:
        uid = stored.metadata["uid"]
        blocking = [dependent for dependent in self.store.dependents(uid) if self._is_blocking(dependent, uid)]
        if not blocking:
            self._finalize(identity, FOREGROUND)

    def _is_blocking(self, dependent: Identity, uid: str) -> bool:
        stored = self.store.find(dependent)
        owners = stored.metadata.get("ownerReferences") or () if stored is not None else ()
        return any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners)

    def _disown(self, identity: Identity, is_dropped: Callable[[Json], bool]) -> None:
        stored = self.store.find(identity)
        if stored is not None:
            kept = [owner for owner in stored.metadata["ownerReferences"] if not is_dropped(owner)]
            self.store.patch(*identity, {"metadata": {"ownerReferences": kept or None}})

    def _finalize(self, identity: Identity, finalizer: str) -> None:
        stored = self.store.find(identity)
        if stored is not None:
            kept: list[Any] = [name for name in stored.metadata["finalizers"] if name != finalizer]
            self.store.patch(*identity, {"metadata": {"finalizers": kept or None}})


class NamespaceController(_Controller):
    """Empties namespaces that are to be deleted, then lets them go; its keys are their names."""

    def changed(self, change: Change) -> None:
        """Begin when a namespace is marked."""
        if change.identity[0] == NAMESPACES and "deletionTimestamp" in change.new.metadata and change.type != "DELETED":
            self.ask(change.identity[2])

    def look(self, key: str) -> None:
        """Delete what is there; come back until nothing is."""
        contents = list(self.store.contents(key))
        if not contents:
            self.store.remove_namespace(key)
            return
        for identity in contents:
            stored = self.store.find(identity)
            if stored is not None and "deletionTimestamp" not in stored.metadata:
                try:
                    self.store.delete(*identity, propagation="Background")
                except ApiError:
                    continue
        self.ask(key)
