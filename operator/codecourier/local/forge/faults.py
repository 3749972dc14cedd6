"""Faults on demand: which request is hit is decided here; `application.py` carries it out."""

from __future__ import annotations

import re

from codecourier.local.forge.records import Fault
from codecourier.local.forge.store import ForgeStore

__all__ = ["FaultService"]


class FaultService:
    """Gives each matching request at most one fault, the oldest first."""

    def __init__(self, store: ForgeStore) -> None:
        self._store = store

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault of a request, used up by it, or None."""
        with self._store.lock:
            for fault in self._store.all(Fault):
                if not (re.fullmatch(fault.method, method) and re.search(fault.path, path)):
                    continue
                if fault.passes:
                    self._store.write(fault.model_copy(update={"passes": fault.passes - 1}))
                    return None
                if fault.times > 1:
                    self._store.write(fault.model_copy(update={"times": fault.times - 1}))
                else:
                    self._store.write(remove=[fault])
                return fault
        return None
