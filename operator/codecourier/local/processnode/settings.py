"""The process node's settings, from its command line."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_PATH", "SOURCE_ROOT", "NodeSettings", "can_isolate"]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a container looks for programs."""

SOURCE_ROOT = Path(__file__).resolve().parents[3]
"""The folder that the package is imported from."""


@dataclass(frozen=True)
class NodeSettings:
    """The node's settings."""

    kubeconfig: Path
    state_dir: Path
    node_name: str
    port: int
    """Of the log endpoint."""

    certificate: Path
    """Of the log endpoint."""

    key: Path
    client_authority: Path
    """Signs the certificates of the clients that may read logs."""

    binds: bool
    """Whether to bind pending pods: there is no scheduler."""

    isolates: bool
    shown: tuple[Path, ...]
    """Folders that containers may read wherever they lie, without symbolic links."""

    hidden: tuple[Path, ...]
    """Folders and files that containers must not see."""

    @property
    def pods_dir(self) -> Path:
        """Has a folder for each pod, named by its UID."""
        return self.state_dir / "pods"

    @property
    def image_dir(self) -> Path:
        """The Python environment of our own image."""
        return self.state_dir / "image"


def can_isolate() -> bool:
    """Tell whether this process may make namespaces and act as other users."""
    return sys.platform == "linux" and os.geteuid() == 0
