"""Write a volume's files so that a reader sees one version as a whole, with the kubelet's links.

`token` is a link to `..data/token`, and `..data` a link to a folder with the time in its name, which is replaced as a
whole: a program that works here also works where the kubelet wrote the files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from codecourier.local.processnode.content import File
from codecourier.trees import remove_tree

__all__ = ["write_files"]

_DATA = "..data"
_GROUP_READ = 0o440


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
