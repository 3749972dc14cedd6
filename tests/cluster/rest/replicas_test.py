"""Several servers behind one address: what a client may rely on when its requests meet different ones."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from codecourier.kinds.api_resources import NOTIFICATIONS, RECURRING_TASKS
from codecourier.kube.api import Json
from codecourier.local.cluster import LocalCluster
from codecourier.local.processes import wait_until
from tests.support.rest import OTHER, PROJECT, REPOSITORY, VIEWER, Rest, known, rest_server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

TASK: Json = {
    "title": "Look around",
    "prompt": "Look.",
    "frequency": "daily",
    "targetWorkflowId": "wf_build",
    "timezone": "UTC",
    "scheduledHour": 8,
    "scheduledMinute": 5,
}
MERGE: Json = {"pullRequests": [{"prUrl": f"{REPOSITORY}/pull/1"}], "config": {"workflowId": "wf_build"}}


@pytest.fixture
def second(rest: Rest, cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """Run another server beside that of the other tests."""
    assert rest.process.poll() is None
    with rest_server(cluster, tmp_path_factory.mktemp("second")) as running:
        yield running


def test_what_one_server_writes_the_other_shows_within_moments(rest: Rest, second: Rest, editor: str) -> None:
    made = rest.ask("POST", "/recurring-tasks", editor, TASK).data["id"]
    # The one that wrote it shows it at once.
    assert rest.ask("GET", f"/recurring-tasks/{made}", editor).status == 200
    assert wait_until(lambda: second.ask("GET", f"/recurring-tasks/{made}", editor).status == 200, timeout_seconds=10)
    # A write goes by what the cluster has, not by what this server has heard of.
    assert rest.ask("PUT", f"/recurring-tasks/{made}", editor, {"scheduledHour": 9}).status == 200
    assert second.ask("PUT", f"/recurring-tasks/{made}", editor, {"scheduledMinute": 6}).status == 200
    found = rest.admin.fetch("GET", RECURRING_TASKS.path(PROJECT, made.removeprefix("rt_")))["spec"]
    assert (found["hour"], found["minute"]) == (9, 6)


def test_what_is_read_at_either_server_is_read(rest: Rest, second: Rest) -> None:
    key = known(rest, rest.key(OTHER, "reader", VIEWER).key)
    entity = {"kind": "Run", "name": "fix", "uid": "uid"}
    spec: Json = {"type": "RunFailed", "title": "t", "message": "m", "entity": entity}
    names = [f"seen-{number:02}" for number in range(20)]
    for name in names:
        rest.create(NOTIFICATIONS, OTHER, name, {**spec, "eventTime": f"2026-03-01T12:00:{name[-2:]}.5Z"})
    assert wait_until(lambda: {unread(rest, key), unread(second, key)} == {len(names)}, timeout_seconds=10)

    def read(name: str, server: Rest) -> bool:
        return bool(server.ask("PUT", f"/notifications/notif_{name}/read", key).data["isRead"])

    # Each of them writes the same Inbox at the same time.
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, names, [rest, second] * 10))
    assert wait_until(lambda: {unread(rest, key), unread(second, key)} == {0}, timeout_seconds=10)


def unread(server: Rest, key: str) -> int:
    """Return how many notifications a server counts as unread."""
    return int(server.ask("GET", "/notifications/unread-count", key).data["count"])


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("/recurring-tasks", TASK, {**TASK, "title": "Else"}),
        ("/merging/start", MERGE, {**MERGE, "baseBranch": "else"}),
    ],
    ids=["task", "merge"],
)
def test_an_idempotency_key_counts_at_every_server(
    rest: Rest, second: Rest, editor: str, path: str, body: Json, other: Json
) -> None:
    first = rest.ask("POST", path, editor, body, Idempotency_Key="everywhere")
    again = second.ask("POST", path, editor, body, Idempotency_Key="everywhere")
    assert (again.status, again.data["id"]) == (201, first.data["id"])
    refused = second.ask("POST", path, editor, other, Idempotency_Key="everywhere")
    assert (refused.status, refused.code) == (409, "conflict")


def test_a_server_that_is_killed_while_it_creates_makes_nothing_twice(rest: Rest, second: Rest, editor: str) -> None:
    before = len(rest.ask("GET", "/recurring-tasks", editor).data)
    connections = []
    for number in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", second.port, timeout=20)
        headers = {"Authorization": f"Bearer {editor}", "Content-Type": "application/json"}
        connection.request(
            "POST", "/api/v1/recurring-tasks", orjson.dumps(TASK), {**headers, "Idempotency-Key": f"killed-{number}"}
        )
        connections.append(connection)
    # Some of them were answered, some are under way and some have not begun.
    assert connections[4].getresponse().status == 201
    second.process.kill()
    second.process.wait()
    for connection in connections:
        connection.close()
    for number in range(20):
        made = {
            rest.ask("POST", "/recurring-tasks", editor, TASK, Idempotency_Key=f"killed-{number}").data["id"]
            for _ in range(2)
        }
        assert len(made) == 1
    assert len(rest.ask("GET", "/recurring-tasks", editor).data) == before + 20
