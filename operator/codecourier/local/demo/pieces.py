"""What the live views have in common: steps of a pod, cost and news, as pure functions of objects."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from codecourier.kube.api import Json

__all__ = ["find_pod", "show_cost", "show_news", "show_phase", "show_steps"]

_STYLES = {"Completed": "green", "Running": "yellow", "Failed": "red", "Cancelled": "red", "Pending": "dim"}
_STEPS = ("checkout", "agent", "verify", "collect", "publish")


def show_phase(phase: str) -> Text:
    """Return a phase in its colour."""
    return Text(phase, style=_STYLES.get(phase, ""))


def show_steps(run: str | None, sandboxes: Sequence[Json], pods: Sequence[Json]) -> Text:
    """Return the steps of the last pod of a Run, each in the colour of its state; empty before there is a pod."""
    text = Text()
    pod = find_pod(run, sandboxes, pods)
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


def find_pod(run: str | None, sandboxes: Sequence[Json], pods: Sequence[Json]) -> Json | None:
    """Return the last pod of a Run; None before there is one."""
    names = [s["metadata"]["name"] for s in sandboxes if s["spec"]["runRef"]["name"] == run]
    return next((pod for pod in reversed(pods) if pod["metadata"]["name"] in names), None)


def show_cost(usage: Sequence[Json]) -> Text:
    """Return what was used so far."""
    items = [item for record in usage for item in record["spec"].get("items", ())]
    seconds = sum(item["quantity"] for item in items if item["unit"] == "Second")
    tokens = sum(item["quantity"] for item in items if item["unit"] == "Token")
    dollars = sum(item.get("costMicroUSD", 0) for item in items) / 1_000_000
    return Text(f"Used so far: {seconds} s of sandbox, {tokens} tokens, {dollars:.4f} USD", style="cyan")


def show_news(notifications: Sequence[Json]) -> list[Text]:
    """Return a line for each notification, oldest first."""
    ordered = sorted(notifications, key=_time_and_rank)
    return [Text(f"  {n['spec']['type']}: {n['spec']['title']}") for n in ordered]


def _time_and_rank(notification: Json) -> tuple[str, int, str]:
    """Order by time; within a second, the precision of a forge, by cause and effect."""
    spec = notification["spec"]
    rank = {"PrCreated": 0, "PrFailed": 0, "WorkflowCompleted": 2}.get(spec["type"], 1)
    return spec["eventTime"][: len("2026-11-25T03:56:36")], rank, notification["metadata"]["name"]
