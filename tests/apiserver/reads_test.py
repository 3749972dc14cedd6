"""Reads past the framework: answered exactly as the framework answers them, on both doors."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from starlette.middleware import Middleware

from codecourier.apiserver.reads import Reads
from codecourier.kinds.api_resources import RUNS
from tests.simulation.network import Network
from tests.support.asgi import NAMESPACE, Api, play_api, running

QUERIES = (
    "",
    "?limit=1",
    "?limit=0",
    "?limit=1&limit=2",
    "?limit=two&cursor=%00",
    "?status=running&workflowId=sc_build",
    "?status=",
    "?none=1&none=2&limit=",
    "?filter=unread&number=1&try=0&follow=perhaps",
    "?startDate=2026-02-01&endDate=2026-01-01",
    "?startDate=today&service=x&type=run",
    "?dryRun=All",
)
"""Valid and invalid ones; each is tried with every path."""

IDS = ("r_one", "one", "r_none", "sc_one", "ä", "a b")

_FRAMEWORK_ALONE = frozenset({"/api/v1/events"})
"""Its operation takes a header."""


def is_reads(middleware: Middleware) -> bool:
    """Return whether a middleware of the application is what this file tests."""
    made: object = middleware.cls
    return made is Reads


def reads_of(api: Api) -> Reads:
    """Return what answers reads of an API without the framework."""
    (found,) = [middleware for middleware in api.app.user_middleware if is_reads(middleware)]
    return Reads(api.app, **found.kwargs)


def without_reads(api: Api) -> Api:
    """Return another replica, which leaves everything to the framework."""
    other = api.replica("framework", Network(Random(3)))
    other.app.user_middleware = [one for one in other.app.user_middleware if not is_reads(one)]
    return other


def paths_of(api: Api) -> list[str]:
    """Return paths of reads, with ids that are there, are not, and are of another kind; and paths that are near."""
    found = sorted(reads_of(api).paths)
    asked = [path.replace("{id}", IDS[0]) + query for path in found for query in QUERIES]
    asked += [path.replace("{id}", one) for path in found for one in IDS[1:] if "{id}" in path]
    return [*asked, "/api/v1/runs/", "/api/v1/runs/r_one/", "/api/v1//runs", "/api/v1/none", "/runs"]


def shown(answer: tuple[int, Any, bytes]) -> tuple[int, dict[str, str], bytes]:
    """Return what a client sees."""
    status, headers, content = answer
    return status, dict(headers), content


def test_a_read_is_answered_as_the_framework_answers_it() -> None:
    async def scenario(api: Api) -> None:
        spec = {"workflowRef": {"name": "build"}, "prompt": "Do it."}
        api.server.store.create(RUNS, {"metadata": {"name": "one", "namespace": NAMESPACE}, "spec": spec})
        other = without_reads(api)
        with running(other):
            await api.settle()
            for path in paths_of(api):
                here, there = await asyncio.gather(*(one.raw("GET", path) for one in (api, other)))
                assert shown(here) == shown(there), path

    play_api(scenario)


def test_who_may_not_read_is_refused_as_the_framework_refuses() -> None:
    async def scenario(api: Api) -> None:
        other = without_reads(api)
        with running(other):
            await api.settle()
            plain = [path for path in paths_of(api) if "?" not in path]
            for path in plain:
                here, there = [await one.raw("GET", path, None, {"authorization": "x"}) for one in (api, other)]
                assert shown(here) == shown(there), path
            for one in (api, other):
                one.kube.denied = {("get", "runs"), ("list", "runs")}
            for path in plain:
                here, there = [await one.raw("GET", path) for one in (api, other)]
                assert shown(here) == shown(there), path

    play_api(scenario)


def test_every_operation_that_only_shows_something_is_read_past_the_framework() -> None:
    async def scenario(api: Api) -> None:
        shows = {path for path, methods in api.app.openapi()["paths"].items() if "get" in methods}
        assert shows - reads_of(api).paths == _FRAMEWORK_ALONE

    play_api(scenario)
