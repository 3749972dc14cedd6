"""Read the little of a kubeconfig that a node needs: the server, whom to trust, and a client certificate or token.

The `kubernetes` package does this too, at the price of a second at every start.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from codecourier.local.processnode.objects import Json

__all__ = ["ClusterAccess", "load_kubeconfig"]


@dataclass(frozen=True)
class ClusterAccess:
    """How to reach the API server."""

    server: str
    authority: str
    """PEM; whom to trust."""

    context: ssl.SSLContext
    headers: dict[str, str]


def load_kubeconfig(path: Path) -> ClusterAccess:
    """Read the current context of a kubeconfig.

    Raises
    ------
    ValueError
        When the file is no kubeconfig or names no server; the message says which entry is missing.
    OSError
        When it, or a file that it names, cannot be read.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        context = _entry(content, "context", content["current-context"])
        cluster = _entry(content, "cluster", context["cluster"])
        user = _entry(content, "user", context["user"])
        server = str(cluster["server"]).rstrip("/")
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no kubeconfig with a current context: {error} is missing") from error
    authority = _pem(path, cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=authority or None)
    certificate, key = _pem(path, user, "client-certificate"), _pem(path, user, "client-key")
    if certificate and key:
        _load_pair(tls, certificate, key)
    headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}
    return ClusterAccess(server, authority, tls, headers)


def _entry(content: Json, kind: str, name: str) -> Json:
    for item in content[f"{kind}s"]:
        if item["name"] == name:
            found: Json = item[kind]
            return found
    raise KeyError(f"{kind} {name}")


def _pem(path: Path, entry: Json, name: str) -> str:
    if data := entry.get(f"{name}-data"):
        return base64.b64decode(data).decode()
    if file := entry.get(name):
        return Path(path.parent, str(file)).read_text(encoding="utf-8")
    return ""


def _load_pair(tls: ssl.SSLContext, certificate: str, key: str) -> None:
    # The ssl module reads certificates from files only.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        tls.load_cert_chain(file.name)
