"""What one look at a Project costs among many unfinished Runs: it is done in one piece of the event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.project import build_run
from bench.report import CaseResult, Figure, Target, ratio
from codecourier.cache.store import Store
from codecourier.core.project.plan import REACHED_SECONDS
from codecourier.core.shared.facts import Facts, Problem, RepositoryAsk, RepositoryFact
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.repositories import find_access
from codecourier.kinds.api_resources import PROJECTS, RUNS, WORKFLOWS
from codecourier.kinds.project import PROJECT
from codecourier.kinds.registry import REGISTRY
from codecourier.kinds.relation import View
from codecourier.kube.api import Json, Resource
from codecourier.resources.meta import API_VERSION

__all__ = ["measure_look"]

_COUNTS = (1000, 10_000)
_LOOKS = 200
_NAMESPACE = "bench-look"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_GOOD, _DEAD = "https://forge.test/bench/good", "https://forge.test/bench/dead"
_MOST_GROWTH = 1.2


def _waiting(minutes: int) -> Json:
    """Return the status of a Run that waits until some minutes after now."""
    retry = (_NOW + timedelta(minutes=minutes)).isoformat()
    return {"phase": "Queued", "attempt": 1, "workflowRevision": "agent-1", "repositoryUrl": _GOOD, "retryTime": retry}


_CROWDS: Mapping[str, tuple[Json, Json]] = {
    "Pending": ({}, {}),
    "Queued": ({}, {key: value for key, value in _waiting(0).items() if key != "retryTime"}),
    "due again": ({}, _waiting(-1)),
    "not due yet": ({}, _waiting(60)),
    "of a dead repository": ({"repositoryUrl": _DEAD}, {}),
}
"""Spec and status of the unfinished Runs, by what they are."""


def measure_look() -> CaseResult:
    """Gather and plan a Project beside crowds of unfinished Runs of each kind, without a cluster."""
    costs = {crowd: _costs(crowd) for crowd in _CROWDS}
    worst = max(costs, key=lambda crowd: ratio(costs[crowd][1], costs[crowd][0]))
    few, many = costs[worst]
    figure = Figure(
        f"one look among {_COUNTS[1]:,} Runs, {worst}",
        many * 1e6,
        "µs",
        f"{few * 1e6:.0f} µs among {_COUNTS[0]:,}",
        ratio(many, few),
        Target(_MOST_GROWTH, is_lower=False),
    )
    details = {crowd: [round(cost * 1e6, 1) for cost in found] for crowd, found in costs.items()}
    return CaseResult("look", (figure,), {"runs": _COUNTS, "microseconds_of_processor_time": details})


def _costs(crowd: str) -> list[float]:
    """Return for each count the least processor time, in seconds, of a look.

    The first look, which reads what is new, is left out. The counts take turns, so that both are measured at each speed
    that the machine has meanwhile.
    """
    looks = [_looking(_filled(crowd, count)) for count in _COUNTS]
    for look in looks:
        look()
    rounds = [[look() for look in looks] for _ in range(_LOOKS)]
    return [min(found) for found in zip(*rounds, strict=True)]


def _looking(store: Store) -> Callable[[], float]:
    """Return what looks at the Project once, and returns the processor seconds that it took."""
    project = store.get(PROJECT.source, _NAMESPACE, "default")
    assert project is not None
    view = View(store, REGISTRY.origins, PodSettings("courier"))
    facts = Facts(
        {
            RepositoryAsk(find_access(project, _NAMESPACE, _GOOD), REACHED_SECONDS): RepositoryFact("main"),
            RepositoryAsk(find_access(project, _NAMESPACE, _DEAD), REACHED_SECONDS): Problem(
                Reason.FORGE_UNAVAILABLE, "It is away."
            ),
        }
    )

    def look() -> float:
        began = time.process_time()
        PROJECT.plan(replace(PROJECT.read(view, project), facts=facts), _NOW)
        return time.process_time() - began

    return look


def _filled(crowd: str, count: int) -> Store:
    store, version = Store(REGISTRY.cached), 0

    def put(resource: Resource, name: str, spec: Json, status: Json) -> None:
        nonlocal version
        version += 1
        metadata = {"name": name, "namespace": _NAMESPACE, "uid": f"{resource.plural}-{name}", "generation": 1}
        created = {"resourceVersion": str(version), "creationTimestamp": "2025-12-31T00:00:00Z"}
        body = {"apiVersion": API_VERSION, "kind": resource.kind, "metadata": metadata | created}
        store.cache(resource).apply(body | {"spec": spec, "status": status})

    repositories = [
        {"url": url, "credentialRef": {"name": "token"}, "isDefault": url == _GOOD} for url in (_GOOD, _DEAD)
    ]
    put(PROJECTS, "default", {"repositories": repositories, "limits": {"maxConcurrentRuns": 5}}, {})
    put(WORKFLOWS, "agent", {"image": "agent:1", "agent": {"command": ["agent"]}}, {})
    spec, status = _CROWDS[crowd]
    for number in range(count):
        put(RUNS, f"run-{number}", build_run("", "")["spec"] | spec, status)
    return store
