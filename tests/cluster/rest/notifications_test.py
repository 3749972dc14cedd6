"""Notifications over the REST API on a real API server: the contract's own lines, and writes that meet another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from codecourier.core.shared.inbox import inbox_name
from codecourier.kinds.api_resources import INBOXES, NOTIFICATIONS
from codecourier.kube.api import Json
from codecourier.local.processes import wait_until
from tests.support.rest import PROJECT, VIEWER, Rest, known, read_lines

pytestmark = [pytest.mark.cluster, pytest.mark.both_doors, pytest.mark.timeout(120)]

LINES = Path(__file__).parents[2] / "data" / "rest" / "notifications.sh"


@pytest.fixture(scope="module")
def reader(rest: Rest) -> str:
    """Return the key of a viewer, once three Notifications are there for it."""
    key = known(rest, rest.key(PROJECT, "reader", VIEWER).key)
    for number in range(3):
        entity = {"kind": "Run", "name": "fix", "uid": "uid"}
        spec: Json = {"type": "RunFailed", "title": "t", "message": "m", "entity": entity}
        rest.create(NOTIFICATIONS, PROJECT, f"news-{number}", {**spec, "eventTime": f"2026-03-01T12:00:0{number}.5Z"})
    assert wait_until(lambda: rest.ask("GET", "/notifications/unread-count", key).data["count"] == 3, timeout_seconds=9)
    return key


def test_the_lines_of_the_contract_about_notifications(rest: Rest, reader: str) -> None:
    def run(line: str) -> Any:
        return rest.run_line(line, reader, {"notif_": "notif_news-1"}).data

    listing, count, some, read, read_all, dismiss = read_lines(LINES)
    assert [found["id"] for found in run(listing)] == ["notif_news-2", "notif_news-1", "notif_news-0"]
    assert run(count) == {"count": 3}
    assert run(read) == {"id": "notif_news-1", "isRead": True}
    assert [found["id"] for found in run(some)] == ["notif_news-2", "notif_news-0"]
    assert run(read_all) == {"count": 2}
    assert run(dismiss) == {"id": "notif_news-1", "isDismissed": True}
    assert (run(some), run(count)) == ([], {"count": 0})
    everything = rest.ask("GET", "/notifications/list", reader).data
    assert [(found["id"], found["isRead"]) for found in everything] == [("notif_news-2", True), ("notif_news-0", True)]


def test_the_older_paths_and_an_inbox_that_others_change(rest: Rest, reader: str) -> None:
    def patch(body: Json) -> None:
        path = INBOXES.path(PROJECT, inbox_name(f"codecourier:{PROJECT}:reader"))
        rest.admin.fetch("PATCH", path, orjson.dumps(body), "application/merge-patch+json")

    assert rest.ask("POST", "/notifications/mark-all-read", reader).status == 200
    for number in range(3):
        rest.create(
            NOTIFICATIONS,
            PROJECT,
            f"late-{number}",
            rest.admin.fetch("GET", f"{NOTIFICATIONS.path(PROJECT)}/news-0")["spec"],
        )
        body = {"notificationId": f"notif_late-{number}"}
        assert wait_until(
            lambda: rest.ask("GET", "/notifications/unread-count", reader).data["count"] == 1, timeout_seconds=9
        )
        # The write meets a version that the server has most likely not seen yet.
        patch({"metadata": {"labels": {"number": str(number)}}})
        assert rest.ask("POST", "/notifications/mark-read", reader, body).data["isRead"] is True
    assert rest.ask("POST", "/notifications/dismiss", reader, body).data["isDismissed"] is True


def test_a_full_inbox_refuses_one_more(rest: Rest) -> None:
    key = known(rest, rest.key(PROJECT, "collector", VIEWER).key)
    entity = {"kind": "Run", "name": "fix", "uid": "uid"}
    spec: Json = {
        "type": "RunFailed",
        "title": "t",
        "message": "m",
        "entity": entity,
        "eventTime": "2026-03-01T12:00:00Z",
    }
    rest.create(NOTIFICATIONS, PROJECT, "too-much", spec)
    assert wait_until(lambda: rest.ask("PUT", "/notifications/too-much/read", key).status != 404, timeout_seconds=9)
    entries = [{"name": f"n{number}", "creationTime": "2036-01-01T00:00:00Z"} for number in range(1000)]
    full = {"exceptions": entries}
    user = f"codecourier:{PROJECT}:collector"
    path = INBOXES.path(PROJECT, inbox_name(user))
    body = orjson.dumps({"spec": {"read": full, "dismissed": full}})
    rest.admin.fetch("PATCH", path, body, "application/merge-patch+json")
    one, chosen = "/notifications/too-much", {"notificationId": "too-much"}
    asked: list[tuple[str, str, Any]] = [
        ("PUT", f"{one}/read", None),
        ("DELETE", one, None),
        ("POST", "/notifications/mark-read", chosen),
        ("POST", "/notifications/dismiss", chosen),
    ]
    assert wait_until(lambda: rest.ask("PUT", f"{one}/read", key).status == 409, timeout_seconds=9)
    assert {rest.ask(method, path, key, body).status for method, path, body in asked} == {409}
    for path in ("/mark-read", "/dismiss"):
        assert rest.ask("POST", f"/notifications{path}", key, {"notificationId": "none"}).status == 404
