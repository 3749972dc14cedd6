"""Follows pull requests for plans: many with one query, the young and changing ones more often.

A plan says what it follows; its object is planned again once the answer differs from the last one. Nothing is asked
for a plan, and no worker waits. All that is followed of one repository with one credential is a lot: it is looked at in
queries of up to 50, one at a time, and a credential's queries keep a distance that its budget decides. So a lot of
1,000 is looked at less often than a lot of ten, and never costs more. A host without a GraphQL API is asked for each
pull request, few at a time, by requests that name the answer that is known; the distance grows with their number.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from codecourier.address import split_address
from codecourier.controller.background import Background
from codecourier.controller.pace import LEAST_SECONDS, MOST_SECONDS, find_pause, find_spacing
from codecourier.core.shared.facts import Ask, Problem, RepositoryAccess
from codecourier.core.shared.following import CheckFact, Follow, PullRequestLifeAsk, PullRequestLifeFact
from codecourier.github.api import Operation
from codecourier.github.operations.look_at_each_pull_request import MOST_EACH, LookAtEachPullRequest
from codecourier.github.operations.look_at_pull_requests import (
    MOST_LOOKS,
    KeptAnswer,
    LookAtPullRequests,
    PullRequestLook,
    PullRequestLooks,
)
from codecourier.kinds.registry import WorkKey

__all__ = ["CONFIRM_SECONDS", "EACH_SECONDS", "MOST_AT_ONCE", "Follower"]

_LOGGER = logging.getLogger(__name__)

R = TypeVar("R")

MOST_AT_ONCE = 8
"""How many queries are under way at once; one of each credential at most, so that a host that hangs holds up one."""

EACH_SECONDS = 86_400.0
"""How long a host that cannot be asked for many at once is asked for each; then it may have learned it."""

CONFIRM_SECONDS = 3600.0
"""How long a plan's word holds that something is followed, and with which credential; then it is planned again."""


class AskHost(Protocol):
    """Carries out an operation."""

    async def __call__(self, access: RepositoryAccess | Problem, operation: Operation[R], /) -> R | Problem:
        """Return the outcome, or the problem that prevents it."""


@dataclass(eq=False)
class _Lane:
    """A credential."""

    free: float = 0.0
    """When the next query with it may begin, on the loop's clock."""

    is_busy: bool = False

    each_until: float = float("-inf")
    """Until when its host counts as one that cannot be asked for many at once, on the loop's clock."""


@dataclass(eq=False)
class _Followed:
    """Something that a plan follows."""

    follow: Follow
    due: float
    """When it is to be looked at next, on the loop's clock."""

    confirmed: float
    fact: PullRequestLifeFact | None = None


@dataclass(eq=False)
class _Lot:
    """What is followed of one repository with one credential."""

    access: RepositoryAccess
    lane: _Lane
    members: dict[WorkKey, _Followed] = field(default_factory=dict)
    failures: int = 0
    """How many queries in a row did not work."""

    due: float | None = None
    """When it is looked at next, on the loop's clock: its only entry in the heap that counts. None: it has none."""

    is_running: bool = False
    """Whether it is being looked at."""

    kept: dict[tuple[str, str | int], KeptAnswer] = field(default_factory=dict)
    """What its host said, of hosts that are asked for each pull request."""


