"""What Kubernetes' clients read to learn what the API group serves: pure documents.

Only `get` and `list` are offered: the namespace controller deletes what offers `delete`, and would delete branches; the
garbage collector and others watch what offers `watch`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from codecourier.apiserver.accept import Form
from codecourier.apiserver.doors import AGGREGATED, OPS_GROUP, OPS_VERSION

__all__ = [
    "DISCOVERY",
    "GROUP_VERSION",
    "OPENAPI_V3",
    "Offer",
    "api_group",
    "api_group_list",
    "api_resource_list",
    "group_discovery_list",
    "openapi_v2",
    "openapi_v3",
    "openapi_v3_index",
    "version_info",
]

GROUP_VERSION = f"{OPS_GROUP}/{OPS_VERSION}"
DISCOVERY = Form((("g", "apidiscovery.k8s.io"), ("v", "v2"), ("as", "APIGroupDiscoveryList")))
"""Form of `/apis` that shows all groups and resources at once."""

OPENAPI_V3 = f"/openapi/v3/apis/{GROUP_VERSION}"

_VERBS = ("get", "list")
_VERSION: Mapping[str, str] = {"groupVersion": GROUP_VERSION, "version": OPS_VERSION}


@dataclass(frozen=True)
class Offer:
    """A kind of the API group."""

    plural: str
    singular: str
    kind: str
    short_names: tuple[str, ...] = ()

    @property
    def schema_name(self) -> str:
        """Name of its schema in OpenAPI documents."""
        return f"{'.'.join(reversed(OPS_GROUP.split('.')))}.{OPS_VERSION}.{self.kind}"


def api_group() -> dict[str, Any]:
    """Return what `/apis/<group>` shows."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group()}


def api_group_list() -> dict[str, Any]:
    """Return what `/apis` shows in plain JSON."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}


def _group() -> dict[str, Any]:
    return {"name": OPS_GROUP, "versions": [dict(_VERSION)], "preferredVersion": dict(_VERSION)}


def api_resource_list(offers: Sequence[Offer]) -> dict[str, Any]:
    """Return what `/apis/<group>/<version>` shows."""
    resources = [
        {
            "name": offer.plural,
            "singularName": offer.singular,
            "namespaced": True,
            "kind": offer.kind,
            "verbs": list(_VERBS),
            "shortNames": list(offer.short_names),
            "categories": ["codecourier"],
        }
        for offer in offers
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION, "resources": resources}


def group_discovery_list(offers: Sequence[Offer]) -> dict[str, Any]:
    """Return what `/apis` shows in the form `DISCOVERY`."""
    resources = [
        {
            "resource": offer.plural,
            # A client of a kind without this field fails: https://github.com/kubernetes/kubernetes/issues/119662.
            "responseKind": _kind_of(offer),
            "scope": "Namespaced",
            "singularResource": offer.singular,
            "verbs": list(_VERBS),
            "shortNames": list(offer.short_names),
            "categories": ["codecourier"],
        }
        for offer in offers
    ]
    versions = [{"version": OPS_VERSION, "resources": resources, "freshness": "Current"}]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [{"metadata": {"name": OPS_GROUP, "creationTimestamp": None}, "versions": versions}],
    }


def _kind_of(offer: Offer) -> dict[str, str]:
    return {"group": OPS_GROUP, "version": OPS_VERSION, "kind": offer.kind}


def version_info() -> dict[str, str]:
    """Return what `/version` shows."""
    found = version("codecourier")
    major, minor, *_ = found.split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{found}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": "",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }


def openapi_v2(offers: Sequence[Offer]) -> dict[str, Any]:
    """Return what `/openapi/v2` shows; kube-apiserver merges it with its own."""
    return {
        "swagger": "2.0",
        "info": _info(),
        "paths": {path: _path_v2(offer, verb) for path, offer, verb in _paths(offers)},
        "definitions": _schemas(offers, "#/definitions/"),
    }


def openapi_v3_index(hash_: str) -> dict[str, Any]:
    """Return what `/openapi/v3` shows; the hash makes the addressed document one that never changes."""
    return {"paths": {f"apis/{GROUP_VERSION}": {"serverRelativeURL": f"{OPENAPI_V3}?hash={hash_}"}}}


def openapi_v3(offers: Sequence[Offer]) -> dict[str, Any]:
    """Return the document of the group, in version 3.0 of OpenAPI."""
    return {
        "openapi": "3.0.0",
        "info": _info(),
        "paths": {path: _path_v3(offer, verb) for path, offer, verb in _paths(offers)},
        "components": {"schemas": _schemas(offers, "#/components/schemas/")},
    }


def _info() -> dict[str, str]:
    return {"title": "CodeCourier: views of branches and pull requests", "version": OPS_VERSION}


def _paths(offers: Sequence[Offer]) -> Iterator[tuple[str, Offer, str]]:
    for offer in offers:
        folder = f"{AGGREGATED}/namespaces/{{namespace}}/{offer.plural}"
        yield folder, offer, "list"
        yield f"{folder}/{{name}}", offer, "get"


def _path_v2(offer: Offer, verb: str) -> dict[str, Any]:
    parameters = [{**parameter, "type": "string", "uniqueItems": True} for parameter in _parameters(verb)]
    success = {"description": "OK", "schema": {"$ref": f"#/definitions/{_shown(offer, verb)}"}}
    operation = {**_operation(offer, verb), "produces": ["application/json"], "responses": {"200": success}}
    return {"get": operation, "parameters": parameters}


def _path_v3(offer: Offer, verb: str) -> dict[str, Any]:
    parameters = [{**parameter, "schema": {"type": "string", "uniqueItems": True}} for parameter in _parameters(verb)]
    schema = {"$ref": f"#/components/schemas/{_shown(offer, verb)}"}
    success = {"description": "OK", "content": {"application/json": {"schema": schema}}}
    return {"get": {**_operation(offer, verb), "responses": {"200": success}}, "parameters": parameters}


def _operation(offer: Offer, verb: str) -> dict[str, Any]:
    word = {"list": "list", "get": "read"}[verb]
    return {
        "operationId": f"{word}OpsCodecourierDevV1Namespaced{offer.kind}",
        "description": f"{word} {offer.plural}",
        "x-kubernetes-action": verb,
        "x-kubernetes-group-version-kind": _kind_of(offer),
    }


def _parameters(verb: str) -> list[dict[str, Any]]:
    names = {"list": ["namespace"], "get": ["namespace", "name"]}[verb]
    return [{"name": name, "in": "path", "required": True} for name in names]


def _shown(offer: Offer, verb: str) -> str:
    return f"{offer.schema_name}List" if verb == "list" else offer.schema_name


def _schemas(offers: Sequence[Offer], prefix: str) -> dict[str, Any]:
    """Return the schemas of objects and lists.

    None has a boolean as `additionalProperties`, which kube-controller-manager does not survive:
    https://github.com/cozystack/cozystack/issues/2863.
    """
    common = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    found: dict[str, Any] = {}
    for offer in offers:
        found[offer.schema_name] = {
            "type": "object",
            "properties": common,
            "x-kubernetes-preserve-unknown-fields": True,
            "x-kubernetes-group-version-kind": [_kind_of(offer)],
        }
        items = {"type": "array", "items": {"$ref": prefix + offer.schema_name}}
        found[f"{offer.schema_name}List"] = {
            "type": "object",
            "required": ["items"],
            "properties": {**common, "items": items},
            "x-kubernetes-group-version-kind": [{**_kind_of(offer), "kind": f"{offer.kind}List"}],
        }
    return found
