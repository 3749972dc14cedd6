"""Applying CodeCourier's other manifests to a cluster: the roles of members, and policies."""

from __future__ import annotations

from pathlib import Path

import orjson
import yaml

from codecourier.local.api import LoopbackServer
from codecourier.local.errors import LocalError

__all__ = ["apply_manifests"]

_COLLECTIONS = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
}
_MANAGER = "codecourier-local"


def apply_manifests(api: LoopbackServer, folder: Path) -> int:
    """Apply all manifests of a folder, which may be missing; return how many there are.

    Raises
    ------
    LocalError
        If a file holds an object of another kind, or the API server refuses one.
    """
    count = 0
    for path in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            collection = _COLLECTIONS.get(document["kind"])
            if collection is None:
                raise LocalError(f"{path} holds an object of kind {document['kind']}, which is not applied here")
            name = f"{document['metadata']['name']}?fieldManager={_MANAGER}&force=true"
            api.fetch("PATCH", f"{collection}/{name}", orjson.dumps(document), "application/apply-patch+yaml")
            count += 1
    return count
