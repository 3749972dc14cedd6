"""What cannot be taken back is done once: agent starts, pushes and pull requests."""

from __future__ import annotations

from collections import Counter

from tests.simulation.forge import Pull, Push
from tests.simulation.invariants.scene import Scene
from tests.simulation.steps import AgentStart

__all__ = ["WorkDone"]

_MARKER = "<!-- codecourier run="


class WorkDone:
    """Counts what is done outside of the API server.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._starts: Counter[tuple[str, int, int]] = Counter()

    def restored(self) -> None:
        """Let a try run again: that it did was lost."""
        self._starts.clear()

    def agent_started(self, start: AgentStart) -> None:
        """Check that no other agent was started for the same try."""
        key = start.run_uid, start.attempt, start.try_number
        self._starts[key] += 1
        if self._starts[key] > 1:
            self._scene.fail("once", f"two agents were started for try {start.try_number} of Run {start.run}")

    def pushed(self, push: Push) -> None:
        """Check that the same work was not pushed before."""
        trees = [dict(p.commit.tree) for p in self._scene.forge.pushes if p.branch == push.branch]
        if trees.count(dict(push.commit.tree)) > 1:
            self._scene.fail("once", f"the same work was pushed to {push.branch} twice")

    def opened(self, pull: Pull) -> None:
        """Check that no other pull request has the same marker."""
        mark = next((line for line in pull.body.splitlines() if line.startswith(_MARKER)), pull.body)
        if sum(mark in other.body for other in self._scene.forge.pulls) > 1:
            self._scene.fail("once", f"two pull requests were opened for {pull.head}")
