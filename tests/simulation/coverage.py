"""Which transitions of the kinds' state machines a simulation has gone through."""

from __future__ import annotations

from collections import Counter

from codecourier.kinds.registry import REGISTRY, Registry
from tests.simulation.stored import Change

__all__ = ["EXPECTED", "Coverage", "Transition", "expected_transitions"]

Transition = tuple[str, str, str]
"""State machine, from, to."""


def expected_transitions(registry: Registry) -> frozenset[Transition]:
    """Return every transition that the rows of kinds declare."""
    machines = (machine for kind in registry.kinds for machine in kind.machines)
    return frozenset((machine.name, *transition) for machine in machines for transition in machine.transitions)


EXPECTED = expected_transitions(REGISTRY)
"""What a budget of seeds has to come through; a transition that is never seen is one that nothing tries."""


class Coverage:
    """Counts transitions.

    Parameters
    ----------
    registry
        The kinds that are played.
    """

    def __init__(self, registry: Registry) -> None:
        self.hits: Counter[Transition] = Counter()
        self._registry = registry

    def changed(self, change: Change) -> None:
        """Count what a change moved."""
        kind = self._registry.by_resource.get(change.identity[0])
        if kind is None or change.type != "MODIFIED" or change.old is None:
            return
        for machine in kind.machines:
            before = machine.states(change.old.obj)
            for key, state in machine.states(change.new.obj).items():
                was = before.get(key, machine.initial)
                if was != state:
                    self.hits[machine.name, was, state] += 1
