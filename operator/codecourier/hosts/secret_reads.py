"""Reads Secrets with their values: each once for all that need it at the same time, and few at once.

Look-ups and effects run beside the workers, as many as objects wait for them. A Project with fifty repositories looks
up fifty of them, usually with one Secret.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from codecourier.kube.api import SECRETS, Json, KubeApi

__all__ = ["MOST_CALLS", "MOST_OF_NAMESPACE", "SecretReads"]

MOST_CALLS = 32
"""How many calls are made at once; the workers must still find connections to the API server."""

MOST_OF_NAMESPACE = 8
"""How many calls are made at once for one namespace, and so for one reconcile."""

_Read = tuple[str, str, str | None]


class SecretReads:
    """The Secrets that are being read. Nothing is kept once they are, so that a fixed one works at once.

    Parameters
    ----------
    api
        The API server.
    """

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._calls = asyncio.Semaphore(MOST_CALLS)
        self._namespaces: dict[str, asyncio.Semaphore] = {}
        self._users: Counter[str] = Counter()
        self._running: dict[_Read, asyncio.Task[Json]] = {}

    async def read(self, namespace: str, name: str, version: str | None) -> Json:
        """Return a Secret, which is shared: it must not be changed.

        Parameters
        ----------
        namespace
            Its namespace.
        name
            Its name.
        version
            The version that the reader has heard of; None: of none. A read for another one is not shared.

        Raises
        ------
        NotFound
            There is no such Secret.
        """
        key = namespace, name, version
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(self._read(key))
        # One reader that is cancelled does not take the answer from the others.
        return await asyncio.shield(running)

    async def _read(self, key: _Read) -> Json:
        namespace, name, _ = key
        try:
            async with self._turn(namespace), self._calls:
                return await self._api.get(SECRETS, namespace, name)
        finally:
            del self._running[key]

    @asynccontextmanager
    async def _turn(self, namespace: str) -> AsyncIterator[None]:
        self._users[namespace] += 1
        try:
            async with self._namespaces.setdefault(namespace, asyncio.Semaphore(MOST_OF_NAMESPACE)):
                yield
        finally:
            self._users[namespace] -= 1
            if not self._users[namespace]:
                del self._users[namespace], self._namespaces[namespace]
