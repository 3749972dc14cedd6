"""What lies between the clients of the simulated API server and the server, and what can go wrong there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Literal

from codecourier.kube.api import Resource
from codecourier.kube.errors import ApiError

__all__ = ["CALL_SECONDS", "Call", "Late", "Network", "Verb"]

CALL_SECONDS = 5.0
"""After this long a client gives a call up, as the real client does."""

Verb = Literal[
    "get", "list", "current_version", "watch", "create", "replace", "replace_status", "patch", "delete", "read_log"
]


@dataclass(frozen=True)
class Call:
    """One call of one client, as fault hooks see it.

    Parameters
    ----------
    client
        The identity of the client.
    verb
        The method of `KubeApi`.
    resource
        The kind.
    namespace
        The namespace, None for all or none.
    name
        The name of the object, empty for lists.
    write
        The number of this write among the client's writes, from 1; 0 for calls that only read.
    """

    client: str
    verb: Verb
    resource: Resource
    namespace: str | None
    name: str
    write: int = 0


class Late(Exception):  # noqa: N818
    """Raised by `Network.before`: the request arrives only after the client gave it up, and is done then.

    Parameters
    ----------
    seconds
        When it arrives, counted from now.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Network:
    """What lies between clients and the server; a simulation overrides it to let things go wrong.

    `before` and `after` may wait, raise an `ApiError` or `Unanswered` in the server's place, raise `Late`, or end the
    caller's process; what `after` raises comes after the work was done.

    Parameters
    ----------
    random
        Source of the delays.
    max_seconds
        The longest way in one direction.
    """

    def __init__(self, random: Random, max_seconds: float = 0.02) -> None:
        self.random = random
        self.max_seconds = max_seconds

    async def before(self, call: Call) -> None:
        """Carry a request."""
        await asyncio.sleep(self.random.random() * self.max_seconds)

    async def after(self, call: Call, error: ApiError | None) -> None:
        """Carry an answer, which may be an error."""
        await asyncio.sleep(self.random.random() * self.max_seconds)

    def event_delay(self, client: str, resource: Resource) -> float:
        """Return how many seconds an event takes to a client; the order of events stays."""
        return self.random.random() * self.max_seconds
