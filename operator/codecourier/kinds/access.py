"""What the operator may do in a cluster: RBAC rules derived from the rows of kinds, for the chart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from codecourier.kinds.registry import Registry
from codecourier.kube.api import EVENTS, LEASES, Resource

__all__ = ["EVERY_NAMESPACE", "AccessRule", "access_rules", "build_role_rules"]

EVERY_NAMESPACE = ""
"""Stands for all namespaces: rules that a ClusterRole grants."""

_Verbs = defaultdict[tuple[str, str, str, tuple[str, ...]], set[str]]


@dataclass(frozen=True)
class AccessRule:
    """What the operator may do with a resource."""

    group: str
    """API group, empty for the core group."""

    resource: str
    """Plural, with the subresource: `pods/log`."""

    verbs: frozenset[str]
    names: tuple[str, ...] = ()
    """The only objects that it is for; empty: all."""


def access_rules(registry: Registry, own_namespace: str) -> Mapping[str, tuple[AccessRule, ...]]:
    """Return the rules that the operator needs, by namespace, each sorted by group and resource.

    Caches list and watch, some in one namespace only; the operator updates the status of each planned kind; the rows
    declare the rest. Every operator posts Events, and holds a Lease in its own namespace.

    Parameters
    ----------
    registry
        The rows.
    own_namespace
        Namespace of the Lease.
    """
    verbs: _Verbs = defaultdict(set)
    for cached in registry.cached:
        _grant(verbs, cached.source.namespace or EVERY_NAMESPACE, cached.source.resource, ("list", "watch"))
    for kind in registry.planned:
        if "status" in kind.model.model_fields:
            _grant(verbs, EVERY_NAMESPACE, kind.resource, ("update",), "status")
        for use in kind.uses:
            _grant(verbs, EVERY_NAMESPACE, use.resource, use.verbs, use.subresource, use.names)
    _grant(verbs, EVERY_NAMESPACE, EVENTS, ("create",))
    _grant(verbs, own_namespace, LEASES, ("create", "get", "update"))
    rules: defaultdict[str, list[AccessRule]] = defaultdict(list)
    for (namespace, group, resource, names), allowed in sorted(verbs.items()):
        rules[namespace].append(AccessRule(group, resource, frozenset(allowed), names))
    return {namespace: tuple(found) for namespace, found in rules.items()}


def build_role_rules(rules: Iterable[AccessRule]) -> list[dict[str, Any]]:
    """Return rules in the form of a Role or ClusterRole manifest."""
    return [
        {"apiGroups": [rule.group], "resources": [rule.resource], "verbs": sorted(rule.verbs)}
        | ({"resourceNames": list(rule.names)} if rule.names else {})
        for rule in rules
    ]


def _grant(
    verbs: _Verbs,
    namespace: str,
    resource: Resource,
    allowed: Iterable[str],
    subresource: str = "",
    names: tuple[str, ...] = (),
) -> None:
    plural = f"{resource.plural}/{subresource}" if subresource else resource.plural
    verbs[namespace, resource.group, plural, names] |= set(allowed)
