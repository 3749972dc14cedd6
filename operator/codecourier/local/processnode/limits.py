"""Disk and memory of a pod, measured now and then, with the kubelet's reasons."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from codecourier.local.processnode.objects import Json, format_time, parse_quantity
from codecourier.local.processnode.status import Ending

__all__ = ["folder_bytes", "full_volume", "has_disk_limits", "memory_bytes", "memory_limit"]

_BLOCK_BYTES = 512
"""The unit of `st_blocks`."""


def has_disk_limits(pod: Json) -> bool:
    """Whether any of the pod's volumes may fill up."""
    return any(_size_limit(volume) for volume in pod["spec"].get("volumes", []))


def _size_limit(volume: Json) -> str:
    return str((volume.get("emptyDir") or {}).get("sizeLimit") or "")


def full_volume(pod: Json, folders: Mapping[str, Path], now: datetime) -> Ending | None:
    """Return why the pod must be evicted, None while no emptyDir is over its limit."""
    for volume in pod["spec"].get("volumes", []):
        limit = _size_limit(volume)
        if limit and folder_bytes(folders[volume["name"]]) > parse_quantity(limit):
            message = f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
            return Ending("Evicted", message, _disruption(message, now))
    return None


def _disruption(message: str, now: datetime) -> Json:
    return {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": message,
        "lastTransitionTime": format_time(now),
    }


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
        except (FileNotFoundError, NotADirectoryError):
            continue
    return total


def memory_limit(container: Json) -> int:
    """Return a container's memory limit in bytes, 0 for none."""
    return int(parse_quantity(container.get("resources", {}).get("limits", {}).get("memory", "0")))


def memory_bytes(pid: int) -> int:
    """Return the memory of a process and all below it that cannot be dropped, in bytes; Linux only."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, waiting, seen = 0, [pid], set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        try:
            fields = Path(f"/proc/{current}/statm").read_text(encoding="ascii").split()
            total += (int(fields[1]) - int(fields[2])) * page
            for thread in Path(f"/proc/{current}/task").iterdir():
                waiting.extend(int(child) for child in (thread / "children").read_text(encoding="ascii").split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total
