"""One team's Runs while the repository host of another team hangs: fairness between namespaces."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.arena import Arena
from bench.cases.settled import is_project_ready, is_run_over
from bench.project import build_run, create_all, create_project
from bench.report import CaseResult, Figure, Target, ratio
from bench.watching import watched
from codecourier.kinds.api_resources import PROJECTS, RUNS
from codecourier.local.forge.address import ForgeAddress

__all__ = ["measure_hang"]

_WITHOUT, _BESIDE, _HUNG = "bench-hang-without", "bench-hang-beside", "bench-hung"
_MOST_DELAY = 1.2
_LIMIT_SECONDS = 300.0
_ARRIVAL_SECONDS = 30.0


class _HangingHost:
    """Accepts connections and answers nothing on them."""

    def __init__(self) -> None:
        self.connections = 0
        self.arrival = asyncio.Event()

    async def take(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.arrival.set()
        while await reader.read(4096):
            pass


async def measure_hang(arena: Arena, runs: int, hung: int) -> CaseResult:
    """Let as many Runs end twice: alone, and beside those of a team whose repository host hangs.

    Parameters
    ----------
    runs
        Runs of the team that is measured.
    hung
        Runs of the other team.
    """
    forge = ForgeAddress.read(arena.cluster.layout.forge)
    async with _hanging_host() as (host, port):
        address = f"{forge.host.rpartition(':')[0]}:{port}"
        async with arena.operator({"CODECOURIER_FORGE_HOSTS": f"{forge.host},{address}"}):
            without = await _seconds_of(arena, _WITHOUT, runs)
            await create_project(arena.api, _HUNG, arena.repository, url=f"https://{address}/bench/hung")
            await create_all(arena.api, [build_run(_HUNG, f"hung-{number:04}") for number in range(hung)])
            await asyncio.wait_for(host.arrival.wait(), _ARRIVAL_SECONDS)
            beside = await _seconds_of(arena, _BESIDE, runs)
            waiting = [run for run in (await arena.api.list(RUNS, _HUNG)).items if not is_run_over(run)]
        assert len(waiting) == hung, f"{hung - len(waiting)} Runs ended whose host hangs"
    figures = (
        Figure("all ended after", without, "s"),
        Figure(
            f"the same beside {hung} Runs of a host that hangs",
            beside,
            "s",
            f"{without:.1f} s without them",
            ratio(beside, without),
            Target(_MOST_DELAY, is_lower=False),
        ),
    )
    return CaseResult("hang", figures, {"runs": runs, "hung": hung, "connections": host.connections})


@asynccontextmanager
async def _hanging_host() -> AsyncIterator[tuple[_HangingHost, int]]:
    host = _HangingHost()
    server = await asyncio.start_server(host.take, "127.0.0.1", 0)
    try:
        yield host, server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _seconds_of(arena: Arena, namespace: str, runs: int) -> float:
    await create_project(arena.api, namespace, arena.repository)
    async with watched(arena.api, PROJECTS, namespace, is_project_ready) as projects:
        await projects.wait_for(1, _ARRIVAL_SECONDS)
    async with watched(arena.api, RUNS, namespace, is_run_over) as ended:
        started = time.monotonic()
        await create_all(arena.api, [build_run(namespace, f"run-{number:04}") for number in range(runs)])
        await ended.wait_for(runs, _LIMIT_SECONDS)
        return ended.times[-1] - started
