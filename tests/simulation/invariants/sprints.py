"""Sprints run one after the other, each from the commit before it (invariant 1), and resumed ones stay (7)."""

from __future__ import annotations

from codecourier.kinds.api_resources import RUNS
from tests.simulation.invariants.objects import is_unfinished, sprint_of, status_of
from tests.simulation.invariants.scene import Scene
from tests.simulation.steps import AgentStart
from tests.simulation.stored import Change

__all__ = ["Sprints"]


class Sprints:
    """Checks the sprints of a SprintChain.

    Parameters
    ----------
    scene
        What is looked at.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def run_made(self, change: Change) -> None:
        """Check where the Run of a sprint starts from."""
        origin = sprint_of(change.new.obj) if change.type == "ADDED" else None
        chain = self._scene.find_by_uid(origin["uid"]) if origin is not None else None
        if origin is None or chain is None:
            return
        status, index = chain.obj["status"], origin["index"]
        if index < status.get("fromSprint", 0):
            self._scene.fail("7", f"Run {change.identity[2]} repeats a sprint before the one to resume from")
        done = [s for s in status["sprints"][:index] if s["phase"] == "Completed" and s.get("headCommit")]
        expected = done[-1]["headCommit"] if done else status["baseCommit"]
        if change.new.obj["spec"].get("baseCommit") != expected:
            self._scene.fail("1", f"Run {change.identity[2]} does not start from the recorded commit {expected}")

    def one_is_active(self, change: Change) -> None:
        """Check that a chain has no more than one unfinished Run."""
        origin = sprint_of(change.new.obj)
        if origin is None or change.type == "DELETED":
            return
        siblings = [
            stored.metadata["name"]
            for stored in self._scene.store.list(RUNS, change.identity[1])
            if (stored.obj["spec"].get("origin") or {}).get("uid") == origin["uid"] and is_unfinished(stored.obj)
        ]
        if len(siblings) > 1:
            self._scene.fail("1", f"chain {origin['name']} has the unfinished Runs {siblings}")

    def resume_keeps(self, change: Change) -> None:
        """Check that a new attempt keeps the sprints that were finished before it."""
        if change.old is None or change.type != "MODIFIED":
            return
        old, new = status_of(change.old), status_of(change.new)
        if old.get("attempt", 0) in (0, new.get("attempt")):
            return
        kept = new.get("fromSprint", 0)
        before = [s for s in old["sprints"][:kept] if s["phase"] == "Completed"]
        after = {s["index"]: s for s in new["sprints"]}
        if any(after[s["index"]] != s for s in before):
            text = f"the new attempt of chain {change.identity[2]} changes finished sprints before {kept}"
            self._scene.fail("7", text)

    def agent_started(self, start: AgentStart) -> None:
        """Check that the agent of a sprint sees the work of those before it."""
        run = self._scene.find_by_uid(start.run_uid)
        origin = run.obj["spec"].get("origin") if run is not None else None
        chain = self._scene.find_by_uid(origin["uid"]) if origin else None
        if chain is None or start.sprint is None:
            return
        for sprint in chain.obj["status"]["sprints"][: start.sprint]:
            head, is_done = sprint.get("headCommit"), sprint["phase"] == "Completed"
            if is_done and head and not self._scene.forge.history.is_ancestor(head, start.base_commit):
                text = f"the agent of {start.run} does not see the work of sprint {sprint['number']}"
                self._scene.fail("1", text)
