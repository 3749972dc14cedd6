"""The roles of members grant what the contract says, on both doors, and no more."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from codecourier.kinds.manifests import build_files, main
from codecourier.kinds.roles import GRANTS
from codecourier.resources.registry import KINDS
from tests.support.rbac import ROLES, Asked, grants, read_operations, read_roles

RULES = read_roles()
OPERATIONS = list(read_operations())
WRITE = ("create", "delete", "deletecollection", "patch", "update")
RBAC = "rbac.authorization.k8s.io"


def test_the_files_are_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert main(["--check", "--folder", str(tmp_path)]) == 1
    assert "make manifests" in capsys.readouterr().err
    assert main(["--folder", str(tmp_path)]) == 0
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == build_files()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_the_contract_says(role: str) -> None:
    allowed = {op for op in OPERATIONS if grants(RULES[role], op.right)}
    assert allowed == {op for op in OPERATIONS if role in op.roles}


@pytest.mark.parametrize("role", ROLES)
def test_the_door_lets_a_role_pass_where_it_may_do_something(role: str) -> None:
    wanted: dict[Asked, bool] = defaultdict(bool)
    for op in OPERATIONS:
        wanted[op.door] |= role in op.roles
    assert {door: grants(RULES[role], door) for door in wanted} == wanted


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", ["notifications", "usagerecords", "dailystats", "inboxes"])
def test_no_role_writes_records(role: str, kind: str) -> None:
    assert [verb for verb in WRITE if grants(RULES[role], Asked(verb, kind))] == []


@pytest.mark.parametrize("kind", ["projects", "apikeys", "sandboxes", "inboxes"])
def test_an_editor_writes_no_settings_keys_or_sandboxes(kind: str) -> None:
    assert [verb for verb in WRITE if grants(RULES["editor"], Asked(verb, kind))] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_nothing_beyond_our_groups_but_the_giving_of_roles(role: str) -> None:
    others = [rule for rule in RULES[role] if not set(rule["apiGroups"]) <= {"codecourier.dev", "ops.codecourier.dev"}]
    names = [f"codecourier-{name}" for name in ROLES]
    given = {"apiGroups": [RBAC], "resources": ["clusterroles"], "resourceNames": names, "verbs": ["bind"]}
    assert others == ([given] if role == "admin" else [])
    assert "*" not in {word for rule in RULES[role] for key in rule for word in rule[key]}
    assert [name for rule in RULES[role] for name in rule["resources"] if name.endswith("/status")] == []


def test_each_role_has_what_the_ones_before_it_have() -> None:
    for weaker, stronger in (("viewer", "editor"), ("editor", "admin")):
        asked = [
            Asked(verb, resource, group)
            for rule in RULES[weaker]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ]
        assert [right for right in asked if not grants(RULES[stronger], right)] == []


def test_the_table_has_every_kind_once() -> None:
    resources = [(grant.group, grant.resource) for grant in GRANTS]
    assert len(resources) == len(set(resources))
    assert {kind.info.plural for kind in KINDS} <= {resource for _, resource in resources}


def test_a_viewer_watches_what_it_reads() -> None:
    for plural in {kind.info.plural for kind in KINDS} - {"apikeys", "inboxes"}:
        assert [verb for verb in ("get", "list", "watch") if not grants(RULES["viewer"], Asked(verb, plural))] == []
