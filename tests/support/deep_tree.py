"""A tree that is deeper than paths can be long."""

import os
from pathlib import Path

__all__ = ["NAME", "make_deep"]

NAME = "a-folder-whose-name-makes-paths-longer-than-the-kernel-accepts"


def make_deep(folder: Path, depth: int) -> None:
    """Make folders in each other, each with a file, without a path that grows."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        os.mkdir(NAME, dir_fd=here)
        inner = os.open(NAME, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
