"""How a test reaches an API server of its own."""

from __future__ import annotations

from pathlib import Path

import yaml

__all__ = ["kubeconfig"]


def kubeconfig(folder: Path, port: int) -> Path:
    """Write how to reach an API server on loopback."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": {"token": "none"}}],
    }
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
