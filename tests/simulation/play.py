"""Plays scenarios: one seed, from its first moment until all is at rest, and compares what came of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from codecourier.kinds.registry import REGISTRY, Registry
from tests.simulation.clock import Deadlock, Livelock, run_virtual
from tests.simulation.cluster import SimulatedCluster
from tests.simulation.coverage import Transition
from tests.simulation.faults import FaultPlan
from tests.simulation.forge import CANARY
from tests.simulation.invariants.scene import Violation
from tests.simulation.neighbours import LONGEST_WAIT_SECONDS
from tests.simulation.rest import Outcome, differences, outcome_of, unrest
from tests.simulation.scenario import Scenario

__all__ = ["Result", "play", "play_and_compare"]

_STEP_SECONDS = 5.0
_QUIET_SECONDS = 150.0
"""How long nothing may change before a cluster counts as resting: longer than every wait of the operator's own."""

_MOST_WORK_AT_REST = 20
"""Keys that may be worked on in one step when nothing is left to do: a few look at the forge now and then."""

_MOST_WORK_UNCHANGED = 60
"""Keys that may be worked on in one step while nothing changes: what waits looks now and then, and does not spin."""

_SPINNING_STEPS = 12
"""In how many steps, one after the other, more shows that something spins."""

_LIMIT_SECONDS = 3 * 3600.0
"""How long after the last fault a cluster may take to come to rest."""


@dataclass(frozen=True)
class Result:
    """What came of a scenario."""

    scenario: Scenario
    violation: Violation | None
    outcome: Outcome | None
    """None where an invariant did not hold."""

    hits: Counter[Transition]
    trace: Sequence[str]
    writes: int
    """Writes of all operators, without the Lease."""

    agent_starts: int
    seconds: float
    """Virtual seconds until rest."""


class _LeakHandler(logging.Handler):
    """Notices a credential in a log."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.leak: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record."""
        text = record.getMessage()
        if CANARY in text or (record.exc_info and CANARY in repr(record.exc_info[1])):
            self.leak = text.replace(CANARY, "(a credential) ")


@contextmanager
def _watched_logs() -> Iterator[_LeakHandler]:
    logger, handler = logging.getLogger("codecourier"), _LeakHandler()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


def play(scenario: Scenario, plan: FaultPlan | None = None, registry: Registry = REGISTRY) -> Result:
    """Play a scenario to its end.

    Parameters
    ----------
    scenario
        What is played.
    plan
        What goes wrong with operators' calls; None: as the scenario's rates say.
    registry
        The kinds that operators work on.
    """

    kept: list[SimulatedCluster] = []

    async def main() -> Result:
        cluster = SimulatedCluster(scenario, plan, registry)
        kept.append(cluster)
        with _watched_logs() as logs:
            await _until_rest(cluster)
        if logs.leak is not None:
            cluster.monitor.fail("8", f"a credential is in a log: {logs.leak}")
        return _result(cluster)

    return run_virtual(main)


async def _until_rest(cluster: SimulatedCluster) -> None:
    loop, monitor = asyncio.get_running_loop(), cluster.monitor
    last = max([cluster.fault_end, *(deed.seconds for deed in cluster.scenario.deeds)])
    worked = before = 0.0
    spinning = 0
    while monitor.violation is None:
        try:
            await asyncio.sleep(_STEP_SECONDS)
        except (Deadlock, Livelock) as error:
            monitor.fail("9", str(error))
        monitor.deeds()
        _check_waits(cluster)
        quiet_seconds = loop.time() - max(last, cluster.quiet_since)
        if quiet_seconds > _QUIET_SECONDS - 2 * _STEP_SECONDS:
            worked, before = cluster.worked, worked
        is_spinning = quiet_seconds > _QUIET_SECONDS and worked - before > _MOST_WORK_UNCHANGED
        spinning = spinning + 1 if is_spinning and not cluster.scenario.neighbours else 0
        if spinning == _SPINNING_STEPS:
            monitor.fail("9", f"nothing changes and {worked - before:.0f} keys are worked on in {_STEP_SECONDS} s")
        if quiet_seconds > _QUIET_SECONDS and not list(unrest(cluster)):
            if worked - before > _MOST_WORK_AT_REST and not cluster.scenario.neighbours:
                monitor.fail("9", f"all is at rest and {worked - before:.0f} keys were worked on in {_STEP_SECONDS} s")
            return
        if loop.time() > last + _LIMIT_SECONDS:
            words = list(unrest(cluster)) or ["something is written again and again"]
            monitor.fail("9", f"no rest: {'; '.join(words)}")


def _check_waits(cluster: SimulatedCluster) -> None:
    if cluster.scenario.neighbours and (oldest := cluster.oldest_seconds) > LONGEST_WAIT_SECONDS:
        cluster.monitor.fail("11", f"a key has waited {oldest:.1f} s for a worker while another team's host hangs")


def _result(cluster: SimulatedCluster) -> Result:
    violation = cluster.monitor.violation
    return Result(
        scenario=cluster.scenario,
        violation=violation,
        outcome=None if violation is not None else outcome_of(cluster),
        hits=cluster.coverage.hits,
        trace=tuple(cluster.trace),
        writes=cluster.writes,
        agent_starts=len(cluster.nodes.starts),
        seconds=asyncio.get_running_loop().time(),
    )


def play_and_compare(scenario: Scenario, plan: FaultPlan | None = None) -> Result:
    """Play a scenario and, unless people interfere in it, hold its outcome to the one without faults (invariant 9)."""
    result = play(scenario, plan)
    if result.outcome is None or scenario.mood == "peopled":
        return result
    expected = play(scenario.without_faults())
    if expected.outcome is None:
        return expected
    is_calm = scenario.mood == "calm"
    found = list(differences(result.outcome, expected.outcome, is_calm=is_calm))
    if not found:
        return result
    violation = Violation("9", "; ".join(found), result.seconds)
    return Result(**{**result.__dict__, "violation": violation})
