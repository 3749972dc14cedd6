"""What following many open pull requests of one repository costs of the hourly limit, by the forge's own counter.

The real follower and operation ask the real forge. Only the time between two looks is not waited for: the follower
runs in a loop whose clock jumps to what comes next.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TypeVar

from bench.arena import Arena
from bench.report import CaseResult, Figure, Target, ratio
from bench.repository import Repository
from codecourier.controller.background import Background
from codecourier.controller.follower import Follower
from codecourier.core.shared.facts import Problem, RepositoryAccess
from codecourier.core.shared.following import Follow, PullRequestLifeAsk
from codecourier.github.address import RepositoryAddress
from codecourier.github.api import Operation
from codecourier.github.budget import Budgets
from codecourier.github.client import GitHubForge
from codecourier.github.credentials import PersonalToken, RepositoryRef
from codecourier.github.gateway import Gateway
from codecourier.github.operations.create_pull_request import CreatePullRequest
from codecourier.github.operations.look_at_pull_requests import PullRequestLooks
from codecourier.github.secret import Secret
from codecourier.github.session import Session
from codecourier.github.tokens import Logins
from codecourier.github.transport import Wait
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import WorkKey
from codecourier.local.forge.address import ForgeAddress
from tests.simulation.clock import WallClock, run_virtual

__all__ = ["measure_follow"]

_SECONDS = 1200
"""How long they are followed. The forge takes a second for a query, and all of it is the busiest time."""

_MOST_SHARE = 0.1
_AT_ONCE = 8

R = TypeVar("R")


class _Host:
    """The forge, asked by the loop itself, whose clock stands still meanwhile."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.answers: list[PullRequestLooks] = []
        self.times: list[float] = []
        """When each answer came, on the clock that jumps."""

    async def ask(self, _access: RepositoryAccess | Problem, operation: Operation[R]) -> R | Problem:
        """Carry out a query."""
        answer = operation.run(self._session)
        if isinstance(answer, PullRequestLooks):
            self.answers.append(answer)
            self.times.append(asyncio.get_running_loop().time())
        return answer


async def measure_follow(arena: Arena, pulls: int) -> CaseResult:
    """Open pull requests, then follow them for a while."""
    forge = ForgeAddress.read(arena.cluster.layout.forge)
    numbers = await _open(forge, arena.repository, pulls)
    arena.report(f"follow: {len(numbers)} pull requests are open")
    return await asyncio.to_thread(_follow, forge, arena.repository, numbers)


async def _open(forge: ForgeAddress, repository: Repository, pulls: int) -> list[int]:
    ref = RepositoryRef(repository.url, PersonalToken(Secret(repository.token)))
    turns = asyncio.Semaphore(_AT_ONCE)
    async with GitHubForge(hosts=frozenset({forge.host}), ca_bundle=forge.ca_path) as client:

        async def open_one(branch: str) -> int:
            async with turns:
                return (await client.do(ref, CreatePullRequest("Work", "Done.", branch, "main"))).number

        branches = [repository.push(f"follow/{index}") for index in range(pulls)]
        return list(await asyncio.gather(*map(open_one, branches)))


def _follow(forge: ForgeAddress, repository: Repository, numbers: list[int]) -> CaseResult:
    """Follow the pull requests in a loop of its own; see the module."""
    gateway = Gateway(Budgets(lambda: datetime.now(UTC)), ca_bundle=str(forge.ca_path), wait=Wait())
    session = Session(
        Logins(gateway, lambda: datetime.now(UTC)),
        RepositoryAddress.parse(repository.url),
        PersonalToken(Secret(repository.token)),
        time.monotonic() + 3600,
    )
    host = _Host(session)

    async def main() -> None:
        now = WallClock(asyncio.get_running_loop()).now
        follower = Follower(host.ask, Background(), lambda _key: None, now)
        access = RepositoryAccess("bench", repository.url, secret="token")  # noqa: S106  a Secret's name
        for number in numbers:
            ask_for = PullRequestLifeAsk(access, number, f"follow/{number}")
            follower.follow(WorkKey(RUNS, "bench", f"run-{number}"), Follow(ask_for, now()))
        task = asyncio.create_task(follower.run())
        await asyncio.sleep(_SECONDS)
        task.cancel()

    run_virtual(main)
    gateway.close()
    return _result(len(numbers), host.answers, host.times[-1] - host.times[0])


def _result(pulls: int, answers: list[PullRequestLooks], seconds: float) -> CaseResult:
    """Return the figures; the time from the first answer to the last one counts, as a cold forge may fail at first."""
    limit, spent = answers[0].limit or 0, answers[0].remaining - answers[-1].remaining
    points = spent * 3600 / seconds
    seen = sum(len(answer.found) for answer in answers)
    figures = (
        Figure(
            f"an hour of {pulls} young pull requests",
            points,
            "points",
            f"the forge's limit, {limit}",
            ratio(points, limit),
            Target(_MOST_SHARE, is_lower=False),
        ),
        Figure("one query", spent / (len(answers) - 1), "points", f"{seen / len(answers):.0f} pull requests each"),
        Figure("between two looks at one", seconds * pulls / seen, "s"),
    )
    return CaseResult("follow", figures, {"queries": len(answers)})
