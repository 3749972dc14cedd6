"""What reading through the REST API costs, beside kube-apiserver's own answers for the same objects in the same run."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

import aiohttp

from bench.arena import Arena
from bench.processes import usage_of
from bench.project import build_run, create_all, create_project
from bench.report import CaseResult, Figure, Target, ratio
from codecourier.kinds.api_resources import RUNS, USAGE_RECORDS
from codecourier.kube.access import load_access
from codecourier.kube.api import Json
from codecourier.local.components import API_SERVER
from codecourier.local.state import StateStore
from codecourier.resources.meta import API_VERSION
from tests.support.rest import VIEWER, Rest, rest_server

__all__ = ["measure_rest"]

_NAMESPACE = "bench-rest"
_PAGE = 50
_ROUNDS = 7
_READS = 100
"""How often what takes milliseconds is read in each round."""

_CLIENTS = 200
_LOAD_SECONDS = 20
_ANSWER_SECONDS = 120
_KEY_RATE = 100_000
_MIB = 1024 * 1024


@dataclass(frozen=True)
class _Server:
    """A server that is read from, over connections that stay open."""

    session: aiohttp.ClientSession
    pid: int

    async def cost(self, path: str, times: int) -> _Cost:
        """Read so many times; return the cost of one."""
        used, began = usage_of(self.pid).cpu_seconds, time.perf_counter()
        for _ in range(times):
            await _read(self.session, path)
        wait = (time.perf_counter() - began) / times
        return _Cost(wait, (usage_of(self.pid).cpu_seconds - used) / times)


@dataclass(frozen=True)
class _Cost:
    """What one read costs on average: seconds until it is answered, and processor seconds of the server."""

    wait: float
    cpu: float


@dataclass(frozen=True)
class _Round:
    """The same read of kube-apiserver and of the REST API, one after the other."""

    cluster: _Cost
    rest: _Cost


@dataclass(frozen=True)
class _Costs:
    """The same read in several rounds."""

    rounds: Sequence[_Round]

    def median(self, of: Callable[[_Round], float]) -> float:
        """Return the median of all rounds, in milliseconds."""
        return statistics.median(map(of, self.rounds)) * 1000

    def figure(self, name: str, bound: float) -> Figure:
        """Return the figure of this read; the baseline names the least and the greatest ratio of a round."""
        ratios = [ratio(one.rest.wait, one.cluster.wait) for one in self.rounds]
        there, here = self.median(lambda one: one.cluster.wait), self.median(lambda one: one.rest.wait)
        baseline = f"{there:.1f} ms of kube-apiserver ({min(ratios):.2f} to {max(ratios):.2f})"
        return Figure(name, here, "ms", baseline, ratio(here, there), Target(bound, is_lower=False))

    def cpu_figure(self, name: str) -> Figure:
        """Return the processor time of the servers for this read."""
        there, here = self.median(lambda one: one.cluster.cpu), self.median(lambda one: one.rest.cpu)
        return Figure(f"processor time, {name}", here, "ms", f"{there:.1f} ms of kube-apiserver", ratio(here, there))


async def measure_rest(arena: Arena, runs: int) -> CaseResult:
    """Read Runs as a list, in pages and one by one, then as many clients at once."""
    await create_project(arena.api, _NAMESPACE, arena.repository)
    await create_all(arena.api, (build_run(_NAMESPACE, f"run-{number:05}") for number in range(runs)))
    await create_all(arena.api, map(_build_record, range(runs)), resource=USAGE_RECORDS)
    return await asyncio.to_thread(_serve_and_measure, arena, runs)


def _build_record(number: int) -> Json:
    now = datetime.now(UTC).isoformat()
    spec = {"run": f"run-{number:05}", "runUid": "u", "attempt": 1, "tryNumber": 1, "workflow": "agent"}
    items = [{"service": "anthropic", "kind": "Tokens", "quantity": 1200, "unit": "Token", "costMicroUSD": 3600}]
    metadata = {"name": f"run-{number:05}-1-1", "namespace": _NAMESPACE}
    whole = spec | {"startTime": now, "finishTime": now, "items": items}
    return {"apiVersion": API_VERSION, "kind": "UsageRecord", "metadata": metadata, "spec": whole}


def _serve_and_measure(arena: Arena, runs: int) -> CaseResult:
    with rest_server(arena.cluster, arena.logs) as rest:
        rest.key(_NAMESPACE, "reader", VIEWER)
        key = rest.bare_key(_NAMESPACE, "reader", rate=_KEY_RATE).key
        return asyncio.run(_measure(arena, rest, key, runs))


async def _measure(arena: Arena, rest: Rest, key: str, runs: int) -> CaseResult:
    access = load_access(arena.cluster.kubeconfig_path)
    context, timeout = access.ssl_context(), aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
    connector = aiohttp.TCPConnector(limit=0, ssl=context if context is not None else True)
    async with (
        aiohttp.ClientSession(access.address, connector=connector, timeout=timeout) as cluster,
        aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"}, connector=aiohttp.TCPConnector(limit=0), timeout=timeout
        ) as client,
    ):
        there, here = _Server(cluster, _pid_of_cluster(arena)), _Server(client, rest.process.pid)
        base, path = f"{rest.address}/runs", RUNS.path(_NAMESPACE)
        used_path, used_base = USAGE_RECORDS.path(_NAMESPACE), f"{rest.address}/analytics/usage"
        await arena.wait_until(partial(_is_known, client, base), "the REST API knows the key")
        whole = await _compare(there, here, (path, base), 1)
        usage = await _compare(there, here, (used_path, used_base), 1)
        page = await _compare(there, here, (f"{path}?limit={_PAGE}", f"{base}?limit={_PAGE}"), _READS)
        one = await _compare(there, here, (f"{path}/run-00000", f"{base}/r_run-00000"), _READS)
        used = usage_of(rest.process.pid)
        load = _Load()
        await load.run(client, [f"{base}?limit={_PAGE}", f"{base}/r_run-00000"])
    named = {f"list of {runs:,}": (whole, 0.25), f"usage of {runs:,}": (usage, 0.25)}
    named |= {f"page of {_PAGE}": (page, 0.5), "single object": (one, 0.5)}
    figures = (
        *(costs.figure(name, bound) for name, (costs, bound) in named.items()),
        *(costs.cpu_figure(name) for name, (costs, _) in named.items()),
        *load.figures(),
        Figure(f"memory with {2 * runs:,} objects", used.resident_bytes / _MIB, "MiB"),
    )
    details = {
        "objects": 2 * runs,
        "peak_mib": round(used.peak_bytes / _MIB, 1),
        "refusals": sorted(load.refusals),
        "load_average": os.getloadavg(),
        "rounds": {name: [asdict(one) for one in costs.rounds] for name, (costs, _) in named.items()},
    }
    return CaseResult("api", figures, details)


def _pid_of_cluster(arena: Arena) -> int:
    state = StateStore(arena.cluster.layout).read()
    assert state is not None
    return state.processes[API_SERVER].pid


async def _read(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as answer:
        answer.raise_for_status()
        return len(await answer.read())


async def _is_known(session: aiohttp.ClientSession, path: str) -> bool:
    async with session.get(f"{path}?limit=1") as answer:
        return answer.ok


async def _compare(there: _Server, here: _Server, paths: tuple[str, str], times: int) -> _Costs:
    """Read the same of both in turn, so that both are measured at each speed that the machine has meanwhile."""
    path, address = paths
    return _Costs([_Round(await there.cost(path, times), await here.cost(address, times)) for _ in range(_ROUNDS)])


class _Load:
    """Clients that read once a second, each at a moment of its own."""

    def __init__(self) -> None:
        self._waits: list[float] = []
        self._refused = 0
        self.refusals: set[str] = set()
        """What the refused answers said."""

    async def run(self, session: aiohttp.ClientSession, addresses: list[str]) -> None:
        """Let the clients read these addresses in turn."""

        async def ask(number: int) -> None:
            await asyncio.sleep(number / _CLIENTS)
            for turn in range(_LOAD_SECONDS):
                wait = await self._ask(session, addresses[(number + turn) % len(addresses)])
                await asyncio.sleep(max(0.0, 1 - wait))

        async with asyncio.TaskGroup() as group:
            for number in range(_CLIENTS):
                group.create_task(ask(number))

    async def _ask(self, session: aiohttp.ClientSession, address: str) -> float:
        began = time.perf_counter()
        async with session.get(address) as answer:
            text = await answer.text()
        wait = time.perf_counter() - began
        self._waits.append(wait)
        if not answer.ok:
            self._refused += 1
            self.refusals.add(text)
        return wait

    def figures(self) -> tuple[Figure, Figure]:
        """Return how long the slowest answers took, and how many were refusals."""
        slowest = statistics.quantiles(self._waits, n=100)[98] * 1000
        median = f"median {statistics.median(self._waits) * 1000:.1f} ms of {len(self._waits):,} answers"
        name = f"{_CLIENTS} clients"
        return (
            Figure(f"p99 with {name}", slowest, "ms", median, target=Target(100, is_lower=False)),
            Figure(f"refused with {name}", self._refused, "answers", target=Target(0, is_lower=False)),
        )
