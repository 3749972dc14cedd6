"""`docs/rest-api.md` says what is served, with which rights and settings."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from codecourier.apiserver.reference import read_entries, render_markdown
from codecourier.apiserver.route import OF_THE_TYPE
from codecourier.apiserver.served import RULES
from codecourier.apiserver.settings import API_PREFIX, ApiServerSettings, load_api_settings
from codecourier.errors import SettingsError
from codecourier.resources.meta import GROUP
from tests.support.marked import check_marked
from tests.support.rbac import ROLES, Asked, Operation, grants, read_operations, read_roles
from tests.support.rest_document import openapi_document

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "rest-api.md"
HOSTED = ROOT / "docs" / "from-the-hosted-api.md"
CONTRACT = ROOT / "tests" / "data" / "rest" / "contract.txt"


def test_the_page_lists_every_operation(*, update_golden: bool) -> None:
    rows = ["", "| operation | right |", "|---|---|"]
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            right = operation["x-kubernetes-right"]
            group = "" if right["group"] == GROUP else f".{right['group']}"
            rows.append(f"| `{method.upper()} {path}` | {right['verb']} {right['resource']}{group} |")
    check_marked(PAGE, "operations", "\n".join([*rows, "", ""]), update=update_golden)


def test_the_page_for_users_of_the_hosted_api_says_what_is_not_served(*, update_golden: bool) -> None:
    served = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in openapi_document()["paths"].items()
        for method in methods
    }
    # Parameters of paths may have other names there.
    shapes = {re.sub(r"{\w+}", "{}", endpoint) for endpoint in served}
    missing = [
        endpoint
        for endpoint in CONTRACT.read_text(encoding="utf-8").splitlines()
        if re.sub(r"{[^}]+}", "{}", endpoint) not in shapes
    ]
    text = "All of them are served.\n"
    if missing:
        text = "**Not served yet** (404):\n\n" + "".join(f"- `{endpoint}`\n" for endpoint in missing)
    check_marked(HOSTED, "missing", f"\n{text}\n", update=update_golden)


def test_the_reference_is_what_is_served(*, update_golden: bool) -> None:
    text = render_markdown(read_entries(openapi_document()))
    check_marked(PAGE.with_name("rest-api-reference.md"), "reference", f"\n{text}\n", update=update_golden)


def test_every_operation_shows_what_it_answers() -> None:
    for methods in openapi_document()["paths"].values():
        for operation in methods.values():
            (success,) = (status for status in operation["responses"] if status.startswith("2"))
            (content,) = operation["responses"][success]["content"].values()
            assert "schema" in content
            # What the framework would answer to a bad body is never sent.
            assert {"400", "401", "403", "429", "503", "default"} <= set(operation["responses"])
            assert "422" not in operation["responses"]


def test_the_page_lists_every_permission() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## Permissions\n")[2]
    rows = re.findall(r"^\| ([\w.]+) \| `([a-z/]+)` \| ([a-z, ]+) \|$", section, re.MULTILINE)
    assert rows == [(rule.group or "core", rule.resource, ", ".join(sorted(rule.verbs))) for rule in RULES]


def test_the_page_lists_every_setting_with_its_default() -> None:
    pattern = rf"^\| `({API_PREFIX}\w+)` \| `?([^`|]+?)`? \|"
    rows = re.findall(pattern, PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: None if default == "none" else default for name, default in rows}
    settings = load_api_settings({name: default for name, default in documented.items() if default is not None})
    assert list(documented) == [f"{API_PREFIX}{name.upper()}" for name in ApiServerSettings.model_fields]
    assert settings == ApiServerSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("LISTEN_PORT", "65536"), ("LOG_LEVEL", "loud"), ("TLS_KEY_FILE", "key.pem"), ("DRAIN_SECONDS", "-1")],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{API_PREFIX}.*{name}"):
        load_api_settings({f"{API_PREFIX}{name}": value})


def test_every_operation_has_the_right_of_the_contract_and_passes_the_door() -> None:
    operations = defaultdict(set)
    for known in read_operations():
        operations[known.method, known.path].add(known.right)
    rules = read_roles()
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            right = Asked(*(operation["x-kubernetes-right"][key] for key in ("verb", "resource", "group")))
            # A field of the body may ask for a right more.
            rights = operations.get((method.upper(), path.removeprefix("/api/v1/")), {right})
            assert right.resource == OF_THE_TYPE or right in rights, path
            door = Operation(method.upper(), path.removeprefix("/api/v1/"), right, frozenset()).door
            assert [role for role in ROLES if grants(rules[role], right) and not grants(rules[role], door)] == [], path
