"""What the process node is started with."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_PATH", "SOURCE_ROOT", "Settings", "can_isolate"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a container looks for programs."""

SOURCE_ROOT = Path(__file__).resolve().parents[3]
"""The folder that the package is imported from."""


@dataclass(frozen=True)
class Settings:
    """The node's settings."""

    kubeconfig: Path
    state_dir: Path
    node_name: str
    port: int
    """Of the log endpoint; 0 takes the one used before or a free one."""

    certificate: Path | None
    key: Path | None
    client_authority: Path | None
    """Signs the certificates of those who may read logs; None: the kubeconfig's authority."""

    binds: bool
    """Whether to bind pending pods, as there is no scheduler."""

    isolates: bool
    path: tuple[Path, ...]
    """Folders with further programs, before the usual ones."""

    shown: tuple[Path, ...]
    """Folders that containers may read wherever they lie, without symbolic links."""

    hidden: tuple[Path, ...]
    """Folders and files that containers must not see."""

    @property
    def pods_dir(self) -> Path:
        """A folder for each pod, named by its UID."""
        return self.state_dir / "pods"

    @property
    def image_dir(self) -> Path:
        """The Python environment of our own image."""
        return self.state_dir / "image"


def can_isolate() -> bool:
    """Whether this process may make namespaces and act as other users."""
    return sys.platform == "linux" and os.geteuid() == 0
