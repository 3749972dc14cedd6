"""The registration of the REST API beside the embedded cluster with kube-apiserver."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from codecourier.apiserver.doors import OPS_GROUP, OPS_VERSION
from codecourier.local.api import LoopbackServer
from codecourier.local.controlplane_flags import REST_USER
from codecourier.local.layout import ClusterLayout
from codecourier.local.rest_certificate import rest_api_authority

__all__ = [
    "API_SERVICE",
    "is_rest_api_registered",
    "register_rest_api",
    "unregister_rest_api",
]

API_SERVICE = f"{OPS_VERSION}.{OPS_GROUP}"

_NAMESPACE, _NAME = REST_USER.split(":")[2:]
_API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_RBAC = "rbac.authorization.k8s.io"
_READER = "extension-apiserver-authentication-reader"


def register_rest_api(api: LoopbackServer, layout: ClusterLayout, port: int) -> None:
    """Let kube-apiserver pass requests for the group on to a REST API on this machine.

    It may be called again, with another port. The account of the REST API may read by what kube-apiserver is known.

    Parameters
    ----------
    api
        The cluster's API server, as its administrator sees it.
    layout
        The cluster's files.
    port
        Port of the REST API, which serves TLS with `rest_api_variables`.

    Raises
    ------
    LocalError
        If the API server refuses or does not answer.
    """
    for path, manifest in _manifests(rest_api_authority(layout), port):
        url = f"{path}/{manifest['metadata']['name']}?fieldManager=codecourier-local&force=true"
        api.fetch("PATCH", url, orjson.dumps(manifest), "application/apply-patch+yaml")


def unregister_rest_api(api: LoopbackServer) -> None:
    """Take the registration back. A group that nothing serves would stop the deletion of namespaces.

    Raises
    ------
    LocalError
        If the API server refuses or does not answer.
    """
    api.fetch("DELETE", f"{_API_SERVICES}/{API_SERVICE}")


def is_rest_api_registered(api: LoopbackServer) -> bool:
    """Return whether kube-apiserver passes requests on, and gets answers.

    Raises
    ------
    LocalError
        If the API server refuses or does not answer.
    """
    found = api.fetch("GET", f"{_API_SERVICES}/{API_SERVICE}").get("status", {}).get("conditions", [])
    return any((condition["type"], condition["status"]) == ("Available", "True") for condition in found)


def _manifests(authority: bytes, port: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}}
    # No Service of the embedded cluster has an address, and endpoints may not be on loopback. The name of an external
    # Service is taken as it is.
    yield (
        f"/api/v1/namespaces/{_NAMESPACE}/services",
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _NAME},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
    )
    yield (
        f"/apis/{_RBAC}/v1/namespaces/kube-system/rolebindings",
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{_NAME}-authentication-reader"},
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": _READER},
            "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}],
        },
    )
    spec = {
        "group": OPS_GROUP,
        "version": OPS_VERSION,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"namespace": _NAMESPACE, "name": _NAME, "port": port},
        "caBundle": base64.b64encode(authority).decode(),
    }
    kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    yield _API_SERVICES, {**kind, "metadata": {"name": API_SERVICE}, "spec": spec}
