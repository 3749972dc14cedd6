"""The one way to the repositories' hosts: bounded, fair over namespaces, and closed while a host hangs.

An operation holds its turn until its answer, so what hangs is bounded: by host, by credential, by namespace and over
all. A lane is a host with a credential. Its breaker is its own, as a host may hang for one credential only, and a team
must not close the host to others; for a host that hangs for all, the bound on its unproven lanes does the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from codecourier.address import split_address
from codecourier.github.api import Forge, Operation
from codecourier.github.credentials import AppInstallation, InstallationToken, RepositoryRef
from codecourier.github.errors import ForgeError, RateLimited, Silent, Unavailable
from codecourier.hosts.breaker import Breaker
from codecourier.hosts.turns import Bound, Bounds, Job, Lane, Turns, Turnstile
from codecourier.kube.errors import NotLeadingError

__all__ = ["BOUNDS", "TURN_SECONDS", "Gate"]

_LOGGER = logging.getLogger(__name__)

R = TypeVar("R")

BOUNDS = Bounds(all=Bound(32, 16), namespace=Bound(8, 4), host=Bound(8, 4), lane=Bound(4, 1))
"""How many operations are under way at once."""

TURN_SECONDS = 60.0
"""How long the operator waits for a turn: the object, which is not planned meanwhile, may have to stop."""

_MOST_LANES = 4096
"""How many lanes are remembered; the least recently used one is forgotten first, and is new when it is used again."""


class Gate:
    """Carries out operations when their turn comes.

    Parameters
    ----------
    forge
        The repositories' hosts.
    now
        The wall clock, in UTC.
    may_act
        Whether this process leads; asked before each operation.
    turn_seconds
        How long an operation waits for its turn.
    """

    def __init__(
        self,
        forge: Forge,
        now: Callable[[], datetime],
        may_act: Callable[[], bool],
        turn_seconds: float = TURN_SECONDS,
    ) -> None:
        self._forge = forge
        self._now = now
        self._may_act = may_act
        self._turn_seconds = turn_seconds
        self._breakers: OrderedDict[Lane, Breaker] = OrderedDict()
        self._turns = Turns(BOUNDS, lambda lane: self._breaker(lane).is_proven)
        self._turnstile = Turnstile(self._turns)

    @property
    def running(self) -> int:
        """How many operations are under way."""
        return self._turns.running

    @property
    def waiting(self) -> int:
        """How many operations wait for their turn."""
        return self._turns.waiting

    @property
    def silent_hosts(self) -> int:
        """How many hosts do not answer with at least one credential."""
        return len({lane.host for lane, breaker in self._breakers.items() if breaker.is_open})

    async def do(self, namespace: str, repo: RepositoryRef, operation: Operation[R]) -> R:
        """Carry out an operation for a namespace once its turn comes; see `Forge.do`.

        Raises
        ------
        ForgeError
            If the forge did not do what was asked; `Silent`, at once, while its host does not answer; `Unavailable`, if
            its turn does not come in time.
        NotLeadingError
            If this process does not lead, or no longer once its turn comes: nothing is sent.
        """
        if not operation.needs_host(repo.credential):
            return await self._forge.do(repo, operation)
        job = Job(namespace, _lane(namespace, repo))
        self._check(job.lane)
        await self._enter(job)
        try:
            return await self._carry_out(job, repo, operation)
        finally:
            self._turnstile.leave(job)

    async def _enter(self, job: Job) -> None:
        try:
            async with asyncio.timeout(self._turn_seconds):
                await self._turnstile.enter(job)
        except TimeoutError:
            raise self._crowded(job.lane) from None

    def _crowded(self, lane: Lane) -> Unavailable:
        """Return the error of an operation whose turn did not come; it was not sent."""
        if any(known.host == lane.host and breaker.is_open for known, breaker in self._breakers.items()):
            return self._silent(lane)
        text = f"https://{lane.host} answers too slowly for all that is asked of it; it is tried again"
        return Unavailable(text, may_have_happened=False)

    async def _carry_out(self, job: Job, repo: RepositoryRef, operation: Operation[R]) -> R:
        if not self._may_act():
            raise NotLeadingError(f"this process does not hold the Lease, so it asks nothing of {job.lane.host}")
        lane, begun = job.lane, asyncio.get_running_loop().time()
        try:
            result = await self._forge.do(repo, operation)
        except Silent as error:
            self._note_silence(job, begun)
            may_have_happened = error.may_have_happened
        except ForgeError as error:
            if error.status is not None:
                self._note_answer(lane)
            elif not isinstance(error, RateLimited):
                self._remember(lane, self._breaker(lane).after_failure())
            raise
        else:
            self._note_answer(lane)
            return result
        raise self._silent(lane, may_have_happened=may_have_happened)

    def _check(self, lane: Lane) -> None:
        """Refuse an operation while its lane's breaker is open, unless it is the next probe."""
        breaker = self._breaker(lane)
        if breaker.is_open and (asyncio.get_running_loop().time() < breaker.retry or self._turns.is_used(lane)):
            raise self._silent(lane)

    def _note_answer(self, lane: Lane) -> None:
        breaker = self._breaker(lane)
        if breaker.is_open:
            _LOGGER.info("%s answers again", lane.host, extra={"reason": "BreakerClosed"})
        self._remember(lane, breaker.after_answer(asyncio.get_running_loop().time()))

    def _note_silence(self, job: Job, begun: float) -> None:
        lane, breaker = job.lane, self._breaker(job.lane)
        after = breaker.after_silence(begun, asyncio.get_running_loop().time())
        self._remember(lane, after)
        if not after.is_open:
            return
        if not breaker.is_open:
            words = "%s did not answer a request of namespace %s; with that credential it is asked once in a while"
            _LOGGER.warning(words, lane.host, job.namespace, extra={"reason": "BreakerOpened"})
        self._turnstile.refuse(lane, lambda: self._silent(lane))

    def _silent(self, lane: Lane, *, may_have_happened: bool = False) -> Silent:
        """Return the error of a lane: one sentence for all operations, so that statuses are not written again."""
        breaker, loop_time = self._breaker(lane), asyncio.get_running_loop().time()
        seconds = breaker.retry - loop_time
        if breaker.is_open and seconds <= 0:
            # A probe is under way.
            seconds = breaker.pause_seconds
        return Silent(
            f"https://{lane.host} did not answer in time; it is tried again",
            may_have_happened=may_have_happened,
            retry_at=self._now() + timedelta(seconds=seconds) if breaker.is_open else None,
        )

    def _breaker(self, lane: Lane) -> Breaker:
        return self._breakers.get(lane, Breaker())

    def _remember(self, lane: Lane, breaker: Breaker) -> None:
        self._breakers[lane] = breaker
        self._breakers.move_to_end(lane)
        while len(self._breakers) > _MOST_LANES:
            self._breakers.popitem(last=False)


def _lane(namespace: str, repo: RepositoryRef) -> Lane:
    parts = split_address(repo.url)
    host = repo.url if parts is None else parts[0].lower()
    credential = repo.credential
    if isinstance(credential, AppInstallation):
        return Lane(host, f"installation {credential.installation_id}")
    if isinstance(credential, InstallationToken):
        # Each revokes itself; together they are those of the namespace's Sandboxes.
        return Lane(host, f"tokens of {namespace}")
    return Lane(host, hashlib.sha256(credential.secret.reveal().encode()).hexdigest())
