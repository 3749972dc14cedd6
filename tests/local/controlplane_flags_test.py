"""The configuration that the control plane is started with."""

from typing import Any

import pytest

from codecourier.local.controlplane_flags import OPERATOR_USER, audit_policy
from codecourier.local.options import ClusterOptions


def first_rule_for(policy: dict[str, Any], group: str, resource: str, verb: str, user: str = "admin") -> str:
    """Return the level of the rule that the API server would take."""
    for rule in policy["rules"]:
        if user not in rule.get("users", [user]):
            continue
        is_verb = verb in rule.get("verbs", [verb])
        resources = rule.get("resources", [{"group": group, "resources": [resource]}])
        if is_verb and any(r["group"] == group and resource in r["resources"] for r in resources):
            return str(rule["level"])
    return "None"


@pytest.mark.parametrize(
    ("group", "resource"), [("", "events"), ("events.k8s.io", "events"), ("coordination.k8s.io", "leases")]
)
@pytest.mark.parametrize(("is_asked", "level"), [(False, "None"), (True, "Metadata")])
def test_events_and_leases_are_audited_only_where_asked(
    *, group: str, resource: str, is_asked: bool, level: str
) -> None:
    policy = audit_policy(ClusterOptions(audits_events_and_leases=is_asked))
    assert first_rule_for(policy, group, resource, "create") == level
    assert first_rule_for(policy, group, resource, "watch") == "None"


def test_other_writes_are_always_audited_without_bodies() -> None:
    assert first_rule_for(audit_policy(ClusterOptions()), "", "pods", "create") == "Metadata"


@pytest.mark.parametrize(("resource", "verb"), [("pods", "watch"), ("secrets", "get"), ("events", "create")])
def test_every_request_of_the_operators_account_is_audited_without_bodies(resource: str, verb: str) -> None:
    assert first_rule_for(audit_policy(ClusterOptions()), "", resource, verb, OPERATOR_USER) == "Metadata"
