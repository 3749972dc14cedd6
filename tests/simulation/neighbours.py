"""Another team on the same cluster, whose repository host accepts requests and never answers."""

from __future__ import annotations

from typing import Any

from codecourier.core.shared.naming import ANNOTATION_APP_REPOSITORIES
from codecourier.kinds.api_resources import PROJECTS, RUNS, WORKFLOWS
from codecourier.kube.api import NAMESPACES, Json, Resource
from codecourier.resources.meta import API_VERSION
from tests.simulation.store import ObjectStore

__all__ = ["HUNG_SECONDS", "HUNG_URL", "INSTALLATION", "LONGEST_WAIT_SECONDS", "NEIGHBOUR", "declare_neighbours"]

NEIGHBOUR = "neighbour"
"""The other team's namespace."""

HUNG_URL = "https://hung.test/example/shop"
HUNG_SECONDS = 10.0
"""How long the client waits for a host that hangs."""

LONGEST_WAIT_SECONDS = 5.0
"""How long a key may wait for a worker while the API server works: far more than the longest queue takes."""


INSTALLATION = 8
"""The App's installation for the other team."""


def declare_neighbours(store: ObjectStore, runs: int, url: str = HUNG_URL) -> None:
    """Declare the other team's Project with its repository, which admits all of its Runs, and the Runs."""
    metadata = {"name": NEIGHBOUR, "annotations": {ANNOTATION_APP_REPOSITORIES: url}}
    store.create(NAMESPACES, {"metadata": metadata})
    repository = {"url": url, "isDefault": True, "app": {"installationId": INSTALLATION}}
    _declare(store, PROJECTS, "default", {"repositories": [repository], "limits": {"maxConcurrentRuns": runs}})
    _declare(store, WORKFLOWS, "scripted", {"image": "agent", "agent": {"command": ["agent"]}})
    for number in range(runs):
        _declare(store, RUNS, f"run-{number}", {"workflowRef": {"name": "scripted"}, "prompt": f"Fix {number}."})


def _declare(store: ObjectStore, resource: Resource, name: str, spec: Json) -> None:
    metadata = {"name": name, "namespace": NEIGHBOUR}
    body: dict[str, Any] = {"apiVersion": API_VERSION, "kind": resource.kind, "metadata": metadata, "spec": spec}
    store.create(resource, body)
