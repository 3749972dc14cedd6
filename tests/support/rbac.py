"""What RBAC rules grant, and what the roles of members are to be granted by the contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__ = ["DOOR_VERBS", "ROLES", "Asked", "Operation", "grants", "read_operations", "read_roles"]

_ROOT = Path(__file__).parents[2]
_GROUP = "codecourier.dev"
_OPERATIONS = "ops.codecourier.dev"

ROLES = ("viewer", "editor", "admin")

DOOR_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
"""The verb that kube-apiserver asks for by method, where the path names an object."""


class Asked(NamedTuple):
    """What an authorizer is asked for."""

    verb: str
    resource: str
    """Plural, with the subresource."""

    group: str = _GROUP
    name: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it in the form of a SubjectAccessReview."""
        resource, _, subresource = self.resource.partition("/")
        found = {"verb": self.verb, "group": self.group, "resource": resource, "subresource": subresource}
        return {**found, "name": self.name}


class Operation(NamedTuple):
    """An operation of the REST API, and which roles may do it."""

    method: str
    path: str
    """Below `/api/v1/`."""

    right: Asked
    roles: frozenset[str]

    @property
    def door(self) -> Asked:
        """What kube-apiserver asks for before it passes the request on."""
        segment = self.path.partition("/")[0]
        return Asked(DOOR_VERBS[self.method], f"api/{segment}", _OPERATIONS, "v1")


def read_operations() -> Iterator[Operation]:
    """Yield the operations of the table of rights."""
    for line in (_ROOT / "tests" / "data" / "rest" / "rights.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            request, right, roles = line.split(" | ")
            method, path = request.split()
            yield Operation(method, path, Asked(*right.split()), frozenset(roles.split()))


def read_roles() -> dict[str, list[dict[str, Any]]]:
    """Return the rules of the roles by their name, from the generated file."""
    text = (_ROOT / "manifests" / "roles.yaml").read_text(encoding="utf-8")
    return {role["metadata"]["name"].removeprefix("codecourier-"): role["rules"] for role in yaml.safe_load_all(text)}


def grants(rules: Iterable[Mapping[str, Any]], asked: Asked) -> bool:
    """Return whether rules grant what is asked for, as Kubernetes reads them."""
    return any(
        asked.group in rule["apiGroups"]
        and asked.resource in rule["resources"]
        and asked.verb in rule["verbs"]
        and (not rule.get("resourceNames") or asked.name in rule["resourceNames"])
        for rule in rules
    )
