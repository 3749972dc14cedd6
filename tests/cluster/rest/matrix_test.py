"""Who may do what: each operation of the table of rights, for each kind of caller, at both doors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from codecourier.kinds.policies import BYPASS_CI
from codecourier.local.api import LoopbackServer
from tests.support.rbac import ROLES, Operation, read_operations
from tests.support.rest import OTHER, REPOSITORY, Rest, ask_through, known

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

NAME = "rest-matrix"
TYPES = {
    "runs": "run",
    "sandboxes": "sandbox",
    "workflows": "workflow",
    "learnings": "learning",
    "issuesessions": "issueSession",
}


@pytest.fixture(scope="module")
def keys(rest: Rest) -> Iterator[Mapping[str, str]]:
    """Make a project with a key for each kind of caller; return them."""
    rest.project(NAME, REPOSITORY)
    made = {role: rest.bare_key(NAME, f"the-{role}").key for role in ROLES}
    for role in ROLES:
        rest.bind(NAME, role, f"the-{role}")
    made["without a role"] = rest.bare_key(NAME, "nobody").key
    made["admin of another project"] = rest.bare_key(OTHER, "the-admin").key
    rest.bind(OTHER, "admin", "the-admin")
    made["expired"] = rest.bare_key(NAME, "late", datetime.now(UTC) - timedelta(seconds=1)).key
    revoked = rest.bare_key(NAME, "gone")
    rest.revoke(NAME, revoked.name)
    made["revoked"] = revoked.key
    for role in ROLES:
        known(rest, made[role])
    known(rest, made["without a role"], 403)
    yield made
    rest.admin.fetch("DELETE", f"/api/v1/namespaces/{NAME}")


def served(rest: Rest) -> list[Operation]:
    """Return the operations of the table that the server has."""
    paths = {(method.upper(), path) for path, methods in rest.document()["paths"].items() for method in methods}

    def is_served(operation: Operation) -> bool:
        path = operation.path
        for type_ in TYPES.values():
            path = path.replace(f"trash/{type_}/{{id}}", "trash/{type}/{id}")
        return (operation.method, f"/api/v1/{path}") in paths

    return [operation for operation in read_operations() if is_served(operation)]


def request_of(operation: Operation) -> tuple[str, str, Any]:
    """Return a request for an object that is not there, so that only rights make a difference."""
    path = "/" + operation.path.replace("{id}", "none").replace("{name}", "none")
    if operation.right.verb == BYPASS_CI:
        return operation.method, path, {"skipCiCheck": True}
    if not path.startswith("/trash/"):
        return operation.method, path, None if operation.method == "GET" else {}
    body = {"entityType": TYPES[operation.right.resource], "entityId": "none"}
    return operation.method, path, body if operation.method == "POST" and path.count("/") == 2 else None


def test_each_role_may_do_what_the_table_says(rest: Rest, keys: Mapping[str, str]) -> None:
    wrong = []
    for operation in served(rest):
        if operation.path in {"trash", "trash/list"}:
            continue  # a list of the trash leaves out what the caller may not see
        for caller in (*ROLES, "without a role"):
            status = rest.ask(*request_of(operation)[:2], keys[caller], request_of(operation)[2]).status
            if (status == 403) == (caller in operation.roles) or status == 401:
                wrong.append((operation.method, operation.path, caller, status))
    assert wrong == []


def test_each_role_may_do_the_same_through_kube_apiserver(door: Rest, keys: Mapping[str, str]) -> None:
    assert keys
    folder = f"/apis/ops.codecourier.dev/v1/namespaces/{NAME}/api/v1"
    owners = {**{role: f"the-{role}" for role in ROLES}, "without a role": "nobody"}
    wrong = []
    for operation in served(door):
        if operation.path in {"trash", "trash/list", "events"}:
            continue  # the last has no end
        method, path, body = request_of(operation)
        for caller, owner in owners.items():
            status, _ = ask_through(door, f"codecourier:{NAME}:{owner}", method, folder + path, body)
            if (status == 403) == (caller in operation.roles) or status == 401:
                wrong.append((operation.method, operation.path, caller, status))
    assert wrong == []


def test_who_vouches_for_itself_may_nothing(door: Rest) -> None:
    forged = {"X-Remote-User": "admin", "X-Remote-Group": "system:masters", "Content-Type": "application/json"}
    server = LoopbackServer(door.port, door.cluster.layout.certificate("rest-api-ca"))
    for operation in served(door):
        method, path, body = request_of(operation)
        for folder in (f"/apis/ops.codecourier.dev/v1/namespaces/{NAME}/api/v1", "/api/v1"):
            sent = None if body is None else orjson.dumps(body)
            assert server.request(method, folder + path, sent, forged).status == 401, operation


def test_nothing_is_done_for_a_key_that_is_not_valid(rest: Rest, keys: Mapping[str, str]) -> None:
    for operation in served(rest):
        method, path, body = request_of(operation)
        for caller in ("expired", "revoked", "unknown", "none"):
            answer = rest.ask(method, path, {**keys, "unknown": "cc_live_wrong"}.get(caller), body)
            assert answer.status == 401, (operation, caller)


def test_a_key_reaches_its_own_project_only(rest: Rest, keys: Mapping[str, str]) -> None:
    stranger = keys["admin of another project"]
    for operation in served(rest):
        method, path, body = request_of(operation)
        assert rest.ask(method, path, stranger, body, X_CodeCourier_Project=NAME).status == 403, operation
