"""What every operation of the REST API answers alike, by the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from codecourier.kube.api import Json
from codecourier.local.cluster import LocalCluster
from codecourier.local.processes import wait_until
from codecourier.local.rest_api import is_rest_api_registered, register_rest_api
from tests.support.rest import CLOSED_PORT, PROJECT, Rest, known, unready_server

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]


def operations(document: Json) -> Iterator[tuple[str, str]]:
    """Yield method and path of each operation, for objects that are not there."""
    for template, methods in document["paths"].items():
        path = template.removeprefix("/api/v1").replace("{type}", "run").replace("{id}", "none")
        for method in methods:
            yield method.upper(), path.replace("{name}", "none")


def test_a_key_that_has_asked_too_often_waits_at_every_operation(rest: Rest) -> None:
    key = known(rest, rest.bare_key(PROJECT, "eager", rate=1).key, 429)
    answers = [rest.ask(method, path, key) for method, path in operations(rest.document())]
    assert {(answer.status, answer.code) for answer in answers} == {(429, "rate_limited")}
    assert min(int(answer.headers["Retry-After"]) for answer in answers) >= 1


def test_the_page_for_browsers_loads_nothing_else(rest: Rest) -> None:
    page = requests.get(f"{rest.address}/docs", timeout=20)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "<code>GET /api/v1/sprint-chains</code>" in page.text
    assert not re.findall(r"(?:src|href)=.?(?:https?:)?//", page.text)


def test_a_server_that_cannot_read_the_cluster_answers_nothing(
    rest: Rest, editor: str, cluster: LocalCluster, tmp_path: Path
) -> None:
    with unready_server(cluster, tmp_path) as unready:
        answers = [unready.ask(method, path, editor) for method, path in operations(rest.document())]
    assert {(answer.status, answer.code) for answer in answers} == {(503, "unavailable")}
    assert min(int(answer.headers["Retry-After"]) for answer in answers) >= 1


@pytest.mark.passed_on
def test_while_the_server_is_away_kube_apiserver_refuses_every_operation(rest: Rest, editor: str) -> None:
    assert rest.ask("GET", "/runs", editor).status == 200
    register_rest_api(rest.admin, rest.cluster.layout, CLOSED_PORT)
    try:
        assert wait_until(lambda: not is_rest_api_registered(rest.admin), timeout_seconds=60)
        answers = [rest.ask(method, path, editor) for method, path in operations(rest.document())]
        assert {(answer.status, answer.message.strip()) for answer in answers} == {(503, "service unavailable")}
    finally:
        register_rest_api(rest.admin, rest.cluster.layout, rest.port)
        assert wait_until(lambda: is_rest_api_registered(rest.admin), timeout_seconds=60)
