"""What every invariant looks at, and the report of the first one that did not hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tests.simulation.forge import ForgeServer
from tests.simulation.nodes import Nodes
from tests.simulation.store import ObjectStore
from tests.simulation.stored import Stored

__all__ = ["Scene", "Violation"]


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold."""

    invariant: str
    """Its number, `once`, or `world`."""

    text: str
    time: float
    """Virtual seconds since the start."""

    def __str__(self) -> str:
        return f"invariant {self.invariant} at {self.time:.3f} s: {self.text}"


@dataclass
class Scene:
    """The parts of a simulated cluster.

    Parameters
    ----------
    store
        The objects.
    forge
        The forge.
    nodes
        The nodes.
    violation
        The first invariant that did not hold.
    """

    store: ObjectStore
    forge: ForgeServer
    nodes: Nodes
    violation: Violation | None = None

    def fail(self, invariant: str, text: str) -> None:
        """Remember that an invariant did not hold; only the first counts, others follow from it."""
        if self.violation is None:
            self.violation = Violation(invariant, text, asyncio.get_running_loop().time())

    def find_by_uid(self, uid: str) -> Stored | None:
        """Return the object with a UID, None where it is gone."""
        identity = self.store.find_uid(uid)
        return self.store.find(identity) if identity is not None else None
