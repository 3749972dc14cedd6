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
from codecourier.github.api import (
    PullRequestDraft,
    PullRequestFacts,
    RepositoryFacts,
    RepositoryRef,
    Revocation,
    TokenPair,
)
from codecourier.github.budget import Budgets, BudgetSummary
from codecourier.github.errors import Unavailable
from codecourier.github.gateway import Gateway
from codecourier.github.operations import Operations
from codecourier.github.secret import Secret
from codecourier.github.transport import Wait

__all__ = ["GitHubForge"]

_T = TypeVar("_T")

_THREADS_PER_HOST = 4
"""How many operations run at once at one host; a host that hangs stops only itself."""

_MOST_HOSTS = 64
"""How many hosts keep their threads; the one that was not used for longest goes first."""


def _now() -> datetime:
    return datetime.now(UTC)


class GitHubForge:
    """GitHub, GitHub Enterprise and what speaks like it, as a `Forge`.

    Parameters
    ----------
    ca_bundle
        File with the certificates that are trusted for hosts other than github.com; None for those of the public.
    wait
        How long to wait for an answer.
    clock
        Gives the time in UTC.
    note
        Is told of each request: the host, the method and the status (`none` without an answer); from any thread.
    """

    def __init__(
        self,
        *,
        ca_bundle: Path | None = None,
        wait: Wait | None = None,
        clock: Callable[[], datetime] = _now,
        note: Callable[[str, str, str], None] = lambda _host, _method, _code: None,
    ) -> None:
        self._wait = wait or Wait()
        self._budgets = Budgets(clock)
        bundle = str(ca_bundle) if ca_bundle else None
        self._gateway = Gateway(self._budgets, ca_bundle=bundle, wait=self._wait, note=note)
        self._operations = Operations(self._gateway, clock)
        self._lock = threading.Lock()
        self._executors: OrderedDict[str, ThreadPoolExecutor] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.close()

    @property
    def budgets(self) -> BudgetSummary:
        """How the credentials stand that were used."""
        return self._budgets.summary()

    def close(self) -> None:
        """Let go of threads and connections; operations that run end by themselves, within their time."""
        with self._lock:
            for executor in self._executors.values():
                executor.shutdown(wait=False, cancel_futures=True)
            self._executors.clear()
        self._gateway.close()

    async def repository(self, repo: RepositoryRef) -> RepositoryFacts:
        """Look a repository up."""
        return await self._run(repo.url, lambda at, end: self._operations.repository(at, repo.credential, end))

    async def branch_head(self, repo: RepositoryRef, branch: str) -> str | None:
        """Give the commit at the tip of a branch; None if the repository has no such branch."""
        return await self._run(repo.url, lambda at, end: self._operations.branch_head(at, repo.credential, branch, end))

    async def find_pull_requests(self, repo: RepositoryRef, head_branch: str, marker: str) -> list[PullRequestFacts]:
        """Find the pull requests from a branch of the repository, in every state, newest first, at most 100."""
        return await self._run(
            repo.url,
            lambda at, end: self._operations.find_pull_requests(at, repo.credential, head_branch, marker, end),
        )

    async def open_pull_request(self, repo: RepositoryRef, draft: PullRequestDraft) -> PullRequestFacts:
        """Open a pull request."""
        return await self._run(
            repo.url, lambda at, end: self._operations.open_pull_request(at, repo.credential, draft, end)
        )

    async def mint_tokens(self, repo: RepositoryRef) -> TokenPair:
        """Make the credentials of a try."""
        return await self._run(repo.url, lambda at, end: self._operations.mint_tokens(at, repo.credential, end))

    async def revoke(self, url: str, token: Secret) -> Revocation:
        """End a token that `mint_tokens` made with an App."""
        return await self._run(url, lambda at, end: self._operations.revoke(at, token, end))

    async def _run(self, url: str, operation: Callable[[RepositoryAddress, float], _T]) -> _T:
        """Run an operation in a thread of its host and wait for it no longer than agreed."""
        address = RepositoryAddress.parse(url)
        seconds = self._wait.operation_seconds
        deadline = time.monotonic() + seconds
        # A copy of the context, so that what a thread logs names the object that it is done for.
        job = self._executor(address.host).submit(copy_context().run, operation, address, deadline)
        future = asyncio.wrap_future(job)
        # An outcome that nobody waits for any more is no news: the caller was told, and looks before it tries again.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        done, _ = await asyncio.wait({future}, timeout=seconds)
        if done:
            return await future
        was_never_sent = job.cancel()
        raise Unavailable(
            f"{address.api_url} did not finish a request for {address.full_name} within {seconds:g} seconds",
            may_have_happened=not was_never_sent,
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
