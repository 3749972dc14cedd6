"""Whether the leader observes each change of a spec soon, where nothing goes wrong meanwhile (invariant 13)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from codecourier.kube.api import Json
from codecourier.resources.meta import GROUP
from tests.simulation.store import ObjectStore
from tests.simulation.stored import Change, Identity

__all__ = ["GenerationWatch"]

OBSERVED_SECONDS = 2.0
"""How long the leader may take."""

RECOVERY_SECONDS = 150.0
"""How long a fault, or an operator that comes or goes, excuses a delay: longer than every backoff."""


class GenerationWatch:
    """Looks at each object again some seconds after its spec was changed.

    Parameters
    ----------
    store
        The cluster.
    fail
        Is told what does not hold.
    """

    def __init__(self, store: ObjectStore, fail: Callable[[str], None]) -> None:
        self._store, self._fail = store, fail
        self._disturbed_until = 0.0

    def disturb(self) -> None:
        """Excuse delays for a while: something goes wrong now."""
        self._disturbed_until = asyncio.get_running_loop().time() + RECOVERY_SECONDS

    @property
    def is_disturbed(self) -> bool:
        """Whether delays are excused now."""
        return asyncio.get_running_loop().time() < self._disturbed_until

    def changed(self, change: Change) -> None:
        """Look again at an object whose spec was changed."""
        if change.type != "MODIFIED" or change.old is None or change.identity[0].group != GROUP:
            return
        old, new = change.old.obj, change.new.obj
        if "status" in new and old.get("spec") != new.get("spec"):
            self._later(OBSERVED_SECONDS, change.identity, new["metadata"]["generation"])

    def _later(self, seconds: float, identity: Identity, generation: int) -> None:
        asyncio.get_running_loop().call_later(seconds, self._look, identity, generation)

    def _look(self, identity: Identity, generation: int) -> None:
        stored = self._store.find(identity)
        if stored is None or "deletionTimestamp" in stored.metadata or stored.metadata["generation"] < generation:
            return
        now = asyncio.get_running_loop().time()
        if now < self._disturbed_until:
            self._later(self._disturbed_until - now + OBSERVED_SECONDS, identity, generation)
        elif (observed := observed_generation(stored.obj)) < generation:
            self._fail(f"{identity[0].kind} {identity[2]} has generation {generation} and has observed {observed}")


def observed_generation(obj: Json) -> int:
    """Return the least generation that a status and its conditions are about, but for an earlier attempt's outcome."""
    status, spec = obj["status"], obj["spec"]
    is_old = spec.get("attempt", 1) > status.get("attempt", 0)
    conditions = (c for c in status.get("conditions") or () if not (is_old and c["type"] == "Succeeded"))
    observed = (c.get("observedGeneration", -1) for c in conditions)
    return int(min((status["observedGeneration"], *observed)))
