"""The rules that follow from the rows, and what the documentation says of them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from codecourier.kinds.access import EVERY_NAMESPACE, AccessRule, access_rules, build_role_rules
from codecourier.kinds.kind import Kind, Use
from codecourier.kinds.registry import REGISTRY, Registry
from codecourier.kinds.workflow import WORKFLOW
from codecourier.kube.api import CONFIG_MAPS, PODS
from codecourier.resources.notification import Notification

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ROW = re.compile(r"\| (?P<group>\S+) \| `(?P<resource>[a-z/]+)` \| (?P<verbs>[a-z, ]+) \| (?P<place>[^|]*?) \|")


OWN = "codecourier-system"


def rules_of(*kinds: Kind[Any, Any]) -> dict[str, set[str]]:
    """Return the verbs by resource that an operator of these kinds needs, but for the Events that each one posts."""
    rules = access_rules(Registry(kinds), OWN)[EVERY_NAMESPACE]
    assert AccessRule("events.k8s.io", "events", frozenset({"create"})) in rules
    return {rule.resource: set(rule.verbs) for rule in rules if rule.resource != "events"}


def test_kind_that_is_only_recorded_is_read() -> None:
    assert rules_of(Kind(Notification)) == {"notifications": {"list", "watch"}}


def test_kind_with_a_plan_has_its_status_written() -> None:
    assert WORKFLOW.planning is not None
    declared = replace(WORKFLOW, planning=replace(WORKFLOW.planning, reads=()), uses=())
    assert rules_of(declared) == {"workflows": {"list", "watch"}, "workflows/status": {"update"}}


def test_kind_whose_objects_name_secrets_may_read_them() -> None:
    assert rules_of(WORKFLOW)["secrets"] == {"get", "list", "watch"}


def test_declared_requests_are_granted() -> None:
    uses = (Use(CONFIG_MAPS, ("create",)), Use(CONFIG_MAPS, ("get",)), Use(PODS, ("get",), subresource="log"))
    rules = rules_of(replace(WORKFLOW, uses=uses))
    assert (rules["configmaps"], rules["pods/log"]) == ({"create", "get"}, {"get"})
    assert "pods" not in rules


def test_what_is_read_in_one_namespace_is_granted_there_only() -> None:
    rules = access_rules(REGISTRY, OWN)
    slices = AccessRule("discovery.k8s.io", "endpointslices", frozenset({"list", "watch"}))
    assert rules["default"] == (slices,)
    assert "endpointslices" not in {rule.resource for rule in rules[EVERY_NAMESPACE]}


def test_lease_is_granted_in_the_own_namespace_only() -> None:
    rules = access_rules(REGISTRY, OWN)
    assert rules[OWN] == (AccessRule("coordination.k8s.io", "leases", frozenset({"create", "get", "update"})),)
    assert set(rules) == {EVERY_NAMESPACE, "default", OWN}


def test_role_has_each_rule_in_one_order() -> None:
    (rule,) = build_role_rules((AccessRule("", "pods", frozenset({"watch", "create", "list"})),))
    assert rule == {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "list", "watch"]}


def test_documentation_has_the_rules() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    section = text.partition("\n## Permissions\n")[2].partition("\n## ")[0]
    rows = [row.groupdict() for row in ROW.finditer(section)]
    told = [(row["group"], row["resource"], frozenset(row["verbs"].split(", ")), row["place"]) for row in rows]
    places = {EVERY_NAMESPACE: "every", "default": "`default`", OWN: "its own"}
    rules = [(rule, places[place]) for place, found in access_rules(REGISTRY, OWN).items() for rule in found]
    assert sorted(told) == sorted((rule.group or "core", rule.resource, rule.verbs, place) for rule, place in rules)
