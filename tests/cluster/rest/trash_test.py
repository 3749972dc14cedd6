"""The trash on a real API server: the contract's own lines, each type, and clients that do the same at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from codecourier.kinds.api_resources import ISSUE_SESSIONS, LEARNINGS, RUNS, SANDBOXES, WORKFLOWS
from codecourier.kube.api import Json, Resource
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, REPOSITORY, Rest, read_lines
from tests.support.team import WORKFLOW

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

LINES = Path(__file__).parents[2] / "data" / "rest" / "trash.sh"
RUN: Json = {"workflowRef": {"name": "build"}, "prompt": "Fix it."}
FINISHED: Json = {"phase": "Cancelled", "attempt": 1}
TYPES: list[tuple[str, str, Resource, Json, Json | None]] = [
    ("run", "runs", RUNS, RUN, FINISHED),
    (
        "sandbox",
        "sandboxes",
        SANDBOXES,
        {"runRef": {"name": "fix", "uid": "uid-fix"}, "attempt": 1, "tryNumber": 1},
        {"phase": "Expired"},
    ),
    ("workflow", "workflows", WORKFLOWS, {**WORKFLOW, "agent": {"command": ["true"]}}, None),
    ("learning", "learnings", LEARNINGS, {"text": "Run the tests.", "repositoryUrl": REPOSITORY}, None),
    (
        "issueSession",
        "issue-sessions",
        ISSUE_SESSIONS,
        {"workflowRef": {"name": "build"}, "issueUrl": f"{REPOSITORY}/issues/7"},
        {"phase": "Failed"},
    ),
]
WORKING = {"run", "sandbox", "issueSession"}
CLIENTS = 8


def make(rest: Rest, resource: Resource, name: str, spec: Json, status: Json | None) -> None:
    """Create an object with a status."""
    rest.create(resource, PROJECT, name, spec)
    if status is not None:
        set_status(rest, resource, name, status)


def set_status(rest: Rest, resource: Resource, name: str, status: Json) -> None:
    """Set the status of an object, as the operator does."""
    path = f"{resource.path(PROJECT, name)}/status"
    rest.admin.fetch("PATCH", path, orjson.dumps({"status": status}), "application/merge-patch+json")


def put_away(rest: Rest, key: str, path: str) -> Any:
    """Put an object into the trash once the REST API knows its status; return the answer."""
    assert wait_until(lambda: rest.ask("DELETE", path, key).status == 200, timeout_seconds=20)
    return rest.ask("DELETE", path, key).data


def later(text: str, days: int) -> str:
    """Return the time that is so many days later."""
    return (datetime.fromisoformat(text) + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def test_the_lines_of_the_contract_about_the_trash(rest: Rest, editor: str) -> None:
    make(rest, RUNS, "line", RUN, FINISHED)
    put = put_away(rest, editor, "/runs/r_line")

    def run(line: str) -> Any:
        return rest.run_line(line, editor, {"r_": "r_line"}).data

    listing, of_a_type, restore, delete = read_lines(LINES)
    item = {
        "entityType": "run",
        "entityId": "r_line",
        "name": "Fix it.",
        "deletedAt": put["deletedAt"],
        "deletedBy": f"codecourier:{PROJECT}:editor",
        "expiresAt": later(put["deletedAt"], 30),
    }
    assert item in run(listing)
    assert item in run(of_a_type)
    assert run(restore) == {"entityType": "run", "entityId": "r_line", "status": "cancelled"}
    put_away(rest, editor, "/runs/r_line")
    assert run(delete) == {"entityType": "run", "entityId": "r_line", "isDeleted": True}
    assert rest.run_line(delete, editor, {"r_": "r_line"}).status == 404


@pytest.mark.parametrize(("word", "collection", "resource", "spec", "status"), TYPES, ids=[row[0] for row in TYPES])
def test_clients_that_do_the_same_at_once_agree(
    rest: Rest, editor: str, word: str, collection: str, resource: Resource, spec: Json, status: Json | None
) -> None:
    make(rest, resource, "crowd", spec, None)
    one, item, subject = f"/{collection}/crowd", f"/trash/{word}/crowd", {"entityType": word, "entityId": "crowd"}
    assert wait_until(lambda: rest.ask("DELETE", item, editor).status == 409, timeout_seconds=20)
    assert rest.ask("POST", "/trash/permanent-delete", editor, subject).status == 409
    if word in {"run", "sandbox"}:
        assert rest.ask("DELETE", one, editor).status == 409
    elif word in WORKING:
        set_status(rest, resource, "crowd", {"phase": "Running"})
        assert wait_until(lambda: rest.ask("DELETE", one, editor).status == 409, timeout_seconds=20)
    if status is not None:
        set_status(rest, resource, "crowd", status)
    assert rest.ask("GET", one, editor).data["id"].endswith("_crowd")
    put_away(rest, editor, one)
    assert rest.ask("GET", one, editor).status == 404
    assert [rest.ask("POST", "/trash/restore", editor, subject).status for _ in range(2)] == [200, 409]
    with ThreadPoolExecutor(CLIENTS) as pool:

        def at_once(method: str, path: str) -> list[int]:
            return sorted(pool.map(lambda _: rest.ask(method, path, editor).status, range(CLIENTS)))

        assert at_once("DELETE", one) == [200] * CLIENTS
        assert at_once("POST", f"{item}/restore") == [200, *[409] * (CLIENTS - 1)]
        assert at_once("DELETE", one) == [200] * CLIENTS
    assert rest.ask("POST", "/trash/permanent-delete", editor, subject).status == 200
    for path in ("/trash/permanent-delete", "/trash/restore"):
        assert rest.ask("POST", path, editor, subject).status == 404