class Follower:
    """Looks at what plans follow.

    Parameters
    ----------
    ask_host
        Carries out a query.
    background
        Runs the queries.
    wake
        Called with each key whose answer has changed.
    now
        The wall clock, in UTC.
    """

    def __init__(
        self,
        ask_host: AskHost,
        background: Background,
        wake: Callable[[WorkKey], None],
        now: Callable[[], datetime],
    ) -> None:
        self._ask_host = ask_host
        self._background = background
        self._wake = wake
        self._now = now
        self._lots: dict[RepositoryAccess, _Lot] = {}
        self._lot_of: dict[WorkKey, _Lot] = {}
        self._lanes: WeakValueDictionary[tuple[object, ...], _Lane] = WeakValueDictionary()
        self._heap: list[tuple[float, int, _Lot]] = []
        self._number = 0
        self._running = 0
        self._changed = asyncio.Event()

    @property
    def followed(self) -> int:
        """How many pull requests are followed."""
        return len(self._lot_of)

    def facts(self, key: object) -> Mapping[Ask[Any], object]:
        """Return what is known of what the plan of a key follows."""
        lot = self._lot_of.get(key) if isinstance(key, WorkKey) else None
        if lot is None or not isinstance(key, WorkKey) or (fact := lot.members[key].fact) is None:
            return {}
        return {lot.members[key].follow.ask: fact}

    def follow(self, key: WorkKey, follow: Follow | None) -> None:
        """Follow what the plan of a key has asked for, in place of what it asked for before; None: nothing."""
        lot = self._lot_of.get(key)
        if lot is not None and (follow is None or lot.members[key].follow.ask != follow.ask):
            self._drop(key, lot)
            lot = None
        if follow is None:
            return
        time = asyncio.get_running_loop().time()
        pause = find_pause(self._now() - follow.since)
        if lot is None:
            lot = self._lot_of[key] = self._lot(follow.ask.repository)
            lot.members[key] = _Followed(follow, time + pause * _share_of(follow.ask), time)
        followed = lot.members[key]
        followed.follow, followed.confirmed = follow, time
        # What has changed a moment ago is looked at again soon, although it was quiet when its next look was set.
        followed.due = min(followed.due, time + pause)
        if not lot.is_running and (lot.due is None or followed.due < lot.due):
            self._schedule(lot, followed.due)

    async def run(self) -> None:
        """Begin queries as they become due, until cancelled."""
        while True:
            self._changed.clear()
            self._begin()
            delay = self._heap[0][0] - asyncio.get_running_loop().time() if self._heap else None
            if self._running >= MOST_AT_ONCE:
                delay = None
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _lot(self, access: RepositoryAccess) -> _Lot:
        lot = self._lots.get(access)
        if lot is None:
            lane = self._lanes.setdefault(_lane_of(access), _Lane())
            lot = self._lots[access] = _Lot(access, lane)
        return lot

    def _drop(self, key: WorkKey, lot: _Lot) -> None:
        del lot.members[key], self._lot_of[key]
        if not lot.members:
            self._lots.pop(lot.access, None)

    def _schedule(self, lot: _Lot, due: float, number: int | None = None) -> None:
        """Let a lot wait until a time; of those that wait for the same, the one with the lowest number comes first."""
        lot.due = due
        self._number += 1
        heapq.heappush(self._heap, (due, self._number if number is None else number, lot))
        self._changed.set()

    def _begin(self) -> None:
        """Begin every query that is due and may begin; lots of one credential take turns."""
        time = asyncio.get_running_loop().time()
        while self._heap and self._heap[0][0] <= time and self._running < MOST_AT_ONCE:
            due, number, lot = heapq.heappop(self._heap)
            if due != lot.due or self._lots.get(lot.access) is not lot:
                continue
            if lot.lane.is_busy or lot.lane.free > time:
                self._schedule(lot, max(lot.lane.free, time + 1), number)
                continue
            if not self._background.start(self._look(lot)):
                return
            self._running += 1
            lot.due, lot.is_running, lot.lane.is_busy = None, True, True

    async def _look(self, lot: _Lot) -> None:
        begun, seen_time = asyncio.get_running_loop().time(), self._now()
        is_each = begun < lot.lane.each_until
        some = sorted(lot.members.items(), key=lambda item: item[1].due)[: MOST_EACH if is_each else MOST_LOOKS]
        numbers = tuple(dict.fromkeys(followed.follow.ask.number for _, followed in some))
        operation = LookAtEachPullRequest(numbers, lot.kept) if is_each else LookAtPullRequests(numbers)
        answer: PullRequestLooks | Problem | None = None
        try:
            answer = await self._ask_host(lot.access, operation)
        except Exception as error:  # noqa: BLE001  such as a Namespace that no cache has yet: it is tried again
            _LOGGER.debug("pull requests were not looked at: %s", error)
        finally:
            self._running -= 1
            lot.is_running = lot.lane.is_busy = False
            lot.lane.free = begun + self._note(lot, dict(some), answer, seen_time)
            if lot.members:
                due = min(followed.due for followed in lot.members.values())
                self._schedule(lot, max(due, lot.lane.free))
            self._changed.set()

    def _note(
        self, lot: _Lot, some: dict[WorkKey, _Followed], answer: PullRequestLooks | Problem | None, seen: datetime
    ) -> float:
        """Note an answer; return how many seconds after its query the credential may be used for the next one."""
        time = asyncio.get_running_loop().time()
        if not isinstance(answer, PullRequestLooks):
            self._note_failure(lot, some, answer, time)
            return find_spacing(None, 0, None, seen)
        lot.failures = 0
        if not answer.has_graphql:
            lot.lane.each_until = time + EACH_SECONDS
            return find_spacing(None, 0, None, seen)
        _keep(lot, answer)
        for key, followed in some.items():
            ask = followed.follow.ask
            fact = _build_fact(answer.found.get(ask.number), ask, seen)
            is_new = fact is not None and fact != followed.fact
            followed.fact = fact if fact is not None else followed.fact
            pause = MOST_SECONDS if fact is None else find_pause(seen - followed.follow.since)
            followed.due = time + pause * (0.9 + _share_of(ask) / 5)
            self._wake_if(key, followed, time, is_new=is_new)
        return answer.cost * find_spacing(answer.limit, answer.remaining, answer.reset_at, seen)

    def _note_failure(self, lot: _Lot, some: dict[WorkKey, _Followed], problem: Problem | None, time: float) -> None:
        """Wait longer each time; what is looked at may be reached in another way by now, which its plan knows."""
        lot.failures += 1
        seconds = min(LEAST_SECONDS * 2 ** min(lot.failures - 1, 10), MOST_SECONDS)
        if problem is not None and problem.retry_time is not None:
            seconds = max(seconds, (problem.retry_time - self._now()).total_seconds())
        for followed in lot.members.values():
            followed.due = max(followed.due, time + seconds)
        for key, followed in some.items():
            is_lasting = problem is not None and problem.retry_time is None and lot.failures > 1
            self._wake_if(key, followed, time, is_new=is_lasting)

    def _wake_if(self, key: WorkKey, followed: _Followed, time: float, *, is_new: bool) -> None:
        lot = self._lot_of.get(key)
        if lot is None or lot.members[key] is not followed:
            return
        if is_new or time > followed.confirmed + CONFIRM_SECONDS:
            followed.confirmed = time
            self._wake(key)


