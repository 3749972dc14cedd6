"""Cases of one file that are played at the same time: most of what each of them does is to wait.

The file says `CASES = Together()`, marks its cases with `@CASES.case`, and has one test with one parameter for each of
them, which waits for its own case and fails as it failed. The fixture `played` of the cluster tests plays them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import pytest

from codecourier.kube.access import load_access
from codecourier.kube.client import AiohttpKube
from codecourier.local.cluster import LocalCluster
from codecourier.local.controlplane_flags import OPERATOR_NAMESPACE
from codecourier.local.demo.stage import ensure_namespace
from tests.support.team import Team, make_team

__all__ = ["Played", "Together"]

_AT_ONCE = 8
"""More pods would only wait for each other's share of a small machine."""

Case = Callable[[Team], Awaitable[None]]
Played = dict[str, asyncio.Task[None]]


class Together:
    """The cases of a file, by name."""

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}

    def case(self, play: Case) -> Case:
        """Take a case in; its name is the function's."""
        self.add(play.__name__, play)
        return play

    def add(self, name: str, play: Case) -> None:
        """Take a case in under a name."""
        assert name not in self._cases
        self._cases[name] = play

    @property
    def names(self) -> list[str]:
        """The names, in the order in which the cases were taken in."""
        return list(self._cases)

    @asynccontextmanager
    async def playing(self, cluster: LocalCluster, request: pytest.FixtureRequest) -> AsyncIterator[Played]:
        """Play those cases that tests of this run wait for, each with a team of its own."""
        wanted = _wanted(request)
        async with AiohttpKube(load_access(cluster.kubeconfig_path), user_agent="codecourier-test") as api:
            await ensure_namespace(api, OPERATOR_NAMESPACE)
            turns = asyncio.Semaphore(_AT_ONCE)

            async def play(name: str) -> None:
                async with turns, make_team(api, cluster) as team:
                    await self._cases[name](team)

            played = {name: asyncio.create_task(play(name), name=name) for name in self.names if name in wanted}
            try:
                yield played
            finally:
                for task in played.values():
                    task.cancel()
                await asyncio.gather(*played.values(), return_exceptions=True)


def _wanted(request: pytest.FixtureRequest) -> set[str]:
    items: Iterable[pytest.Item] = request.session.items
    calls = (item.callspec for item in items if item.path == request.path and hasattr(item, "callspec"))
    return {call.params["case"] for call in calls if "case" in call.params}
