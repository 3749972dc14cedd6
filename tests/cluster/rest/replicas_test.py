"""Several servers behind one address: what a client may rely on when its requests meet different ones."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import orjson
import pytest

from codecourier.kinds.api_resources import RECURRING_TASKS
from codecourier.kube.api import Json
from codecourier.local.cluster import LocalCluster
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, Rest, rest_server

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


def test_an_idempotency_key_counts_at_every_server(rest: Rest, second: Rest, editor: str) -> None:
    first = rest.ask("POST", "/recurring-tasks", editor, TASK, Idempotency_Key="everywhere")
    again = second.ask("POST", "/recurring-tasks", editor, TASK, Idempotency_Key="everywhere")
    assert (again.status, again.data["id"]) == (201, first.data["id"])
    other = second.ask("POST", "/recurring-tasks", editor, {**TASK, "title": "Else"}, Idempotency_Key="everywhere")
    assert (other.status, other.code) == (409, "conflict")


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
