"""The live view of merges: a pure function from objects to what the terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codecourier.kube.api import Json
from codecourier.local.demo.pieces import show_cost, show_news, show_phase, show_steps

__all__ = ["MergeScene", "render_merges"]

_FINISHED = frozenset({"Completed", "Failed", "Cancelled"})
_STYLES = {"Clean": "green", "Resolved": "bold green", "Excluded": "red"}


@dataclass(frozen=True)
class MergeScene:
    """What is seen at one moment, as the API server gives it."""

    jobs: Sequence[Json]
    sandboxes: Sequence[Json]
    pods: Sequence[Json]
    notifications: Sequence[Json]
    usage: Sequence[Json]

    @property
    def is_over(self) -> bool:
        """Whether every merge is finished, with all that its end calls for."""
        statuses = [job.get("status") or {} for job in self.jobs]
        return all(status.get("phase") in _FINISHED and not status.get("unnotified") for status in statuses)

    def job(self, name: str) -> Json:
        """Return a MergeJob; an empty object where there is none of the name."""
        return next((job for job in self.jobs if job["metadata"]["name"] == name), {})

    def results(self, name: str) -> list[str]:
        """Return what became of the pull requests of a MergeJob, in their order."""
        return [source["result"] for source in (self.job(name).get("status") or {}).get("sources", ())]


def render_merges(scene: MergeScene) -> RenderableType:
    """Return what the terminal shows."""
    parts: list[RenderableType] = []
    for job in scene.jobs:
        parts += [_head(job), _sources(job), *_steps(job, scene), Text()]
    return Group(*parts, show_cost(scene.usage), *show_news(scene.notifications))


def _head(job: Json) -> Text:
    status = job.get("status") or {}
    return Text.assemble(
        "MergeJob ",
        (job["metadata"]["name"], "bold"),
        f" with Workflow {job['spec'].get('workflowRef', {}).get('name', '')}  ",
        show_phase(status.get("phase", "Pending")),
        "  ",
        status.get("message", ""),
    )


def _sources(job: Json) -> Table:
    table = Table("PULL REQUEST", "RESULT", box=None, pad_edge=False)
    table.add_column("AGENT TRIED", justify="right")
    for source in (job.get("status") or {}).get("sources", ()):
        result, attempts = source["result"], source.get("attempts", 0)
        table.add_row(
            f"#{source['number']} {source.get('title', '')}",
            Text(result, style=_STYLES.get(result, "dim")),
            str(attempts or ""),
        )
    return table


def _steps(job: Json, scene: MergeScene) -> list[Text]:
    lines = []
    for step in (job.get("status") or {}).get("steps", ()):
        numbers = " ".join(f"#{number}" for number in step["numbers"])
        steps = show_steps(step["run"], scene.sandboxes, scene.pods)
        lines.append(Text.assemble(f"  {numbers}: ", steps, show_phase(step["phase"])))
    return lines
