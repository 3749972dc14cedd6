"""Which transitions of the state machines a simulation has gone through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from codecourier.kinds.api_resources import RUNS, SANDBOXES, SPRINT_CHAINS
from codecourier.kube.api import Json
from tests.simulation.store import Change

__all__ = ["EXPECTED", "Coverage", "Transition"]

Transition = tuple[str, str, str]
"""State machine, from, to."""

EXPECTED: frozenset[Transition] = frozenset(
    {
        ("Run", "Pending", "Queued"),
        ("Run", "Pending", "Running"),
        ("Run", "Pending", "Cancelled"),
        ("Run", "Queued", "Running"),
        ("Run", "Queued", "Cancelled"),
        ("Run", "Running", "Queued"),
        ("Run", "Running", "Completed"),
        ("Run", "Running", "Failed"),
        ("Run", "Running", "Cancelled"),
        ("Run", "Completed", "Queued"),
        ("Run", "Failed", "Queued"),
        ("Run", "Completed", "Running"),
        ("Run", "Failed", "Running"),
        ("PullRequest", "", "Creating"),
        ("PullRequest", "", "Skipped"),
        ("PullRequest", "Creating", "Created"),
        ("PullRequest", "Creating", "Failed"),
        ("SprintChain", "Pending", "Running"),
        ("SprintChain", "Pending", "Cancelled"),
        ("SprintChain", "Running", "Completed"),
        ("SprintChain", "Running", "Failed"),
        ("SprintChain", "Running", "Cancelled"),
        ("SprintChain", "Failed", "Running"),
        ("SprintChain", "Completed", "Running"),
        ("Sprint", "", "Omitted"),
        ("Sprint", "", "Pending"),
        ("Sprint", "", "Running"),
        ("Sprint", "Pending", "Running"),
        ("Sprint", "Completed", "Running"),
        ("Sprint", "Failed", "Running"),
        ("Sprint", "Cancelled", "Running"),
        ("Sprint", "Running", "Completed"),
        ("Sprint", "Running", "Failed"),
        ("Sprint", "Running", "Cancelled"),
        ("Sandbox", "Pending", "Running"),
        ("Sandbox", "Pending", "Cancelled"),
        ("Sandbox", "Pending", "Failed"),
        ("Sandbox", "Pending", "Completed"),
        ("Sandbox", "Running", "Completed"),
        ("Sandbox", "Running", "Failed"),
        ("Sandbox", "Running", "Cancelled"),
        ("Sandbox", "Running", "Expired"),
    }
)
"""What a budget of seeds has to come through; a transition that is never seen is one that nothing tries."""


class Coverage:
    """Counts transitions."""

    def __init__(self) -> None:
        self.hits: Counter[Transition] = Counter()

    def changed(self, change: Change) -> None:
        """Count what a change moved."""
        if (
            change.type != "MODIFIED"
            or change.old is None
            or change.identity[0] not in (RUNS, SPRINT_CHAINS, SANDBOXES)
        ):
            return
        old, new = change.old.obj.get("status") or {}, change.new.obj.get("status") or {}
        for machine, before, after in _moves(change.identity[0].kind, old, new):
            if before != after:
                self.hits[machine, before, after] += 1


def _moves(kind: str, old: Json, new: Json) -> Iterator[Transition]:
    yield kind, old.get("phase", "Pending"), new.get("phase", "Pending")
    if kind == "Run":
        before = old.get("pullRequest") or {}
        if old.get("attempt") != new.get("attempt"):
            before = {}
        yield "PullRequest", before.get("phase", ""), (new.get("pullRequest") or {}).get("phase", "")
    if kind == "SprintChain":
        known = {s["index"]: s["phase"] for s in old.get("sprints") or ()}
        for sprint in new.get("sprints") or ():
            yield "Sprint", known.get(sprint["index"], ""), sprint["phase"]
