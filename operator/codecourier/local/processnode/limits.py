"""Disk and memory of a pod, measured from time to time, with the kubelet's reasons."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from kubernetes.utils import quantity

from codecourier.kube.api import Json
from codecourier.local.processnode.container import Container
from codecourier.local.processnode.objects import format_time
from codecourier.local.processnode.run import ContainerRun
from codecourier.local.processnode.status import Ending
from codecourier.local.processnode.troubles import OutOfMemory

__all__ = ["folder_bytes", "full_volume", "memory_bytes", "watch_disk", "watch_memory"]

_BLOCK_BYTES = 512
"""The unit of `st_blocks`."""

_DISK_SECONDS = 2.0
_DISK_SHARE = 20
"""Measuring may take a twentieth of the time."""

_MEMORY_SECONDS = 0.5


async def watch_disk(pod: Json, folders: Mapping[str, Path], evict: Callable[[Ending], None]) -> None:
    """Evict the pod once one of its volumes is over its limit."""
    if not any(_size_limit(volume) for volume in pod["spec"].get("volumes", [])):
        return
    while True:
        begin = time.monotonic()
        if ending := await asyncio.to_thread(full_volume, pod, folders, datetime.now(tz=UTC)):
            evict(ending)
            return
        await asyncio.sleep(max(_DISK_SECONDS, _DISK_SHARE * (time.monotonic() - begin)))


async def watch_memory(runs: Mapping[str, ContainerRun], way: Callable[[], OutOfMemory]) -> None:
    """Kill a container that is over its memory limit, or its largest process, as the kernel does for the kubelet."""
    limits = {name: limit for name, run in runs.items() if (limit := _memory_limit(run.item))}
    if not limits or sys.platform != "linux":
        return
    while True:
        for name, limit in limits.items():
            run = runs[name]
            pid = run.container.first_process() if run.is_running else 0
            if pid and memory_bytes(pid) > limit:
                _kill(run.container, pid, way())
        await asyncio.sleep(_MEMORY_SECONDS)


def _kill(container: Container, pid: int, way: OutOfMemory) -> None:
    container.note_out_of_memory(is_counted=way is not OutOfMemory.UNCOUNTED)
    if way is OutOfMemory.CONTAINER:
        container.kill()
        return
    largest = max(_memory_of_each(pid).items(), key=lambda item: item[1], default=(pid, 0))[0]
    with contextlib.suppress(ProcessLookupError):
        os.kill(largest, signal.SIGKILL)


def full_volume(pod: Json, folders: Mapping[str, Path], now: datetime) -> Ending | None:
    """Return why the pod must be evicted, None while no emptyDir is over its limit."""
    for volume in pod["spec"].get("volumes", []):
        limit = _size_limit(volume)
        if limit and folder_bytes(folders[volume["name"]]) > _amount(limit):
            message = f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "TerminationByKubelet",
                "message": message,
                "lastTransitionTime": format_time(now),
            }
            return Ending("Evicted", message, condition)
    return None


def folder_bytes(folder: Path) -> int:
    """Return what a folder takes on disk, with everything in it, without following links."""
    total, seen, waiting = 0, set(), [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    # The container goes on changing its files.
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if (found.st_dev, found.st_ino) not in seen:
                        seen.add((found.st_dev, found.st_ino))
                        total += found.st_blocks * _BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            # The folder is gone, or its path is longer than the kernel accepts.
            continue
    return total


def memory_bytes(pid: int) -> int:
    """Return the memory of a process and all below it that cannot be dropped, in bytes; Linux only."""
    return sum(_memory_of_each(pid).values())


def _memory_of_each(pid: int) -> dict[int, int]:
    page = os.sysconf("SC_PAGE_SIZE")
    found: dict[int, int] = {}
    waiting = [pid]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found[current] = 0
        try:
            fields = Path(f"/proc/{current}/statm").read_text(encoding="ascii").split()
            found[current] = (int(fields[1]) - int(fields[2])) * page
            for thread in Path(f"/proc/{current}/task").iterdir():
                waiting.extend(int(child) for child in (thread / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _size_limit(volume: Json) -> str:
    return str((volume.get("emptyDir") or {}).get("sizeLimit") or "")


def _memory_limit(container: Json) -> int:
    """Return a container's memory limit in bytes, 0 for none."""
    return _amount(container.get("resources", {}).get("limits", {}).get("memory", "0"))


def _amount(text: str) -> int:
    return int(quantity.parse_quantity(text))  # type: ignore[no-untyped-call]
