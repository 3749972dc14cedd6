"""What the API server shows Prometheus, and that the page about it has all of it."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from codecourier.apiserver.callers import RateLimit
from codecourier.apiserver.connections import Limits
from codecourier.apiserver.http_server import HttpServer
from codecourier.apiserver.metrics import ApiMetrics, Counted
from codecourier.apiserver.metrics_server import serve_metrics
from codecourier.apiserver.serve import register_process
from codecourier.kinds.api_resources import RUNS
from tests.support.asgi import exchange
from tests.support.rest_app import RestApp, play_rest

PAGE = Path(__file__).parents[2] / "docs" / "rest-api.md"
RUN = {"workflowRef": {"name": "build"}, "prompt": "Look."}


def test_requests_are_counted_by_operation_door_and_status() -> None:
    async def scenario(rest: RestApp) -> None:
        def count(operation: str, code: str, door: str = "direct") -> float:
            labels = {"operation": operation, "door": door, "code": code}
            return rest.metrics.registry.get_sample_value("codecourier_rest_requests_total", labels) or 0.0

        await rest.make(RUNS, "fix", RUN)
        for path in ("/runs", "/runs?limit=1", "/runs/r_fix", "/runs/r_none", "/none"):
            await rest.ask("GET", path)
        await rest.ask("POST", "/runs", {})
        await rest.ask_as_kubectl("/api/v1/runs")
        assert count("list_runs", "200") == 2
        assert (count("get_run", "200"), count("get_run", "404")) == (1, 1)
        assert (count("other", "404"), count("create_run", "400")) == (1, 1)
        assert count("list_runs", "200", "aggregated") == 1
        read = rest.metrics.registry.get_sample_value
        assert read("codecourier_rest_request_seconds_count", {"operation": "list_runs"}) == 3
        assert read("codecourier_rest_cached_objects", {"kind": "Run"}) == 1
        for kind, most in (("Run", 90), ("APIKey", 10)):
            age = read("codecourier_rest_cache_age_seconds", {"kind": kind})
            assert age is not None
            assert 0 <= age < most
        assert read("codecourier_rest_streams", {"stream": "events"}) == 0

    play_rest(scenario)


async def test_a_failure_of_the_server_counts_as_500_and_a_probe_not_at_all() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise KeyError("broken")

    metrics = ApiMetrics()
    counted = Counted(fail, metrics, lambda: 0.0)
    for path in ("/api/v1/runs", "/livez"):
        with pytest.raises(KeyError):
            await exchange(counted, "GET", path, {}, b"")
    (family,) = (found for found in metrics.registry.collect() if found.name == "codecourier_rest_requests")
    samples = [sample for sample in family.samples if sample.name.endswith("_total")]
    assert [(sample.labels["code"], sample.value) for sample in samples] == [("500", 1.0)]


def test_requests_beyond_the_rate_of_a_key_are_counted() -> None:
    metrics = ApiMetrics()
    rate = RateLimit(lambda: 0.0, metrics.rate_limited.inc)
    for _ in range(5):
        rate.take("uid", 2)
    assert metrics.registry.get_sample_value("codecourier_rest_rate_limited_total") == 3


async def test_they_are_served_on_a_port_of_their_own_until_the_end() -> None:
    metrics = ApiMetrics()
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(serve_metrics(listening, metrics.registry))
    for path, status, text in (
        ("/metrics", b"200", b"codecourier_rest_rate_limited_total 0.0"),
        ("/", b"404", b"/metrics"),
    ):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        assert answer.split(b" ", 2)[1] == status
        assert text in answer
        writer.close()
    serving.cancel()
    await asyncio.wait([serving])
    assert serving.cancelled()


def test_the_page_lists_every_metric() -> None:
    shown: set[str] = set()

    async def scenario(rest: RestApp) -> None:
        async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
            """Answer nothing."""

        register_process(rest.metrics, HttpServer(nothing, None, Limits(), 0))
        for family in rest.metrics.registry.collect():
            shown.add(f"{family.name}_total" if family.type == "counter" else family.name)

    play_rest(scenario)
    section = PAGE.read_text(encoding="utf-8").partition("\n## Metrics\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(codecourier_\w+)` \|", section, re.MULTILINE)
    assert set(rows) == {name for name in shown if not name.startswith("process_")}
