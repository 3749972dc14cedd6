"""A plan of any kind costs no more than what it reads, however members fill the fields that they may write.

Every kind with a plan is measured, so that a new one is, too: one that is never planned here fails the test.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
import pytest

from codecourier.controller.observers import PlanReporter
from codecourier.kinds.api_resources import (
    ISSUE_SESSIONS,
    LEARNINGS,
    MERGE_JOBS,
    RECURRING_TASKS,
    RUNS,
    SPRINT_CHAINS,
    WORKFLOWS,
)
from codecourier.kinds.registry import REGISTRY, WorkKey
from codecourier.kube.api import Json, Resource
from tests.resources.samples import crds, schema_at, text
from tests.simulation.clock import pass_time, run_virtual
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.forge import URL
from tests.simulation.issues import FIRST_ISSUE
from tests.simulation.scenario import REFERENCE

_GROWTH = 1.6
"""Most by which the cost of a plan may grow beyond its input: by 1 where it is linear, by 2 where it is quadratic."""

_NOTICED_SECONDS = 0.01
"""A plan that takes less processor time than this at the bounds is not compared."""

_SECONDS = 40.0
_ROUNDS = 2
_CRDS = crds()
_RUNNABLE = {"agent": {"command": ["agent"]}, "setup": [], "verify": [], "env": [], "secretEnv": []}


@dataclass(frozen=True)
class Share:
    """How much of each bound is used: of the lengths of texts, and of the numbers of items."""

    texts: float = 1.0
    items: float = 1.0


def fill(schema: Json, share: Share, pump: str, number: int = 0) -> Any:
    """Return the value of a schema that has a share of each of its bounds, with free texts made of `pump`."""
    return _FILLERS[schema["type"]](schema, share, pump, number)


def _fill_object(schema: Json, share: Share, pump: str, number: int) -> Json:
    if "properties" in schema:
        return {name: fill(part, share, pump, number) for name, part in schema["properties"].items()}
    count = max(1, int(schema["maxProperties"] * share.items))
    return {f"key{i}": fill(schema["additionalProperties"], share, pump, i) for i in range(count)}


def _fill_array(schema: Json, share: Share, pump: str, _number: int) -> list[Any]:
    return [fill(schema["items"], share, pump, i) for i in range(max(1, int(schema["maxItems"] * share.items)))]


def _fill_text(schema: Json, share: Share, pump: str, number: int) -> str:
    if "enum" in schema:
        return str(schema["enum"][0])
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    length: int = max(schema.get("minLength", 0), int(schema["maxLength"] * share.texts))
    if "pattern" in schema:
        return str(text(schema, number, length if length > 40 else None))
    return (pump * length)[:length]


_FILLERS: Mapping[str, Callable[[Json, Share, str, int], Any]] = {
    "object": _fill_object,
    "array": _fill_array,
    "string": _fill_text,
    "integer": lambda schema, _share, _pump, _number: schema["minimum"],
    "boolean": lambda *_: False,
}


def filled_spec(kind: str, share: Share, pump: str, **fields: Any) -> Json:
    """Return the spec of a kind with a share of each of its bounds, and some fields as they are given."""
    spec: Json = fill(schema_at(_CRDS[kind], ("spec",)), share, pump)
    return {name: value for name, value in {**spec, **fields}.items() if value is not None}


def declare(share: Share, pump: str) -> tuple[tuple[Resource, str, Json], ...]:
    """Return objects of all kinds that members may apply: whole ones, and such whose pods can start."""
    template = (pump * 16_384)[: int(16_384 * share.texts)]
    prompt = (pump * 60_000)[: int(60_000 * share.texts)]
    whole = filled_spec("Workflow", share, pump, runtimeClassName=None)
    runnable = {**whole, **_RUNNABLE, "promptTemplate": "{{ prompt }} in {{ run }}"}
    plain = {**whole, **_RUNNABLE, "promptTemplate": template}
    objects: list[tuple[Resource, str, Json]] = []
    for name, spec in (("whole", whole), ("runnable", runnable), ("plain", plain)):
        objects.append((WORKFLOWS, name, spec))
        objects.append((RUNS, f"run-{name}", {"workflowRef": {"name": name}, "prompt": prompt}))
        chain = {
            "workflowRef": {"name": name},
            "prompt": prompt,
            "sprintRange": {"first": 1, "last": int(100 * share.items)},
        }
        objects.append((SPRINT_CHAINS, f"chain-{name}", chain))
        schedule = {"frequency": "Daily", "timeZone": "UTC", "hour": 0, "minute": 1}
        task = {
            **schedule,
            "workflowRef": {"name": name},
            "prompt": prompt,
            "description": (pump * 4096)[: int(4096 * share.texts)],
        }
        objects.append((RECURRING_TASKS, f"task-{name}", task))
        session = {"workflowRef": {"name": name}, "prompt": prompt, "issueUrl": f"{URL}/issues/{FIRST_ISSUE}"}
        objects.append((ISSUE_SESSIONS, f"session-{name}", session))
        merge = {
            "mode": "Combine",
            "pullRequests": [f"{URL}/pull/{number}" for number in range(1, 1 + int(50 * share.items))],
            "workflowRef": {"name": name},
            "prompt": prompt,
            # The simulated host shows no pull request to be merged.
            "cancelled": True,
        }
        objects.append((MERGE_JOBS, f"merge-{name}", merge))
    spec = {"text": (pump * 1024)[: int(300 * share.texts)], "workflowRef": {"name": "runnable"}, "accepted": True}
    objects += [(LEARNINGS, f"learning-{number}", spec) for number in range(int(200 * share.items))]
    return tuple(objects)


def measure(share: Share, pump: str, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, float], int]:
    """Return the processor time of the longest plan of each kind, and the size of what was declared in bytes."""
    longest: defaultdict[str, float] = defaultdict(float)

    def planned(_self: PlanReporter, key: WorkKey, seconds: float) -> None:
        longest[key.resource.kind] = max(longest[key.resource.kind], seconds)

    async def main() -> None:
        cluster = SimulatedCluster(replace(REFERENCE, chains=0, limit=12, declared=declared))
        body = (pump * 60_000)[: int(60_000 * share.texts)]
        assert cluster.forge.board.create((pump * 256)[:256], body).number == FIRST_ISSUE
        await pass_time(_SECONDS)
        assert cluster.monitor.violation is None
        assert asyncio.get_running_loop().time() >= _SECONDS

    declared = declare(share, pump)
    monkeypatch.setattr(PlanReporter, "planned", planned)
    run_virtual(main)
    return longest, len(orjson.dumps([spec for _, _, spec in declared]))


@pytest.mark.parametrize("half_share", [Share(texts=0.5), Share(items=0.5)], ids=["texts", "items"])
@pytest.mark.parametrize("pump", ["{{", "{{ prompt }}", "\u3042 "])
def test_no_plan_costs_more_than_it_reads(pump: str, half_share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    def least(share: Share) -> tuple[dict[str, float], int]:
        rounds = [measure(share, pump, monkeypatch) for _ in range(_ROUNDS)]
        return {kind: min(times[kind] for times, _ in rounds) for kind in rounds[0][0]}, rounds[0][1]

    half, half_bytes = least(half_share)
    whole, whole_bytes = least(Share())
    assert set(whole) == {kind.resource.kind for kind in REGISTRY.planned}
    for kind, seconds in whole.items():
        growth = seconds / max(half[kind], _NOTICED_SECONDS)
        assert seconds < _NOTICED_SECONDS or growth < _GROWTH * whole_bytes / half_bytes, (kind, half[kind], seconds)
