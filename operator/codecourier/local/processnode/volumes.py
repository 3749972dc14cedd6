"""A pod's volumes: a folder for each.

`token` is a link to `..data/token`, and `..data` a link to a folder with the time in its name, which is replaced as a
whole: a program that works here also works where the kubelet wrote the files.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from codecourier.kube.api import Json
from codecourier.local.processnode.content import ContentError, File, Secrets, build_files, secrets_of_volume
from codecourier.local.processnode.orphans import discard
from codecourier.trees import remove_tree

__all__ = ["PodVolumes", "write_files"]

_DATA = "..data"
_GROUP_READ = 0o440


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


def write_files(folder: Path, files: Mapping[str, File], group: int | None) -> bool:
    """Make the volume's files what `files` says.

    Parameters
    ----------
    folder
        The volume's folder, made when it is missing.
    files
        All files by relative path.
    group
        The pod's fsGroup, which owns and may read the files; None leaves them alone.

    Returns
    -------
    bool
        Whether anything was different.
    """
    folder.mkdir(mode=0o777, parents=True, exist_ok=True)
    data = folder / _DATA
    if data.exists() and _content(data) == {path: file.content for path, file in files.items()}:
        return False
    old = data.readlink().name if data.is_symlink() else ""
    new = Path(tempfile.mkdtemp(prefix=datetime.now(tz=UTC).strftime("..%Y_%m_%d_%H_%M_%S."), dir=folder))
    new.chmod(0o755)
    for path, file in files.items():
        _write(new, path, file, group)
    if group is not None:
        _give_to_group(new, group)
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(new.name)
    link.replace(data)
    _update_links(folder, {Path(path).parts[0] for path in files})
    if old:
        remove_tree(folder / old)
    return True


def _content(data: Path) -> dict[str, bytes]:
    folder = data.resolve()
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _write(folder: Path, path: str, file: File, group: int | None) -> None:
    target = folder / path
    if ".." in target.relative_to(folder).parts:
        message = f"a volume's file may not leave its folder: {path}"
        raise ValueError(message)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch(mode=0o600)
    target.write_bytes(file.content)
    # The volume is read-only, so that the kubelet gives the group no more than this.
    target.chmod(file.mode if group is None else file.mode | _GROUP_READ)
    if group is not None:
        os.chown(target, -1, group)


def _give_to_group(folder: Path, group: int) -> None:
    for path in (folder, *(item for item in folder.rglob("*") if item.is_dir())):
        os.chown(path, -1, group)
        path.chmod(0o2755)


def _update_links(folder: Path, names: set[str]) -> None:
    for name in names:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{_DATA}/{name}")
    for path in folder.iterdir():
        if path.is_symlink() and path.name != _DATA and path.name not in names:
            path.unlink()
