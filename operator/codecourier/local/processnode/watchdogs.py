"""Watch a pod's disk and memory while it runs."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from codecourier.local.processnode.limits import full_volume, has_disk_limits, memory_bytes, memory_limit
from codecourier.local.processnode.objects import Json
from codecourier.local.processnode.run import ContainerRun
from codecourier.local.processnode.status import Ending

__all__ = ["Evictable", "watch_disk", "watch_memory"]

_DISK_SECONDS = 2.0
_DISK_SHARE = 20
"""Measuring may take a twentieth of the time."""
_MEMORY_SECONDS = 0.5


class Evictable(Protocol):
    """A pod that can be ended for what it used up."""

    pod: Json

    def evict(self, ending: Ending) -> None:
        """End the pod."""


async def watch_disk(worker: Evictable, folders: Mapping[str, Path]) -> None:
    """Evict the pod once one of its volumes is over its limit."""
    if not has_disk_limits(worker.pod):
        return
    while True:
        begin = time.monotonic()
        if ending := await asyncio.to_thread(full_volume, worker.pod, folders, datetime.now(tz=UTC)):
            worker.evict(ending)
            return
        await asyncio.sleep(max(_DISK_SECONDS, _DISK_SHARE * (time.monotonic() - begin)))


async def watch_memory(runs: Mapping[str, ContainerRun]) -> None:
    """Kill a container that is over its memory limit, as the kernel does for the kubelet."""
    limits = {name: limit for name, run in runs.items() if (limit := memory_limit(run.item))}
    if not limits or sys.platform != "linux":
        return
    while True:
        for name, limit in limits.items():
            container = runs[name].current
            pid = container.first_process() if container and runs[name].is_running else 0
            if container and pid and memory_bytes(pid) > limit:
                container.kill(out_of_memory=True)
        await asyncio.sleep(_MEMORY_SECONDS)
