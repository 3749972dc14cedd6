"""Applying CodeCourier's other manifests to a cluster: the roles of members, and policies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from codecourier.local.api import LoopbackServer
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE
from codecourier.local.errors import LocalError

__all__ = ["apply_manifests"]

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_COLLECTIONS = {
    "ValidatingAdmissionPolicy": f"{_ADMISSION}/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": f"{_ADMISSION}/validatingadmissionpolicybindings",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
}
_MANAGER = "codecourier-local"


def apply_manifests(api: LoopbackServer, folder: Path) -> int:
    """Apply all manifests of a folder, which may be missing, and the operator's namespace; return how many there are.

    Raises
    ------
    LocalError
        If a file holds an object of another kind, or the API server refuses one.
    """
    _apply(
        api, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OPERATOR_NAMESPACE}}
    )
    count = 0
    for path in sorted(folder.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            collection = _COLLECTIONS.get(document["kind"])
            if collection is None:
                raise LocalError(f"{path} holds an object of kind {document['kind']}, which is not applied here")
            _apply(api, collection, document)
            count += 1
    return count


def _apply(api: LoopbackServer, collection: str, manifest: Mapping[str, Any]) -> None:
    name = f"{manifest['metadata']['name']}?fieldManager={_MANAGER}&force=true"
    api.fetch("PATCH", f"{collection}/{name}", orjson.dumps(manifest), "application/apply-patch+yaml")
