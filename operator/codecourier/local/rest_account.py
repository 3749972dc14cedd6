"""The account of the REST API on an embedded cluster: it has the documented rules, and a kubeconfig with its token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import yaml

from codecourier.apiserver.served import RULES
from codecourier.kinds.access import build_role_rules
from codecourier.local.api import LoopbackServer
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE, REST_USER
from codecourier.local.layout import ClusterLayout

__all__ = ["prepare_rest_account"]

_RBAC = "rbac.authorization.k8s.io"
_MANAGER = "codecourier-local"
_TOKEN_SECONDS = 365 * 24 * 3600
"""As long as the certificates of the cluster are valid."""

_NAMESPACE, _NAME = OPERATOR_NAMESPACE, REST_USER.rpartition(":")[2]


def prepare_rest_account(api: LoopbackServer, layout: ClusterLayout) -> None:
    """Make sure that the account is there with its rules, and the kubeconfig of the REST API with a token of it.

    Raises
    ------
    LocalError
        If the API server refuses something.
    """
    for collection, manifest in _manifests():
        path = f"{collection}/{manifest['metadata']['name']}?fieldManager={_MANAGER}&force=true"
        api.fetch("PATCH", path, orjson.dumps(manifest), "application/apply-patch+yaml")
    if layout.rest_kubeconfig.exists():
        return
    config = yaml.safe_load(layout.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": _token(api)}
    draft = layout.rest_kubeconfig.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_text(yaml.safe_dump(config), encoding="utf-8")
    draft.replace(layout.rest_kubeconfig)


def _manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"/api/v1/namespaces/{_NAMESPACE}/serviceaccounts", _manifest("v1", "ServiceAccount", _NAME)
    role = _manifest(f"{_RBAC}/v1", "ClusterRole", _NAME)
    yield f"/apis/{_RBAC}/v1/clusterroles", {**role, "rules": build_role_rules(RULES)}
    subject = {"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}
    reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _NAME}
    binding = _manifest(f"{_RBAC}/v1", "ClusterRoleBinding", _NAME)
    yield f"/apis/{_RBAC}/v1/clusterrolebindings", {**binding, "roleRef": reference, "subjects": [subject]}


def _manifest(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


def _token(api: LoopbackServer) -> str:
    spec = {"expirationSeconds": _TOKEN_SECONDS}
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{_NAMESPACE}/serviceaccounts/{_NAME}/token"
    return str(api.fetch("POST", path, orjson.dumps(request))["status"]["token"])
