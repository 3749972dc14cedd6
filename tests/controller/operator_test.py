"""What wakes an operator's keys."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from math import inf
from random import Random

import pytest
from kubernetes.client import Configuration

from codecourier.controller.operator import Operator, OperatorParts, _least_delay
from codecourier.core.shared.pod_settings import PodSettings
from codecourier.github.client import GitHubForge
from codecourier.kinds.api_resources import RUNS, WORKFLOWS
from codecourier.kube.access import Access
from codecourier.kube.api import Json, Resource
from codecourier.kube.client import AiohttpKube
from codecourier.kube.errors import ServerError
from codecourier.metrics import Metrics


class Listening(Operator):
    """An operator that is never run and says which keys it was asked to look at."""

    woken: tuple[str, ...] = ()

    def wake(self, resource: Resource, namespace: str, name: str, *, is_late: bool = False) -> None:
        """Take note."""
        self.woken = (*self.woken, f"{resource.plural} {namespace}/{name}")


@pytest.fixture
async def operator() -> AsyncIterator[Listening]:
    """Return an operator that knows of version 100 of one Run."""
    async with GitHubForge(hosts=frozenset({"github.com"})) as forge:
        parts = OperatorParts(
            api=AiohttpKube(Access(Configuration())),
            forge=forge,
            now=lambda: datetime.now(UTC),
            random=Random(1),
            pods=PodSettings("courier:1"),
            namespace="system",
            identity="operator",
            forge_hosts=frozenset({"github.com"}),
        )
        operator = Listening(parts, Metrics())
        operator.store.cache(RUNS).apply(run("100"))
        operator.woken = ()
        yield operator


def run(version: str) -> Json:
    """Return a Run as the API server gives it."""
    metadata = {"namespace": "shop", "name": "one", "uid": "a", "resourceVersion": version}
    return {"metadata": metadata, "spec": {"prompt": "x"}}


@pytest.mark.parametrize(
    ("name", "uid", "version", "is_news"),
    [
        ("one", "a", "101", True),
        ("one", "b", "99", True),
        ("two", "c", "50", True),
        ("one", "a", "100", False),
        ("one", "a", "99", False),
    ],
    ids=["newer", "made again", "unknown", "the same", "older"],
)
async def test_only_what_the_caches_do_not_know_is_news(
    operator: Listening, *, name: str, uid: str, version: str, is_news: bool
) -> None:
    operator.heard(RUNS, "shop", name, uid, version)
    assert operator.woken == ((f"runs shop/{name}",) if is_news else ())


@pytest.mark.parametrize(("asked", "seconds"), [(7.0, 7.0), (86_400.0, 60.0), (inf, 60.0), (None, 0.0)])
def test_the_api_server_delays_a_key_by_a_minute_at_most(asked: float | None, seconds: float) -> None:
    assert _least_delay(ServerError(503, "", "down for maintenance", retry_after=asked)) == seconds


async def test_a_change_in_a_cache_wakes_its_key(operator: Listening) -> None:
    operator.store.cache(RUNS).apply(run("101"))
    assert operator.woken == ("runs shop/one",)


async def test_a_change_that_wakes_thousands_wakes_some_in_each_turn_of_the_loop(operator: Listening) -> None:
    for number in range(1700):
        body = {**run(str(number)), "spec": {"prompt": "x", "workflowRef": {"name": "scripted"}}}
        body["metadata"] |= {"name": f"fix-{number}", "uid": f"u{number}", "resourceVersion": str(200 + number)}
        operator.store.cache(RUNS).apply(body)
    operator.woken = ()
    metadata = {"namespace": "shop", "name": "scripted", "uid": "w", "resourceVersion": "5000"}
    operator.store.cache(WORKFLOWS).apply({"metadata": metadata})
    counts = [len(operator.woken)]
    while counts[-1] < 1700 and len(counts) < 10:
        await asyncio.sleep(0)
        counts.append(len(operator.woken))
    steps = [after - before for before, after in pairwise([0, *counts])]
    assert max(steps) <= 500
    assert {f"runs shop/fix-{number}" for number in range(1700)} <= set(operator.woken)
