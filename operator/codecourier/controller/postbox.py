"""Kubernetes Events on their way to the API server: beside the workers, after what has a time, fair over namespaces."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from codecourier.controller.background import Background
from codecourier.kube.api import Json

__all__ = ["HELD_SECONDS", "MOST_WAITING", "Postbox"]

MOST_WAITING = 2000
"""How many Events of one namespace may wait. Beyond that they wait for nothing else, and who has another one waits."""

HELD_SECONDS = 30.0
"""How long an Event waits for work that has a time, at most."""

_AT_ONCE = 4
"""How many Events are posted at the same time."""

_LOOK_SECONDS = 0.1
"""How often it is asked whether Events still have to wait."""


class Postbox:
    """The Events that wait. Use it from one event loop only.

    Parameters
    ----------
    post
        Posts one; it raises nothing.
    is_pressing
        Tells whether work waits that Events may not delay: each costs the API server as much as a status.
    """

    def __init__(self, post: Callable[[Json], Awaitable[None]], is_pressing: Callable[[], bool]) -> None:
        self._post = post
        self._is_pressing = is_pressing
        self._waiting: OrderedDict[str, deque[tuple[float, Json]]] = OrderedDict()
        self._carriers = Background()
        self._taken = asyncio.Condition()

    def __len__(self) -> int:
        return sum(len(bodies) for bodies in self._waiting.values())

    async def put(self, body: Json) -> None:
        """Let an Event be posted soon, after those of its namespace; wait until there is room for it."""
        namespace = body["metadata"]["namespace"]
        async with self._taken:
            await self._taken.wait_for(lambda: not self._is_full(namespace))
        waiting = self._waiting.setdefault(namespace, deque())
        waiting.append((asyncio.get_running_loop().time(), body))
        if len(self._carriers) < _AT_ONCE:
            self._carriers.start(self._carry())

    async def drain(self, timeout_seconds: float) -> None:
        """Accept nothing more, let Events that wait be posted, and give up those that take too long."""
        await self._carriers.drain(timeout_seconds)

    async def _carry(self) -> None:
        while self._waiting:
            namespace, bodies = next(iter(self._waiting.items()))
            if self._is_held(namespace, bodies[0][0]):
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            _, body = bodies.popleft()
            self._waiting.move_to_end(namespace)
            if not bodies:
                del self._waiting[namespace]
            async with self._taken:
                self._taken.notify_all()
            await self._post(body)

    def _is_full(self, namespace: str) -> bool:
        return len(self._waiting.get(namespace, ())) >= MOST_WAITING

    def _is_held(self, namespace: str, since: float) -> bool:
        is_new = asyncio.get_running_loop().time() < since + HELD_SECONDS
        return is_new and self._is_pressing() and not self._is_full(namespace)
