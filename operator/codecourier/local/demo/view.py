"""The live view of a chain: a pure function from objects to what the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codecourier.kube.api import Json
from codecourier.local.demo.pieces import show_cost, show_news, show_phase, show_steps

__all__ = ["Scene", "render"]


@dataclass(frozen=True)
class Scene:
    """What is seen at one moment, as the API server gives it."""

    chain: Json
    sandboxes: Sequence[Json]
    pods: Sequence[Json]
    notifications: Sequence[Json]
    usage: Sequence[Json]

    @property
    def phase(self) -> str:
        """Phase of the chain."""
        return str((self.chain.get("status") or {}).get("phase", "Pending"))


def render(scene: Scene) -> RenderableType:
    """Return what the terminal shows."""
    status = scene.chain.get("status") or {}
    head = Text.assemble(
        "SprintChain ",
        (scene.chain["metadata"]["name"], "bold"),
        "  ",
        show_phase(scene.phase),
        "  ",
        status.get("message", ""),
    )
    table = Table("SPRINT", "PHASE", box=None, pad_edge=False)
    table.add_column("STEPS OF THE POD", no_wrap=True)
    table.add_column("PULL REQUEST", overflow="fold")
    for sprint in status.get("sprints", ()):
        table.add_row(
            str(sprint["number"]),
            show_phase(sprint["phase"]),
            show_steps(sprint.get("run"), scene.sandboxes, scene.pods),
            _pull_request(sprint, status),
        )
    return Group(head, table, show_cost(scene.usage), *show_news(scene.notifications))


def _pull_request(sprint: Json, status: Json) -> str:
    """Return a pull request's number and what it is stacked on: short enough for a narrow terminal."""
    if "pullRequestNumber" not in sprint:
        return ""
    numbers = {s["branch"]: f"#{s['pullRequestNumber']}" for s in status["sprints"] if "pullRequestNumber" in s}
    base = sprint.get("pullRequestBase", status.get("baseBranch", ""))
    return f"#{sprint['pullRequestNumber']} onto {numbers.get(base, base)}"
