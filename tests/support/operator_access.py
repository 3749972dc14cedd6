"""The account of the cluster tests' operators: it has the rules that follow from the rows of kinds, and no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import orjson
import yaml

from codecourier.kinds.access import EVERY_NAMESPACE, AccessRule, access_rules, build_role_rules
from codecourier.kinds.registry import REGISTRY
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE, OPERATOR_USER
from codecourier.local.processes import wait_until
from tests.support.audit import Request, Right
from tests.support.cluster import admin_server

__all__ = ["OPERATOR", "OperatorAccount"]

_RBAC = "rbac.authorization.k8s.io"
_DISCOVERY = 'ClusterRole "system:discovery"'
_ENDING = "because it is being terminated"
_QUOTA = "is forbidden: exceeded quota: "
_TOKEN_SECONDS = 6 * 3600
_IN_FORCE_SECONDS = 30


@dataclass(frozen=True)
class OperatorAccount:
    """A ServiceAccount in the namespace of the operators' Lease, with roles of its own."""

    name: str
    rules: Mapping[str, tuple[AccessRule, ...]]
    """What it may do, by namespace."""

    @property
    def user(self) -> str:
        """The name by which the API server knows it."""
        return f"system:serviceaccount:{OPERATOR_NAMESPACE}:{self.name}"

    @property
    def rights(self) -> frozenset[Right]:
        """What it may do in one namespace at least."""
        return frozenset[Right]().union(*map(_rights, self.rules.values()))

    def without(self, right: Right) -> OperatorAccount:
        """Return another account that lacks one right which this one has in every namespace."""
        group, resource, verb = right
        rules = tuple(
            replace(rule, verbs=rule.verbs - {verb}) if (rule.group, rule.resource) == (group, resource) else rule
            for rule in self.rules[EVERY_NAMESPACE]
        )
        return OperatorAccount(f"{self.name}-without-a-right", {**self.rules, EVERY_NAMESPACE: rules})

    def find_excess(self, requests: Iterable[Request]) -> list[Request]:
        """Return those requests that go beyond the account's rules, or that were refused as if they did.

        Discovery, which Kopf needs, is open to every account. In a namespace that is being deleted no account may
        create anything, and the operator learns of the deletion by a watch: such an answer is no excess. Nor is that
        of a quota.
        """
        return [request for request in requests if _is_refused(request) or not self._grants(request)]

    def _grants(self, request: Request) -> bool:
        if not request.resource:
            return request.is_forbidden or _DISCOVERY in request.grounds
        places = (EVERY_NAMESPACE, request.namespace)
        return any(request.right in _rights(self.rules.get(place, ())) for place in places)

    def write_kubeconfig(self, cluster: LocalCluster, path: Path) -> Path:
        """Write a kubeconfig with a token of the account, once the account has its rules; return its path."""
        api = admin_server(cluster)
        for collection, manifest in self._manifests():
            url = f"{collection}/{manifest['metadata']['name']}?fieldManager=codecourier-tests&force=true"
            api.fetch("PATCH", url, orjson.dumps(manifest), "application/apply-patch+yaml")
        assert wait_until(lambda: self._is_in_force(api), timeout_seconds=_IN_FORCE_SECONDS)
        config = yaml.safe_load(cluster.kubeconfig_path.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"token": self._token(api)}
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def _manifests(self) -> Iterator[tuple[str, dict[str, Any]]]:
        own = f"/namespaces/{OPERATOR_NAMESPACE}"
        yield "/api/v1/namespaces", _manifest("v1", "Namespace", OPERATOR_NAMESPACE)
        yield f"/api/v1{own}/serviceaccounts", _manifest("v1", "ServiceAccount", self.name)
        for namespace, rules in self.rules.items():
            kind = "Role" if namespace else "ClusterRole"
            place = f"/namespaces/{namespace}" if namespace else ""
            folder = f"/apis/{_RBAC}/v1{place}/{kind.lower()}"
            role = _manifest(f"{_RBAC}/v1", kind, self.name)
            yield f"{folder}s", {**role, "rules": build_role_rules(rules)}
            subject = {"kind": "ServiceAccount", "name": self.name, "namespace": OPERATOR_NAMESPACE}
            reference = {"apiGroup": _RBAC, "kind": kind, "name": self.name}
            binding = _manifest(f"{_RBAC}/v1", f"{kind}Binding", self.name)
            yield f"{folder}bindings", {**binding, "roleRef": reference, "subjects": [subject]}

    def _is_in_force(self, api: LoopbackServer) -> bool:
        """Return whether the authorizer, which learns of roles and bindings by a watch, knows all of them."""
        return all(self._may(api, rules[-1], namespace) for namespace, rules in self.rules.items())

    def _may(self, api: LoopbackServer, rule: AccessRule, namespace: str) -> bool:
        resource, _, subresource = rule.resource.partition("/")
        asked = {"group": rule.group, "resource": resource, "subresource": subresource, "verb": min(rule.verbs)}
        spec = {"user": self.user, "resourceAttributes": {**asked, "namespace": namespace}}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(api.fetch("POST", path, orjson.dumps(review))["status"]["allowed"])

    def _token(self, api: LoopbackServer) -> str:
        spec = {"expirationSeconds": _TOKEN_SECONDS}
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/serviceaccounts/{self.name}/token"
        return str(api.fetch("POST", path, orjson.dumps(request))["status"]["token"])


def _is_refused(request: Request) -> bool:
    # The authorizer forbids what the rules grant only while an API server that was restarted learns of them again.
    is_refused = request.status == HTTPStatus.FORBIDDEN and not request.is_forbidden
    return is_refused and not request.message.endswith(_ENDING) and _QUOTA not in request.message


def _rights(rules: Iterable[AccessRule]) -> frozenset[Right]:
    return frozenset((rule.group, rule.resource, verb) for rule in rules for verb in rule.verbs)


def _manifest(api_version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}


OPERATOR = OperatorAccount(OPERATOR_USER.rpartition(":")[2], access_rules(REGISTRY, OPERATOR_NAMESPACE))
"""The account of every operator of the cluster tests; the audit log has its reads too."""
