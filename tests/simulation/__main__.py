"""Plays seeds for a time: ``python -m tests.simulation --seconds 120``, or one again: ``--seed 42 --trace``."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count, islice

from tests.simulation.coverage import EXPECTED, Transition
from tests.simulation.play import Result, play_and_compare
from tests.simulation.rehearsed import REHEARSED
from tests.simulation.scenario import Scenario, scenario_of

_WORKERS = 2
_BATCH = 8
_SEED_BITS = 40


@dataclass
class _Tally:
    """What many seeds came to."""

    seeds: int = 0
    writes: int = 0
    hits: Counter[Transition] = field(default_factory=Counter)
    failed: list[tuple[int, str]] = field(default_factory=list)


def _play_some(scenarios: Sequence[Scenario]) -> _Tally:
    tally = _Tally()
    for scenario in scenarios:
        result = play_and_compare(scenario)
        tally.seeds += 1
        tally.writes += result.writes
        tally.hits += result.hits
        if result.violation is not None:
            tally.failed.append((scenario.seed, str(result.violation)))
    return tally


def _batches(first: int) -> Iterator[Sequence[Scenario]]:
    yield REHEARSED
    seeds = count(first)
    while True:
        yield [scenario_of(seed) for seed in islice(seeds, _BATCH)]


def _play_for(seconds: float, first: int) -> _Tally:
    """Play on all cores until the time is over; a batch that has begun ends."""
    tally, end = _Tally(), time.monotonic() + seconds
    batches = _batches(first)
    with ProcessPoolExecutor(_WORKERS) as pool:
        pending = [pool.submit(_play_some, next(batches)) for _ in range(_WORKERS)]
        while pending:
            part = pending.pop(0).result()
            tally.seeds += part.seeds
            tally.writes += part.writes
            tally.hits += part.hits
            tally.failed += part.failed
            if time.monotonic() < end and not tally.failed:
                pending.append(pool.submit(_play_some, next(batches)))
    return tally


def _report(tally: _Tally, seconds: float, first: int) -> bool:
    """Print what came of it; tell whether all is well."""
    print("transition                                     hits")
    for machine, before, after in sorted(EXPECTED | tally.hits.keys()):
        number = tally.hits[machine, before, after]
        remark = "" if (machine, before, after) in EXPECTED else "  (not expected)"
        print(f"{machine + ': ' + (before or '-') + ' -> ' + after:45}{number:6}{remark}")
    missing = [transition for transition in EXPECTED if not tally.hits[transition]]
    for seed, violation in tally.failed:
        print(f"seed {seed}: {violation}\n  make sim SEED={seed} plays it alone, with its trace")
    if missing and not tally.failed:
        print(f"never seen: {', '.join(map(str, missing))}: give it more time, or teach a scenario to do it")
    rate = tally.seeds / seconds * 60
    print(
        f"{tally.seeds} seeds from {first} in {seconds:.0f} s ({rate:.0f} a minute), {tally.writes} API and forge "
        f"writes, {len(tally.failed)} failed"
    )
    return not tally.failed and not missing


def _play_alone(seed: int, *, with_trace: bool) -> Result:
    scenario = scenario_of(seed)
    result = play_and_compare(scenario)
    print(scenario)
    if with_trace or result.violation is not None:
        print("\n".join(result.trace))
    print(result.violation or f"at rest after {result.seconds:.0f} virtual seconds: {result.outcome}")
    return result


def main() -> int:
    """Play what the command line asks for; 0 when all invariants held and every transition was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to play new seeds")
    parser.add_argument("--seed", type=int, help="play this one alone")
    parser.add_argument("--first", type=int, help="the first seed; default: a new one each time")
    parser.add_argument("--trace", action="store_true", help="print the trace also when all is well")
    options = parser.parse_args()
    if options.seed is not None:
        return int(_play_alone(options.seed, with_trace=options.trace).violation is not None)
    first = options.first if options.first is not None else secrets.randbits(_SEED_BITS)
    started = time.monotonic()
    tally = _play_for(options.seconds, first)
    return int(not _report(tally, time.monotonic() - started, first))


if __name__ == "__main__":
    sys.exit(main())
