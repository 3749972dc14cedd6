"""GitHub for asyncio: the blocking operations run in a few threads for each host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from codecourier.github.address import RepositoryAddress
from codecourier.github.api import Operation
from codecourier.github.budget import Budgets, BudgetSummary
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import HostNotAllowed, Silent
from codecourier.github.gateway import Gateway
from codecourier.github.session import Session
from codecourier.github.tokens import Logins
from codecourier.github.transport import Wait

__all__ = ["GitHubForge"]

R = TypeVar("R")

_THREADS = 64
"""How many operations run at once."""

_THREADS_PER_HOST = 8
"""How many of them at one host; a host that hangs stops only itself."""


def _now() -> datetime:
    return datetime.now(UTC)


class GitHubForge:
    """GitHub, GitHub Enterprise and what speaks like it, as a `Forge`.

    Parameters
    ----------
    hosts
        The only hosts that are asked, in lower case, each with its port unless that is 443.
    ca_bundle
        File with the certificates that are trusted for hosts other than github.com; None for those of the public.
    wait
        How long to wait for an answer.
    clock
        Gives the time in UTC.
    note
        Called for each request with the host, the method and the status (`none` without an answer); from any thread.
    """

    def __init__(
        self,
        *,
        hosts: frozenset[str],
        ca_bundle: Path | None = None,
        wait: Wait | None = None,
        clock: Callable[[], datetime] = _now,
        note: Callable[[str, str, str], None] = lambda _host, _method, _code: None,
    ) -> None:
        self._hosts = hosts
        self._wait = wait or Wait()
        self._budgets = Budgets(clock)
        bundle = str(ca_bundle) if ca_bundle else None
        self._gateway = Gateway(self._budgets, ca_bundle=bundle, wait=self._wait, note=note)
        self._logins = Logins(self._gateway, clock)
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="forge")
        self._rooms: dict[str, _Room] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    @property
    def budgets(self) -> BudgetSummary:
        """What is left of the rate limits of the credentials in use."""
        return self._budgets.summary()

    def close(self) -> None:
        """Release threads and connections; operations that are running still finish within their time limit."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._gateway.close()

    async def do(self, repo: RepositoryRef, operation: Operation[R]) -> R:
        """Run an operation in a thread, within the time limit; see `Forge.do`."""
        address = RepositoryAddress.parse(repo.url)
        if address.host not in self._hosts:
            raise HostNotAllowed(f"{address.host} is not one of the hosts that may be asked")
        deadline = time.monotonic() + self._wait.operation_seconds
        room = self._rooms.setdefault(address.host, _Room(asyncio.Semaphore(_THREADS_PER_HOST)))
        room.users += 1
        try:
            async with asyncio.timeout(self._wait.operation_seconds):
                await room.places.acquire()
        except TimeoutError:
            self._leave(address.host)
            raise self._unfinished(address, may_have_happened=False) from None
        except asyncio.CancelledError:
            self._leave(address.host)
            raise
        return await self._run(address, operation, Session(self._logins, address, repo.credential, deadline))

    async def _run(self, address: RepositoryAddress, operation: Operation[R], session: Session) -> R:
        # A copy of the context, so that the records of the thread name the object that it works for.
        job = self._executor.submit(copy_context().run, operation.run, session)
        future = asyncio.wrap_future(job)
        # After the timeout no caller waits for the outcome: the caller has an error, and looks before it tries again.
        # A thread that has not ended by then keeps its place, so that a host never has more of them.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        future.add_done_callback(lambda _: self._leave(address.host, has_place=True))
        done, _ = await asyncio.wait({future}, timeout=session.deadline - time.monotonic())
        if done:
            return await future
        was_never_sent = job.cancel()
        raise self._unfinished(address, may_have_happened=operation.is_write and not was_never_sent)

    def _unfinished(self, address: RepositoryAddress, *, may_have_happened: bool) -> Silent:
        seconds = self._wait.operation_seconds
        message = f"{address.api_url} did not finish a request for {address.full_name} within {seconds:g} seconds"
        return Silent(message, may_have_happened=may_have_happened)

    def _leave(self, host: str, *, has_place: bool = False) -> None:
        room = self._rooms[host]
        if has_place:
            room.places.release()
        room.users -= 1
        if not room.users:
            del self._rooms[host]


@dataclass
class _Room:
    """The threads of a host."""

    places: asyncio.Semaphore
    users: int = 0
    """Operations that have a place or wait for one."""
