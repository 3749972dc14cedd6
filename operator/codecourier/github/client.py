"""GitHub for asyncio: the blocking operations run in a few threads for each host."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeVar

from codecourier.github.address import RepositoryAddress
from codecourier.github.api import Operation
from codecourier.github.budget import Budgets, BudgetSummary
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import HostNotAllowed, Unavailable
from codecourier.github.gateway import Gateway
from codecourier.github.session import Session
from codecourier.github.tokens import Logins
from codecourier.github.transport import Wait

__all__ = ["GitHubForge"]

R = TypeVar("R")

_THREADS_PER_HOST = 4
"""How many operations run at once at one host; a host that hangs stops only itself."""

_MOST_HOSTS = 64
"""How many hosts keep their threads; the least recently used host loses its threads first."""


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
        self._lock = threading.Lock()
        self._executors: OrderedDict[str, ThreadPoolExecutor] = OrderedDict()

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
        with self._lock:
            for executor in self._executors.values():
                executor.shutdown(wait=False, cancel_futures=True)
            self._executors.clear()
        self._gateway.close()

    async def do(self, repo: RepositoryRef, operation: Operation[R]) -> R:
        """Run an operation in a thread of its host, within the time limit; see `Forge.do`."""
        address = RepositoryAddress.parse(repo.url)
        if address.host not in self._hosts:
            raise HostNotAllowed(f"{address.host} is not one of the hosts that may be asked")
        seconds = self._wait.operation_seconds
        session = Session(self._logins, address, repo.credential, time.monotonic() + seconds)
        # A copy of the context, so that the records of the thread name the object that it works for.
        job = self._executor(address.host).submit(copy_context().run, operation.run, session)
        future = asyncio.wrap_future(job)
        # After the timeout no caller waits for the outcome: the caller has an error, and looks before it tries again.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({future}, timeout=seconds)
        if done:
            return await future
        was_never_sent = job.cancel()
        raise Unavailable(
            f"{address.api_url} did not finish a request for {address.full_name} within {seconds:g} seconds",
            may_have_happened=operation.is_write and not was_never_sent,
        )

    def _executor(self, host: str) -> ThreadPoolExecutor:
        with self._lock:
            executor = self._executors.pop(host, None)
            if executor is None:
                executor = ThreadPoolExecutor(_THREADS_PER_HOST, thread_name_prefix=f"forge-{host}")
            self._executors[host] = executor
            if len(self._executors) > _MOST_HOSTS:
                self._executors.popitem(last=False)[1].shutdown(wait=False)
            return executor
