"""What the operator may do in a cluster, as RBAC rules that follow from the rows of kinds: data for the chart."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from codecourier.kinds.registry import Registry
from codecourier.kube.api import EVENTS, LEASES, Resource

__all__ = ["AccessRule", "access_rules", "build_role_rules", "own_namespace_rules"]


@dataclass(frozen=True)
class AccessRule:
    """What may be done with a resource."""

    group: str
    """API group, empty for the core group."""

    resource: str
    """Plural, with the subresource: `pods/log`."""

    verbs: frozenset[str]


def access_rules(registry: Registry) -> tuple[AccessRule, ...]:
    """Return what the operator needs in every namespace, sorted by group and resource.

    Caches list and watch; a plan's kind has its status updated; the rest is declared by the rows.
    """
    verbs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for cached in registry.cached:
        verbs[_key(cached.source.resource)] |= {"list", "watch"}
    for kind in registry.planned:
        if "status" in kind.model.model_fields:
            verbs[_key(kind.resource, "status")].add("update")
        for use in kind.uses:
            verbs[_key(use.resource, use.subresource)] |= set(use.verbs)
    verbs[_key(EVENTS)].add("create")
    return _rules(verbs)


def own_namespace_rules() -> tuple[AccessRule, ...]:
    """Return what the operator needs in its own namespace only: its Lease."""
    return _rules({_key(LEASES): {"create", "get", "update"}})


def build_role_rules(rules: tuple[AccessRule, ...]) -> list[dict[str, Any]]:
    """Return rules as the manifest of a Role or ClusterRole has them."""
    return [{"apiGroups": [rule.group], "resources": [rule.resource], "verbs": sorted(rule.verbs)} for rule in rules]


def _key(resource: Resource, subresource: str = "") -> tuple[str, str]:
    return resource.group, f"{resource.plural}/{subresource}" if subresource else resource.plural


def _rules(verbs: dict[tuple[str, str], set[str]]) -> tuple[AccessRule, ...]:
    return tuple(AccessRule(*key, frozenset(allowed)) for key, allowed in sorted(verbs.items()))
