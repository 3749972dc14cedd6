"""What goes wrong between an operator and the outside, decided for each call by a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol

from codecourier.kube.api import LEASES, Resource
from codecourier.kube.errors import ApiError, ServerError, TooManyRequests, Unanswered
from tests.simulation.network import CALL_SECONDS, Call, Late, Network

__all__ = ["CountingPlan", "Fault", "FaultPlan", "FaultyNetwork", "NoFaults", "RandomFaults", "ScriptedFault"]

_RETRY_AFTER_SECONDS = 3.0
_MOST_LATE_SECONDS = 40.0
_READABLE = ("DROPPED", "BROKEN", "THROTTLED")


class Fault(Enum):
    """What can happen to one call."""

    DROPPED = "the request is lost"
    LOST = "the work is done and the answer is lost"
    BROKEN = "the server answers 500 and does nothing"
    TORN = "the work is done and the server answers 500"
    THROTTLED = "the server answers 429 with Retry-After and does nothing"
    LATE = "the request arrives after the caller gave it up"
    ORPHANED = "the operator is killed, and the request arrives all the same, later"
    CRASH_BEFORE = "the operator is killed before the request leaves"
    CRASH_AFTER = "the operator is killed after the work was done"


class FaultPlan(Protocol):
    """Decides for each call."""

    def choose(self, call: Call) -> Fault | None:
        """Return what happens to a call, None where all goes well."""
        ...


class NoFaults:
    """All goes well."""

    def choose(self, _call: Call) -> Fault | None:
        """Return None."""
        return None


@dataclass
class CountingPlan:
    """Another plan, and a count of the writes that were begun; those for the Lease do not count.

    Parameters
    ----------
    plan
        What decides.
    """

    plan: FaultPlan
    count: int = 0

    def choose(self, call: Call) -> Fault | None:
        """Count a write and ask the plan."""
        self.count += bool(call.write) and call.resource != LEASES
        return self.plan.choose(call)


@dataclass
class ScriptedFault:
    """One fault at one write, the calls for the Lease not counted; all other calls go well.

    Parameters
    ----------
    write
        The number of the write over the lives of all operators, from 1.
    fault
        What happens to it.
    """

    write: int
    fault: Fault
    _count: int = 0

    def choose(self, call: Call) -> Fault | None:
        """Return the fault when its write has come."""
        if not call.write or call.resource == LEASES:
            return None
        self._count += 1
        return self.fault if self._count == self.write else None


@dataclass
class RandomFaults:
    """Faults by chance until a time.

    Parameters
    ----------
    random
        Source of the chance.
    rates
        How likely each fault is for one call.
    is_over
        Tells whether faults have ended.
    """

    random: Random
    rates: Mapping[Fault, float]
    is_over: Callable[[], bool]

    def choose(self, call: Call) -> Fault | None:
        """Return a fault by chance; calls that only read cannot lose work."""
        if self.is_over() or call.resource == LEASES:
            return None
        dice = self.random.random()
        for fault, rate in self.rates.items():
            if not call.write and fault.name not in _READABLE:
                continue
            if dice < rate:
                return fault
            dice -= rate
        return None


@dataclass
class FaultyNetwork(Network):
    """The network of one life of one operator.

    Once the operator is dead nothing leaves and nothing arrives any more: whatever its tasks still wait for never
    comes.

    Parameters
    ----------
    random
        Source of the delays.
    plan
        What goes wrong.
    kill
        Ends the operator.
    note
        Is told of each fault, for the trace.
    max_seconds
        The longest way in one direction.
    """

    random: Random
    plan: FaultPlan
    kill: Callable[[], None]
    note: Callable[[str], None]
    max_seconds: float = 0.02
    is_dead: bool = False
    is_partitioned: bool = False
    """Whether no call arrives and no event comes."""

    slow: dict[Resource, float] = field(default_factory=dict)
    """Seconds by which the events of a kind are late."""

    _after: dict[Call, Fault] = field(default_factory=dict)

    async def before(self, call: Call) -> None:
        """Carry a request."""
        await self._stay_alive()
        await super().before(call)
        await self._stay_alive()
        if self.is_partitioned:
            await self._give_up(call)
        fault = self.plan.choose(call)
        if fault is not None:
            self.note(f"{call.client}: {call.verb} {call.resource.kind} {call.name}: {fault.value}")
            await self._break(call, fault)

    async def after(self, call: Call, error: ApiError | None) -> None:
        """Carry an answer."""
        await self._stay_alive()
        fault = self._after.pop(call, None)
        if fault is Fault.CRASH_AFTER:
            await self._die()
        if fault is Fault.TORN:
            raise ServerError(500, "InternalError", "the simulated server broke after the work")
        if fault is Fault.LOST or self.is_partitioned:
            await self._give_up(call)
        await super().after(call, error)
        await self._stay_alive()

    def event_delay(self, client: str, resource: Resource) -> float:
        """Return how many seconds an event takes."""
        return super().event_delay(client, resource) + self.slow.get(resource, 0.0)

    async def _break(self, call: Call, fault: Fault) -> None:
        match fault:
            case Fault.DROPPED:
                await self._give_up(call)
            case Fault.BROKEN:
                raise ServerError(500, "InternalError", "the simulated server is broken")
            case Fault.THROTTLED:
                raise TooManyRequests(429, "TooManyRequests", "slow down", retry_after=_RETRY_AFTER_SECONDS)
            case Fault.LATE:
                raise Late(CALL_SECONDS + self.random.random() * _MOST_LATE_SECONDS)
            case Fault.ORPHANED:
                self.kill()
                raise Late(self.random.random() * _MOST_LATE_SECONDS)
            case Fault.CRASH_BEFORE:
                await self._die()
            case Fault.LOST | Fault.TORN | Fault.CRASH_AFTER:
                self._after[call] = fault

    async def _give_up(self, call: Call) -> None:
        await asyncio.sleep(CALL_SECONDS)
        await self._stay_alive()
        raise Unanswered(f"{call.verb} {call.resource.plural} {call.name}: no answer in time")

    async def _die(self) -> None:
        self.kill()
        await self._stay_alive()

    async def _stay_alive(self) -> None:
        if self.is_dead:
            await asyncio.get_running_loop().create_future()
