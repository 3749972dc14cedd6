"""The REST API on a real API server: the contract's own lines, who may, and what is refused."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codecourier.apiserver.doors import OPS_GROUP
from codecourier.core.shared.naming import ANNOTATION_STOP_NOW, FINALIZER
from codecourier.kinds.api_resources import RECURRING_TASKS, SPRINT_CHAINS
from codecourier.kube.api import Json
from codecourier.local.cluster import LocalCluster
from codecourier.local.processes import wait_until
from tests.support.rest import EDITOR, OTHER, PROJECT, REPOSITORY, VIEWER, Answer, Rest, known, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

DATA = Path(__file__).parents[2] / "data" / "rest"
TASK: Json = {
    "title": "Look around",
    "prompt": "Look.",
    "frequency": "daily",
    "targetWorkflowId": "wf_build",
    "timezone": "Europe/Berlin",
    "scheduledHour": 8,
    "scheduledMinute": 5,
}
CHAIN: Json = {"workflowId": "wf_build", "sprintRange": [1, 3], "prompt": "Go on.", "githubRepoUrl": REPOSITORY}


def spec_of(rest: Rest, id_: str) -> Json:
    """Return the spec of a task as the cluster has it."""
    found: Json = rest.admin.fetch("GET", RECURRING_TASKS.path(PROJECT, id_.removeprefix("rt_")))
    return dict(found["spec"])


@pytest.mark.both_doors
def test_the_lines_of_the_contract_about_recurring_tasks(rest: Rest, editor: str) -> None:
    task = rest.ask("POST", "/recurring-tasks", editor, TASK).data["id"]

    def run(line: str) -> Any:
        return rest.run_line(line, editor, {"rt_": task, "wf_": "wf_build"}).data

    listing, get, create, change, deactivate, activate, delete = read_lines(DATA / "recurring-tasks.sh")
    assert task in [found["id"] for found in run(listing)]
    assert run(get)["scheduledHour"] == 8
    made = run(create)
    assert (made["id"][:3], made["isActive"], made["nextRunAt"][10:]) == ("rt_", True, "T06:00:00Z")
    changed = run(change)
    assert (changed["frequency"], changed["scheduledHour"], changed["timezone"]) == ("biweekly", 9, "Europe/London")
    assert changed["title"] == TASK["title"]
    assert run(deactivate) == {"id": task, "isActive": False, "nextRunAt": None}
    assert run(activate)["isActive"] is True
    assert run(delete) == {"id": task, "isDeleted": True}
    assert rest.run_line(get, editor, {"rt_": task}).status == 404


@pytest.mark.both_doors
def test_the_lines_of_the_contract_about_sprint_chains(rest: Rest, editor: str) -> None:
    chain = rest.ask("POST", "/sprint-chains", editor, CHAIN).data["id"]

    def run(line: str) -> Any:
        return rest.run_line(line, editor, {"sc_": chain, "wf_": "wf_build"}).data

    listing, get, create, delete = read_lines(DATA / "sprint-chains.sh")
    assert chain in [found["id"] for found in run(listing)]
    assert (run(get)["sprintRange"], run(get)["status"]) == ([1, 3], "pending")
    made = run(create)
    assert (made["id"][:3], made["status"]) == ("sc_", "pending"), "no operator runs here"
    assert rest.ask("GET", f"/sprint-chains/{made['id']}", editor).data["branchName"] == "feature/validation-migration"
    assert run(delete) == {"id": chain, "status": "cancelled"}
    assert rest.run_line(get, editor, {"sc_": chain}).status == 404


@pytest.mark.both_doors
def test_a_chain_that_waits_for_its_sprint_is_deleted_once_and_stopped_on_request(rest: Rest, editor: str) -> None:
    id_ = rest.ask("POST", "/sprint-chains", editor, CHAIN).data["id"]
    path = SPRINT_CHAINS.path(PROJECT, id_.removeprefix("sc_"))

    def patch(body: Json, subresource: str = "") -> None:
        rest.admin.fetch("PATCH", path + subresource, orjson.dumps(body), "application/merge-patch+json")

    patch({"metadata": {"finalizers": [FINALIZER]}})
    patch({"status": {"phase": "Running"}}, "/status")
    for query, stopped in (("", None), ("", None), ("?force=true", "true"), ("?force=true", "true")):
        answer = rest.ask("DELETE", f"/sprint-chains/{id_}{query}", editor)
        assert answer.data["id"] == id_
        found = rest.admin.fetch("GET", path)["metadata"]
        assert found["annotations"].get(ANNOTATION_STOP_NOW) == stopped
        shown = rest.ask("GET", f"/sprint-chains/{id_}", editor).data
        assert shown["deletionRequestedAt"] == found["deletionTimestamp"]
    assert answer.data["status"] == "running"
    patch({"metadata": {"finalizers": None}})
    assert wait_until(lambda: rest.ask("DELETE", f"/sprint-chains/{id_}", editor).status == 404, timeout_seconds=10)


@pytest.mark.both_doors
@pytest.mark.parametrize("url", [REPOSITORY, f"{REPOSITORY}.git", f"{REPOSITORY}/", "https://GitHub.com/Org/REPO"])
def test_a_repository_of_the_project_is_known_in_every_spelling(rest: Rest, editor: str, url: str) -> None:
    body = {**CHAIN, "githubRepoUrl": url}
    made, again = (rest.ask("POST", "/sprint-chains", editor, body, Idempotency_Key=url).data for _ in range(2))
    assert made == again
    other = rest.ask("POST", "/sprint-chains", editor, {**body, "prompt": "Else."}, Idempotency_Key=url)
    assert (other.status, other.code) == (409, "conflict")
    assert rest.ask("GET", f"/sprint-chains/{made['id']}", editor).data["githubRepoUrl"] == REPOSITORY


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {**CHAIN, "githubRepoUrl": "https://github.com/org/other", "workflowId": "none"},
            {"githubRepoUrl", "workflowId"},
        ),
        ({**CHAIN, "branchName": "a..b"}, {"branchName"}),
        ({**CHAIN, "sprintRange": [3, 1], "prompt": ""}, {"sprintRange", "prompt"}),
    ],
)
def test_what_is_wrong_with_a_chain_is_named_by_its_field(
    rest: Rest, editor: str, body: Json, fields: set[str]
) -> None:
    answer = rest.ask("POST", "/sprint-chains", editor, body)
    assert (answer.status, set(answer.fields)) == (400, fields), answer


@pytest.mark.both_doors
def test_who_may_have_chains(rest: Rest, editor: str) -> None:
    viewer = known(rest, rest.key(PROJECT, "chain-viewer", VIEWER).key)
    chain = rest.ask("POST", "/sprint-chains", editor, CHAIN).data["id"]
    operations = [("GET", ""), ("GET", f"/{chain}"), ("POST", ""), ("DELETE", f"/{chain}")]

    def row(key: str | None) -> list[int]:
        return [rest.ask(method, f"/sprint-chains{path}", key, CHAIN).status for method, path in operations]

    assert row(None) == [401] * 4
    assert row(viewer) == [200, 200, 403, 403]
    assert row(editor) == [200, 200, 201, 200]


def test_a_task_is_read_as_it_was_written(rest: Rest, editor: str) -> None:
    made = rest.ask("POST", "/recurring-tasks", editor, {**TASK, "description": "Why."}).data
    task = rest.ask("GET", f"/recurring-tasks/{made['id']}", editor).data
    assert {name: task[name] for name in TASK} == TASK
    assert (task["description"], task["isActive"], task["nextRunAt"]) == ("Why.", True, made["nextRunAt"])
    assert (task["lastRunAt"], task["lastRunId"], task["missedSlots"], task["pausedReason"]) == (None, None, 0, None)
    # What was read is accepted as it is, and changes nothing.
    before = spec_of(rest, made["id"])
    assert rest.ask("PUT", f"/recurring-tasks/{made['id']}", editor, task).data == task
    assert spec_of(rest, made["id"]) == before
    # Its id is accepted without the prefix.
    assert rest.ask("GET", f"/recurring-tasks/{made['id'][3:]}", editor).data == task


@pytest.mark.both_doors
def test_the_same_idempotency_key_makes_one_task(rest: Rest, editor: str) -> None:
    first = rest.ask("POST", "/recurring-tasks", editor, TASK, Idempotency_Key="once")
    again = rest.ask("POST", "/recurring-tasks", editor, TASK, Idempotency_Key="once")
    assert (again.status, again.data["id"]) == (201, first.data["id"])
    other = rest.ask("POST", "/recurring-tasks", editor, {**TASK, "title": "Else"}, Idempotency_Key="once")
    assert (other.status, other.code) == (409, "conflict")
    assert rest.ask("POST", "/recurring-tasks", editor, TASK, Idempotency_Key="a b").fields.keys() == {
        "Idempotency-Key"
    }


def test_pages_hold_each_task_once(rest: Rest, editor: str) -> None:
    for _ in range(3):
        rest.ask("POST", "/recurring-tasks", editor, TASK)
    everything = [task["id"] for task in rest.ask("GET", "/recurring-tasks", editor).data]
    paged: list[str] = []
    path = "/recurring-tasks?limit=2"
    while True:
        answer = rest.ask("GET", path, editor)
        paged += [task["id"] for task in answer.data]
        if (cursor := answer.body["nextCursor"]) is None:
            break
        path = f"/recurring-tasks?limit=2&cursor={cursor}"
    assert paged == everything
    assert len(everything) > 2


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"title", "prompt", "frequency", "targetWorkflowId", "timezone", "scheduledHour", "scheduledMinute"}),
        ({**TASK, "scheduledHour": 24, "scheduledMinute": "5"}, {"scheduledHour", "scheduledMinute"}),
        ({**TASK, "frequency": "hourly", "timezone": "Mars/Base"}, {"frequency", "timezone"}),
        ({**TASK, "targetWorkflowId": "rt_build"}, {"targetWorkflowId"}),
        ({**TASK, "targetWorkflowId": "wf_none"}, {"targetWorkflowId"}),
        ({**TASK, "title": None}, {"title"}),
        ({**TASK, "prompt": "x" * 65_537}, {"prompt"}),
        ({**TASK, "prompt": "\x00"}, {"prompt"}),
        ({**TASK, "cron": "* * * * *", "time_zone": "UTC"}, {"cron", "time_zone"}),
        (b'{"title": ', {""}),
        (b"[" * 5000, None),
        (b"[]", {""}),
        (b'{"title": "\\ud800"}', None),
        (b"\xff", None),
    ],
)
def test_all_problems_of_a_body_are_named_at_once(rest: Rest, editor: str, body: Any, fields: set[str] | None) -> None:
    answer = rest.ask("POST", "/recurring-tasks", editor, body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    if fields is not None:
        assert answer.fields.keys() == fields
    assert all(message.endswith(".") for message in answer.fields.values())


TEXT = st.text(max_size=30) | st.sampled_from(["\x00", "\n", "a..b", "a" * 300, "-x", "\ufffe", "x.lock"])
NEAR_MISSES = {
    "title": TEXT,
    "description": TEXT,
    "timezone": st.sampled_from(["Factory", "posixrules", "GMT+0", "Etc/GMT-14", "localtime", "EST5EDT", "utc"]),
    "scheduledHour": st.integers(-1, 24),
    "targetWorkflowId": TEXT,
    "branchName": TEXT,
    "githubRepoUrl": TEXT,
    "sprintRange": st.lists(st.integers(-1, 1_000_001), min_size=2, max_size=2),
    "resumeFromSprint": st.integers(-1, 100),
    "workflowId": TEXT,
}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_what_the_cluster_refuses_is_named_by_its_field(rest: Rest, editor: str, data: st.DataObject) -> None:
    path, valid = data.draw(st.sampled_from([("/recurring-tasks", TASK), ("/sprint-chains", CHAIN)]))
    names = sorted(NEAR_MISSES.keys() & ({*valid} | {"branchName", "resumeFromSprint", "description"}))
    name = data.draw(st.sampled_from(names))
    key = str(data.draw(TEXT)).encode().hex()[:40] or "0"
    answer = rest.ask("POST", path, editor, {**valid, name: data.draw(NEAR_MISSES[name])}, Idempotency_Key=key)
    assert answer.status in {201, 400, 409}, answer
    if answer.status == 400:
        assert {field.partition(".")[0] for field in answer.fields} == {name}, answer


def test_what_is_no_such_thing_is_refused(rest: Rest, editor: str) -> None:
    def ask(method: str, path: str, **headers: str) -> tuple[int, str]:
        answer = rest.ask(method, path, editor, **headers)
        return answer.status, answer.code

    assert ask("GET", "/recurring-tasks/rt_none") == (404, "not_found")
    assert ask("GET", "/recurring-tasks/sc_none") == (400, "invalid_request")
    assert ask("GET", "/recurring-tasks/rt_a%2Fb") == (404, "not_found")
    assert ask("GET", "/recurring-tasks/rt_%00") == (404, "not_found")
    assert ask("DELETE", "/recurring-tasks/rt_none") == (404, "not_found")
    assert ask("PATCH", "/recurring-tasks/rt_none") == (405, "method_not_allowed")
    assert ask("GET", "/recurring-tasks/") == (404, "not_found")
    assert ask("GET", "/nothing") == (404, "not_found")
    assert ask("GET", "/recurring-tasks?limit=0") == (400, "invalid_request")
    assert ask("GET", "/recurring-tasks?state=active") == (400, "invalid_request")
    assert ask("GET", "/recurring-tasks?cursor=x") == (400, "invalid_request")


@pytest.mark.both_doors
def test_bodies_have_limits(rest: Rest, editor: str) -> None:
    large = rest.ask("POST", "/recurring-tasks", editor, b'"' + b"x" * 2**20 + b'"')
    assert (large.status, large.code) == (413, "too_large")
    fits = rest.ask("POST", "/recurring-tasks", editor, b'"' + b"x" * (2**20 - 2) + b'"')
    assert fits.status == 400
    form = rest.ask("POST", "/recurring-tasks", editor, b"title=x", Content_Type="application/x-www-form-urlencoded")
    assert (form.status, form.code) == (415, "unsupported_media_type")


def test_a_body_without_a_length_has_the_same_limit(rest: Rest, editor: str) -> None:
    head = f"POST /api/v1/recurring-tasks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {editor}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", rest.port), timeout=20) as connection:
        connection.sendall(head.encode())
        for _ in range(16):
            connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        # Not one byte more: a connection that is closed with bytes unread is reset, and the answer may be lost.
        connection.sendall(b"1\r\n \r\n")
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.both_doors
def test_who_may(rest: Rest, editor: str) -> None:
    viewer = known(rest, rest.key(PROJECT, "viewer", VIEWER).key)
    stranger = known(rest, rest.key(OTHER, "editor", EDITOR).key)
    nobody = known(rest, rest.bare_key(PROJECT, "nobody").key, 403)
    task = rest.ask("POST", "/recurring-tasks", editor, TASK).data["id"]
    one = f"/recurring-tasks/{task}"
    operations: list[tuple[str, str, Any]] = [
        ("GET", "/recurring-tasks", None),
        ("GET", one, None),
        ("POST", "/recurring-tasks", TASK),
        ("PUT", one, {"scheduledHour": 9}),
        ("PUT", f"{one}/toggle", {"isActive": False}),
        ("DELETE", one, None),
    ]

    def row(key: str | None) -> list[int]:
        return [rest.ask(method, path, key, body).status for method, path, body in operations]

    assert row(nobody) == [403] * 6
    assert row(viewer) == [200, 200, 403, 403, 403, 403]
    assert row(None) == row("cc_live_wrong") == row("Basic") == [401] * 6
    assert row(stranger) == [200, 404, 201, 404, 404, 404]
    # No right of the caller, so not even the body is looked at.
    assert rest.ask("POST", "/recurring-tasks", viewer, b"{").status == 403
    assert row(editor) == [200, 200, 201, 200, 200, 200]
    refused = rest.ask("GET", "/recurring-tasks", editor, X_CodeCourier_Project=OTHER)
    assert (refused.status, refused.code) == (403, "forbidden")


@pytest.mark.both_doors
def test_every_operation_refuses_alike(rest: Rest, editor: str) -> None:
    """Whatever the OpenAPI document lists: the first of these reasons that holds is the answer."""
    nobody = known(rest, rest.bare_key(PROJECT, "no-one").key, 403)
    document = rest.document()
    assert len(document["paths"]) >= 5
    for template, methods in document["paths"].items():
        for method, operation in methods.items():
            prefix = operation["x-codecourier-id-prefix"]
            path = template.removeprefix("/api/v1").replace("{type}", "run")
            is_of_a_type = operation["x-kubernetes-right"]["resource"] == "*" and "requestBody" in operation
            subject = {"entityType": "run", "entityId": "r_none"} if is_of_a_type else None
            absent = path.replace("{id}", f"{prefix}none").replace("{name}", "none")

            def code(
                key: str | None, path: str = absent, body: Any = None, method: str = method, **headers: str
            ) -> str:
                answer = rest.ask(method, path, key, body, **headers)
                assert answer.body.keys() in ({"error"}, {"data"}, {"data", "nextCursor"}), answer
                return answer.code if "error" in answer.body else "ok"

            assert code(None) == "unauthorized"
            assert code(nobody, body=subject) == "forbidden"
            assert code(editor, X_CodeCourier_Project=OTHER) == "forbidden"
            if operation["x-kubernetes-right"]["group"] == OPS_GROUP:
                continue  # the rest follows from what the repository's host says
            assert code(editor, f"{absent}?surprise=1") == "invalid_request"
            if "{id}" in path:
                assert code(editor, path.replace("{id}", "xx_none")) == "invalid_request"
            if "text/event-stream" in str(operation["responses"]):
                continue  # its answer has no end
            if "requestBody" not in operation:
                assert code(editor) == ("not_found" if "{id}" in path else "ok")
                continue
            assert code(editor, body=b"x", Content_Type="text/plain") == "unsupported_media_type"
            assert code(editor, body=b" " * (2**20 + 1)) == "too_large"
            assert code(editor, body={"surprise": 1}) == "invalid_request"
            is_needed = operation["requestBody"].get("required", False)
            assert code(editor, body=b"") == ("invalid_request" if is_needed else "not_found")


def test_an_expired_and_a_revoked_key_are_refused(rest: Rest, editor: str) -> None:
    expired = rest.bare_key(PROJECT, "late", datetime.now(UTC) - timedelta(seconds=1))
    revoked = rest.bare_key(PROJECT, "gone")
    known(rest, revoked.key, 403)
    rest.revoke(PROJECT, revoked.name)
    known(rest, revoked.key, 401)
    answers = [rest.ask("GET", "/recurring-tasks", key) for key in (expired.key, revoked.key, editor[:-1], "", None)]
    assert {answer.status for answer in answers} == {401}
    assert len({str(answer.body) for answer in answers}) == 1, "the answer says what was wrong with the key"


def test_a_key_is_made_listed_and_revoked_by_the_command(rest: Rest, cluster: LocalCluster) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "codecourier.cli", "apikey", *arguments, "--namespace", PROJECT]
        command += ["--kubeconfig", str(cluster.kubeconfig_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    made = run("create", "someone", "--days", "1")
    key = made.stdout.strip()
    known(rest, key, 403)
    assert key not in made.stderr
    listed = run("list").stdout
    assert key not in listed
    (name,) = (line.split()[0] for line in listed.splitlines() if line.split()[1] == "someone")
    assert run("revoke", name).returncode == 0
    known(rest, key, 401)
    again = run("revoke", name)
    assert (again.returncode, again.stderr[:7]) == (1, "error: ")
    wrong = run("create", "system:admin")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: owner: ")


def test_a_key_may_ask_so_often_and_no_more(rest: Rest) -> None:
    key = known(rest, rest.bare_key(PROJECT, "eager", rate=3).key, 403)
    answers: list[Answer] = [rest.ask("GET", "/recurring-tasks", key) for _ in range(4)]
    assert answers[-1].status == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1


@pytest.mark.both_doors
def test_writes_of_two_clients_both_count(rest: Rest, editor: str) -> None:
    task = rest.ask("POST", "/recurring-tasks", editor, TASK).data["id"]
    path = RECURRING_TASKS.path(PROJECT, task.removeprefix("rt_"))
    for hour in range(3):
        rest.admin.fetch("PATCH", path, b'{"spec":{"jitterSeconds":%d}}' % (hour + 1), "application/merge-patch+json")
        assert rest.ask("PUT", f"/recurring-tasks/{task}", editor, {"scheduledHour": hour}).status == 200
        spec = spec_of(rest, task)
        assert (spec["jitterSeconds"], spec["hour"]) == (hour + 1, hour)
