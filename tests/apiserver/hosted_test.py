"""`docs/from-the-hosted-api.md` has every endpoint of the contract, and the README what the demonstration prints."""

from __future__ import annotations

import re
from pathlib import Path

from codecourier.apiserver.views.recurring_task import TaskCreation
from codecourier.local.demo.requests import first_requests
from tests.support.rbac import ROLES, read_operations

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "from-the-hosted-api.md"
CONTRACT = (ROOT / "tests" / "data" / "rest" / "contract.txt").read_text(encoding="utf-8").splitlines()
TYPES = re.compile(r"trash/(run|sandbox|workflow|learning|issueSession)/")


def least_roles() -> dict[str, str]:
    """Return the least role that may call each endpoint, from the table of rights."""
    found: dict[str, str] = {}
    for role in reversed(ROLES):
        for op in read_operations():
            if role in op.roles:
                found[f"{op.method} /{TYPES.sub('trash/{type}/', op.path)}"] = role
    return found


def test_the_page_has_each_endpoint_of_the_contract_with_its_role() -> None:
    rows = re.findall(r"^\| `([A-Z]+ \S+)` \| (\w+) \| [^|]+ \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    roles = least_roles()
    assert rows == [(endpoint, roles[endpoint]) for endpoint in CONTRACT]


def test_tasks_are_brought_over_with_every_field_that_a_creation_takes() -> None:
    (fields,) = re.findall(r"\| \{([^}]+)\}'", PAGE.read_text(encoding="utf-8"))
    names = {field.partition(":")[0].strip() for field in fields.split(",")}
    assert names == set(TaskCreation.model_json_schema()["properties"])


def test_the_readme_shows_the_demonstrations_requests() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("curl ")] == list(first_requests())
