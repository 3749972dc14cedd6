"""The live view of a chain: a pure function from objects to what the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codecourier.kube.api import Json

__all__ = ["Scene", "render"]

_STYLES = {"Completed": "green", "Running": "yellow", "Failed": "red", "Cancelled": "red", "Pending": "dim"}
_STEPS = ("checkout", "agent", "verify", "collect", "publish")


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
        (scene.phase, _STYLES.get(scene.phase, "")),
        "  ",
        status.get("message", ""),
    )
    table = Table("SPRINT", "PHASE", box=None, pad_edge=False)
    table.add_column("STEPS OF THE POD", no_wrap=True)
    table.add_column("PULL REQUEST", overflow="fold")
    for sprint in status.get("sprints", ()):
        table.add_row(
            str(sprint["number"]),
            Text(sprint["phase"], style=_STYLES.get(sprint["phase"], "")),
            _steps(scene, sprint),
            _pull_request(sprint, status),
        )
    return Group(head, table, _cost(scene.usage), *_news(scene.notifications))


def _steps(scene: Scene, sprint: Json) -> Text:
    text = Text()
    pod = _pod_of(scene, sprint.get("run"))
    if pod is None:
        return text
    states = {
        container["name"]: container.get("state", {})
        for key in ("initContainerStatuses", "containerStatuses")
        for container in (pod.get("status") or {}).get(key) or ()
    }
    for name in _STEPS:
        state = states.get(name, {})
        if "terminated" in state:
            text.append(f"{name} ", style="green" if state["terminated"].get("exitCode") == 0 else "red")
        elif "running" in state:
            text.append(f"{name} ", style="bold yellow")
        elif name in states:
            text.append(f"{name} ", style="dim")
    return text


def _pull_request(sprint: Json, status: Json) -> str:
    """Return a pull request's number and what it is stacked on: short enough for a narrow terminal."""
    if "pullRequestNumber" not in sprint:
        return ""
    numbers = {s["branch"]: f"#{s['pullRequestNumber']}" for s in status["sprints"] if "pullRequestNumber" in s}
    base = sprint.get("pullRequestBase", status.get("baseBranch", ""))
    return f"#{sprint['pullRequestNumber']} onto {numbers.get(base, base)}"


def _pod_of(scene: Scene, run: str | None) -> Json | None:
    names = [s["metadata"]["name"] for s in scene.sandboxes if s["spec"]["runRef"]["name"] == run]
    return next((pod for pod in reversed(scene.pods) if pod["metadata"]["name"] in names), None)


def _cost(usage: Sequence[Json]) -> Text:
    items = [item for record in usage for item in record["spec"].get("items", ())]
    seconds = sum(item["quantity"] for item in items if item["unit"] == "Second")
    tokens = sum(item["quantity"] for item in items if item["unit"] == "Token")
    dollars = sum(item.get("costMicroUSD", 0) for item in items) / 1_000_000
    return Text(f"Used so far: {seconds} s of sandbox, {tokens} tokens, {dollars:.4f} USD", style="cyan")


def _news(notifications: Sequence[Json]) -> list[Text]:
    ordered = sorted(notifications, key=_time_and_rank)
    return [Text(f"  {n['spec']['type']}: {n['spec']['title']}") for n in ordered]


def _time_and_rank(notification: Json) -> tuple[str, int, str]:
    """Order by time; within a second, the precision of a forge, by cause and effect."""
    spec = notification["spec"]
    rank = {"PrCreated": 0, "PrFailed": 0, "WorkflowCompleted": 2}.get(spec["type"], 1)
    return spec["eventTime"][: len("2026-11-25T03:56:36")], rank, notification["metadata"]["name"]
