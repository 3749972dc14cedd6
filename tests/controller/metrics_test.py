"""What Prometheus is told, and that the documents know all of it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import generate_latest

from codecourier.controller.gauges import register_forge_gauges
from codecourier.controller.observers import PLAN_SECONDS, PlanReporter
from codecourier.github.client import GitHubForge
from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.kinds.registry import WorkKey
from codecourier.kube.access import load_access
from codecourier.kube.api import NAMESPACES
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import NotFound, Unanswered
from codecourier.metrics import Metrics
from tests.simulation.clock import pass_time, run_virtual
from tests.support.kubeconfig import kubeconfig
from tests.support.simulated import make_operator, make_server, until

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
REPOSITORY = {"url": "https://forge.test/example/shop", "credentialRef": {"name": "token"}, "isDefault": True}


def run_named(name: str) -> dict[str, object]:
    """Return a Run whose Workflow is missing."""
    spec = {"workflowRef": {"name": "missing"}, "prompt": "Fix it."}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def test_the_state_of_the_operator_is_read_when_prometheus_asks() -> None:
    metrics = Metrics()
    read = metrics.registry.get_sample_value

    async def main() -> None:
        server, stop = make_server(), asyncio.Event()
        server.store.create(NAMESPACES, {"metadata": {"name": "shop"}})
        project = {"metadata": {"name": "default", "namespace": "shop"}, "spec": {"repositories": [REPOSITORY]}}
        server.store.create(PROJECTS, project)
        for name in ("first", "second"):
            server.store.create(RUNS, run_named(name))
        operator = make_operator(server, metrics=metrics)
        assert read("codecourier_leading") == 0
        running = asyncio.create_task(operator.run(stop, drain_seconds=1))
        await until(server, lambda: operator.is_leading and not operator.unsynced)
        await until(server, lambda: server.store.get(RUNS, "shop", "second").obj["status"].get("conditions"))
        assert read("codecourier_leading") == 1
        assert read("codecourier_runs", {"phase": "Pending"}) == 2
        assert read("codecourier_cached_objects", {"kind": "Run"}) == 2
        assert (read("codecourier_reconciles_total", {"kind": "Run", "outcome": "done"}) or 0) >= 1
        server.store.delete(RUNS, "shop", "first")
        server.edit(RUNS, "shop", "second", lambda run: run["status"].update(phase="Completed"))
        await until(server, lambda: not read("codecourier_runs", {"phase": "Pending"}))
        assert read("codecourier_runs", {"phase": "Completed"}) == 1
        stop.set()
        await running

    run_virtual(main)


def test_a_queue_that_nobody_works_on_grows_old() -> None:
    metrics = Metrics()

    async def main() -> None:
        operator = make_operator(make_server(), metrics=metrics)  # on hold: it never began
        for name in ("first", "second"):
            operator.wake(RUNS, "shop", name)
        await pass_time(7)
        assert metrics.registry.get_sample_value("codecourier_queue_depth") == 2
        assert metrics.registry.get_sample_value("codecourier_queue_oldest_seconds") == pytest.approx(7)

    run_virtual(main)


@asynccontextmanager
async def serving(code: int) -> AsyncIterator[int]:
    """Serve one answer to everything on loopback; yield the port."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status"}, status=code)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_requests_to_the_api_server_are_counted_by_method_and_status(tmp_path: Path) -> None:
    metrics = Metrics()
    async with (
        serving(404) as port,
        AiohttpKube(load_access(kubeconfig(tmp_path, port)), note=metrics.note_api_request) as api,
    ):
        with pytest.raises(NotFound):
            await api.get(RUNS, "shop", "fix")
        with pytest.raises(NotFound):
            async for _ in api.watch(RUNS, resource_version="1", timeout_seconds=1):
                pass
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with AiohttpKube(load_access(kubeconfig(tmp_path, port)), note=metrics.note_api_request) as api:
        with pytest.raises(Unanswered):
            await api.delete(RUNS, "shop", "fix")
    read = metrics.registry.get_sample_value
    for method, code in (("GET", "404"), ("WATCH", "404"), ("DELETE", "none")):
        assert read("codecourier_api_requests_total", {"method": method, "code": code}) == 1
    assert read("codecourier_api_request_seconds_count", {"method": "GET"}) == 1
    assert read("codecourier_api_request_seconds_count", {"method": "WATCH"}) is None


def test_a_plan_that_takes_long_is_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    reporter = PlanReporter(metrics)
    with caplog.at_level("WARNING", "codecourier.controller"):
        reporter.planned(WorkKey(RUNS, "shop", "quick"), PLAN_SECONDS)
        assert caplog.messages == []
        reporter.planned(WorkKey(RUNS, "shop", "fix"), 0.25)
    assert caplog.messages == ["a plan took 250 ms, in which nothing else could be done"]
    assert metrics.registry.get_sample_value("codecourier_plan_seconds_count", {"kind": "Run"}) == 2
    assert metrics.registry.get_sample_value("codecourier_plan_seconds_sum", {"kind": "Run"}) == pytest.approx(0.35)


def test_hosts_that_people_make_up_do_not_fill_prometheus() -> None:
    metrics = Metrics()
    for number in range(200):
        metrics.note_forge_request(f"host-{number}", "GET", "200")
    hosts = set(re.findall(r'host="([^"]+)"', generate_latest(metrics.registry).decode()))
    assert len(hosts) == 65
    assert (
        metrics.registry.get_sample_value(
            "codecourier_forge_requests_total", {"host": "other", "method": "GET", "code": "200"}
        )
        == 200 - 64
    )


async def test_the_document_names_every_metric_and_no_other() -> None:
    metrics = Metrics()
    make_operator(make_server(), metrics=metrics)
    register_forge_gauges(metrics, GitHubForge(hosts=frozenset({"github.com"})))
    known = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in metrics.registry.collect()
    }
    document = DOCUMENT.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(codecourier_\w+)` \|", document, re.MULTILINE)) == known