def _keep(lot: _Lot, answer: PullRequestLooks) -> None:
    """Keep what a host said of each pull request that is still followed."""
    if not (answer.kept or lot.kept):
        return
    numbers = {followed.follow.ask.number for followed in lot.members.values()}
    both = {**lot.kept, **answer.kept}
    lot.kept = {name: kept for name, kept in both.items() if isinstance(name[1], str) or name[1] in numbers}


def _lane_of(access: RepositoryAccess) -> tuple[object, ...]:
    parts = split_address(access.url)
    host = access.url if parts is None else parts[0].lower()
    if access.installation_id is not None:
        return host, access.installation_id
    return host, access.namespace, access.secret


def _share_of(ask: PullRequestLifeAsk) -> float:
    """Return a number from 0 to 1 that differs between pull requests: what begins together spreads by it."""
    return zlib.crc32(f"{ask.repository.url}/{ask.number}".encode()) % 1000 / 1000


def _build_fact(look: PullRequestLook | None, ask: PullRequestLifeAsk, seen: datetime) -> PullRequestLifeFact | None:
    """Return what was seen; None: it cannot be read, or another pull request has the number."""
    if look is None or look.is_from_fork or look.head_branch != ask.head_branch:
        return None
    checks = None
    if look.checks is not None:
        named = (CheckFact(c.name, c.status, c.conclusion, c.is_required) for c in look.checks)
        checks = tuple(sorted(named, key=lambda check: (check.name, check.status, check.conclusion or "")))
    return PullRequestLifeFact(
        state=look.state,
        is_draft=look.is_draft,
        title=look.title,
        base_branch=look.base_branch,
        head_commit=look.head_sha,
        seen_time=seen,
        merge_time=look.merged_at,
        merge_commit=look.merge_sha,
        close_time=look.closed_at,
        checks=checks,
        rollup=look.rollup,
        has_more_checks=look.has_more_checks,
    )
