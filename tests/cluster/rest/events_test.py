"""The stream of changes on a real server: it tells what happens, and ends with the server."""

from __future__ import annotations

import orjson
import pytest
import requests

from codecourier.kinds.api_resources import LEARNINGS
from codecourier.local.cluster import LocalCluster
from tests.support.audit import read_stages
from tests.support.rest import PATH_OF_PROJECT, PROJECT, REPOSITORY, Rest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


@pytest.mark.both_doors
def test_a_change_is_told_while_the_answer_goes_on(rest: Rest, editor: str) -> None:
    assert rest.ask("GET", "/events", editor).status == 200
    with rest.open("GET", "/api/v1/events", editor) as answer:
        follow_change(rest, answer, "told")


@pytest.mark.passed_on
def test_events_are_a_watch_for_kube_apiserver(rest: Rest, editor: str) -> None:
    with rest.open("GET", "/events?watch=true", editor) as answer:
        follow_change(rest, answer, "watched")
    # It asks for the right to watch: what it knows as a watch may last.
    stranger = rest.bare_key(PROJECT, "stranger").key
    with rest.open("GET", "/events?watch=true", stranger) as answer:
        assert (answer.status_code, 'cannot watch resource "events"' in answer.json()["message"]) == (403, True)


def follow_change(rest: Rest, answer: requests.Response, name: str) -> None:
    """Make a Learning once a stream has begun, and wait until the stream shows it."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    lines = answer.iter_lines(chunk_size=1)
    while next(lines) != b"event: open":
        pass
    rest.create(LEARNINGS, PROJECT, name, {"text": "Run make.", "repositoryUrl": REPOSITORY})
    found = (orjson.loads(line.removeprefix(b"data: ")) for line in lines if line.startswith(b"data: "))
    change = next(data for data in found if data.get("id") == f"ln_{name}")
    assert (change["kind"], change["change"]) == ("learning", "created")


@pytest.mark.passed_on
def test_kube_apiserver_lets_a_log_last(rest: Rest, editor: str, cluster: LocalCluster) -> None:
    # It does not audit reads here; what may last follows from the path, whatever the method.
    paths = {"/api/v1/log/none": True, "/api/v1/runs/none/log": False}
    for path, may_last in paths.items():
        assert rest.open("POST", path, editor).status_code == 405
        stages = read_stages(cluster.layout.audit_log, PATH_OF_PROJECT.format(PROJECT) + path)
        assert stages == {"ResponseComplete"} | ({"ResponseStarted"} if may_last else set())
