"""A pod's volumes: a folder for each."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from codecourier.kube.api import Json
from codecourier.local.processnode.atomic import write_files
from codecourier.local.processnode.content import ContentError, Secrets, build_files, secrets_of_volume
from codecourier.local.processnode.orphans import discard

__all__ = ["PodVolumes"]


class PodVolumes:
    """Makes, updates and removes a pod's volumes.

    Parameters
    ----------
    folder
        Holds a folder for each volume.
    read_secrets
        Returns the named Secrets of the pod's namespace.
    uses_groups
        Whether the pod's fsGroup can be given files.
    """

    def __init__(
        self, folder: Path, read_secrets: Callable[[set[str]], Awaitable[Secrets]], *, uses_groups: bool
    ) -> None:
        self._folder = folder
        self._read_secrets = read_secrets
        self._uses_groups = uses_groups
        self._lock = asyncio.Lock()

    def paths(self, pod: Json) -> dict[str, Path]:
        """Return all folders by the volumes' names."""
        return {volume["name"]: self._folder / volume["name"] for volume in pod["spec"].get("volumes", [])}

    async def set_up(self, pod: Json) -> None:
        """Make what is missing and bring files up to date.

        Raises
        ------
        ContentError
            When something that a volume comes from is missing; the message says which.
        KubeError
            When the API server refuses or does not answer.
        """
        async with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            for volume in pod["spec"].get("volumes", []):
                try:
                    await self._set_up(pod, volume)
                except ContentError as error:
                    raise ContentError(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {error}') from error

    async def tear_down(self) -> None:
        """Remove the volumes with all that is in them."""
        async with self._lock:
            await asyncio.to_thread(discard, self._folder)

    async def _set_up(self, pod: Json, volume: Json) -> None:
        group = pod["spec"].get("securityContext", {}).get("fsGroup") if self._uses_groups else None
        folder = self._folder / volume["name"]
        if "emptyDir" in volume:
            _make_empty(folder, group)
        else:
            secrets = await self._read_secrets(secrets_of_volume(volume))
            write_files(folder, build_files(pod, volume, secrets), group)


def _make_empty(folder: Path, group: int | None) -> None:
    if folder.exists():
        return
    # Made under another name first: what exists under its own has the right owner, whenever the node was killed.
    unfinished = folder.with_name(folder.name + ".new")
    unfinished.mkdir(exist_ok=True)
    if group is not None:
        os.chown(unfinished, 0, group)
    unfinished.chmod(0o777 if group is None else 0o2777)
    unfinished.rename(folder)
