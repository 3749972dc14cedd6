"""The raw write limit: what one client can create on this control plane while no client watches."""

from __future__ import annotations

import time

from bench.arena import Arena
from bench.project import build_run, create_all
from codecourier.kinds.api_resources import RUNS
from codecourier.kube.api import NAMESPACES

__all__ = ["measure_raw_writes"]


async def measure_raw_writes(arena: Arena, label: str, count: int) -> float:
    """Return how many Runs a second are created with no client watching them; they are deleted again.

    No operator may run: it would reconcile them.
    """
    namespace = f"bench-raw-{label}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await arena.api.create(NAMESPACES, body)
    objects = [build_run(namespace, f"raw-{number}") for number in range(count)]
    started = time.monotonic()
    await create_all(arena.api, objects)
    rate = count / (time.monotonic() - started)
    await arena.api.delete(NAMESPACES, None, namespace)

    async def is_empty() -> bool:
        return not (await arena.api.list(RUNS, namespace)).items

    await arena.wait_until(is_empty, "the Runs of the raw limit are deleted", 120)
    return rate
