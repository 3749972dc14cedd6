"""An election over the simulated API server: those who want the Lease, and ways to it that a test spoils."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from codecourier.kube.api import LEASES, Json
from codecourier.kube.errors import ApiError, Unanswered
from codecourier.kube.lease import LeaderElector, LeaseIdentity, LeaseTiming
from tests.simulation.apiserver import ApiServer
from tests.simulation.clock import WallClock
from tests.simulation.network import Call, Network

__all__ = ["TIMING", "Candidate", "Election", "Ways"]

TIMING = LeaseTiming(duration=12, renew_deadline=6.0, retry=1.5)


class Ways(Network):
    """A network whose ways to and from the server a test lengthens, breaks or delays for each client."""

    def __init__(self) -> None:
        super().__init__(Random(1))
        self.calls: list[tuple[float, Call]] = []
        self.broken: set[str] = set()
        self.there: Callable[[Call], float] = lambda _: 0.0
        self.back: Callable[[Call], float] = lambda _: 0.0
        self.refuse: Callable[[Call], Exception | None] = lambda _: None

    async def before(self, call: Call) -> None:
        self.calls.append((asyncio.get_running_loop().time(), call))
        error = self.refuse(call)
        if error is not None:
            raise error
        await asyncio.sleep(self.there(call))
        await self._break(call)

    async def after(self, call: Call, error: ApiError | None) -> None:
        await asyncio.sleep(self.back(call))
        await self._break(call)

    async def _break(self, call: Call) -> None:
        if call.client in self.broken:
            await asyncio.sleep(5.0)
            raise Unanswered("the link is broken")


class Candidate:
    """A process that asks for the Lease."""

    def __init__(self, election: Election, name: str, holder: str | None = None) -> None:
        self.name = name
        self.is_lost = False
        self._election = election
        self.elector = LeaderElector(
            election.server.client(name, election.network),
            LeaseIdentity("default", "leader", holder or name),
            now=election.clock.now,
            random=Random(name),
            timing=TIMING,
        )
        self.elector.leading = Leading(election, name)
        self.task = asyncio.create_task(self.elector.run(self._lose))

    @property
    def leads(self) -> bool:
        """Whether it may act."""
        return self.elector.leading.is_set()

    def crash(self) -> None:
        """End it without a word."""
        self.task.cancel()
        self._election.leaders.discard(self.name)

    def _lose(self) -> None:
        assert not self.is_lost
        self.is_lost = True


class Leading(asyncio.Event):
    """Records the leader, and each operator that starts to lead while another one leads."""

    def __init__(self, election: Election, name: str) -> None:
        super().__init__()
        self._election = election
        self._name = name

    def set(self) -> None:
        """Lead."""
        election = self._election
        if not election.leaders <= {self._name}:
            # An error raised here would be one of the elector's.
            election.violations.append(f"{self._name} leads beside {election.leaders}")
        election.leaders.add(self._name)
        election.began.append((asyncio.get_running_loop().time(), self._name))
        super().set()

    def clear(self) -> None:
        """Lead no more."""
        self._election.leaders.discard(self._name)
        super().clear()


class Election:
    """A server and those who want to lead. Make it inside the running loop."""

    def __init__(self) -> None:
        self.clock = WallClock(asyncio.get_running_loop())
        self.network = Ways()
        self.server = ApiServer(now=self.clock.now, random=Random(1))
        self.leaders: set[str] = set()
        self.began: list[tuple[float, str]] = []
        self.violations: list[str] = []

    def candidate(self, name: str, holder: str | None = None) -> Candidate:
        """Start a process."""
        return Candidate(self, name, holder)

    @property
    def lease(self) -> Json:
        """The Lease as it is."""
        return self.server.store.get(LEASES, "default", "leader").obj

    def takeover_seconds(self, since: float) -> float:
        """Return how long after a moment an operator started to lead."""
        return next(time for time, _ in self.began if time > since) - since
