"""Turns: what else the process does is never behind more than a few requests.

The event loop runs all that is ready before it looks for more. Where hundreds of requests are ready at once, the list
of the keys and the watches, which take several rounds of the loop, would wait for hundreds of requests in each round.
"""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["LIVE_PATHS", "MOST_IN_A_ROUND", "READY_PATH", "InTurn", "Turns"]

LIVE_PATHS = ("/healthz", "/livez")
READY_PATH = "/readyz"

MOST_IN_A_ROUND = 4
"""How many requests, and slices of long lists, are worked on in one round of the event loop."""

_PROBES = frozenset({*LIVE_PATHS, READY_PATH})


class Turns:
    """Gives turns in the order in which they are asked for, so many in each round of the event loop.

    Parameters
    ----------
    most
        How many, at least 1.
    """

    def __init__(self, most: int = MOST_IN_A_ROUND) -> None:
        self._most = most
        self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_counting = False

    async def take(self) -> None:
        """Wait for a turn; it lasts until the caller waits for something else."""
        if self._left and not self._waiting:
            self._left -= 1
            self._count()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._count()
        await turn

    def _count(self) -> None:
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        self._is_counting, self._left = False, self._most
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            # A request whose client has gone wants none any more.
            if not turn.done():
                turn.set_result(None)
                self._left -= 1
        if self._left < self._most:
            self._count()


class InTurn:
    """Begins each request in its turn; probes have no need of one.

    Parameters
    ----------
    app
        The application behind it.
    turns
        The turns.
    """

    def __init__(self, app: ASGIApp, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, as ASGI asks."""
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            await self._turns.take()
        await self._app(scope, receive, send)
