"""A serving certificate of the node's own, for when it was given none."""

from __future__ import annotations

from pathlib import Path

from codecourier.local.certificates import create_authority, write_key_pair

__all__ = ["ensure_certificate"]


def ensure_certificate(folder: Path, node_name: str) -> tuple[Path, Path]:
    """Return the files of a certificate and its key, made when they are missing.

    The API server does not check who signed it unless it was told an authority for kubelets.
    """
    certificate, key = folder / "serving.crt", folder / "serving.key"
    if not (certificate.exists() and key.exists()):
        authority = create_authority(f"{node_name}-ca")
        hosts = ("127.0.0.1", "localhost", node_name)
        write_key_pair(authority.issue(f"system:node:{node_name}", hosts=hosts), certificate, key)
    return certificate, key
