"""RecurringTasks on the nights in which the clocks of their zone change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.simulation.faults import Fault
from tests.simulation.nights import NIGHTS, Night, count_stops
from tests.simulation.plants import PLANTS, planted
from tests.simulation.play import Result, play
from tests.simulation.scenario import REFERENCE, Deed, Scenario

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

PACE = 90.0
"""Virtual seconds from one time of interest to the next: a Run of a task ends in between."""

GAP, OVERLAP, SKIPPED_DAY = NIGHTS[0], NIGHTS[1], NIGHTS[10]


def night_of(night: Night, tasks: int = 1) -> Scenario:
    """Return a scenario that goes over a night, with a halt shortly before each time of interest."""
    count = count_stops(night)
    deeds = tuple(Deed(PACE * number, "pass a day") for number in range(1, count + 1))
    return replace(
        REFERENCE,
        mood="peopled",
        chains=0,
        tasks=tasks,
        limit=3,
        night=night,
        deeds=deeds,
        fault_seconds=PACE * count,
    )


def dispositions(result: Result) -> dict[str, int]:
    """Return how many slots had each disposition first."""
    return {to: count for (machine, before, to), count in result.hits.items() if (machine, before) == ("Slot", "")}


def with_crashes(scenario: Scenario) -> Scenario:
    return replace(scenario, rates={Fault.CRASH_BEFORE: 0.03, Fault.CRASH_AFTER: 0.03, Fault.ORPHANED: 0.02})


def with_two_leaders(scenario: Scenario) -> Scenario:
    cuts = tuple(Deed(deed.seconds - 10, "partition leader") for deed in scenario.deeds)
    return replace(scenario, operators=2, deeds=tuple(sorted((*scenario.deeds, *cuts), key=lambda deed: deed.seconds)))


def with_jumps(scenario: Scenario) -> Scenario:
    jumps = tuple(Deed(deed.seconds - 30, "jump clock far") for deed in scenario.deeds[1::2])
    return replace(scenario, deeds=tuple(sorted((*scenario.deeds, *jumps), key=lambda deed: deed.seconds)))


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: f"{night.zone} {night.day} {night.frequency}")
def test_a_task_fires_on_each_day_that_exists_and_once(night: Night) -> None:
    result = play(night_of(night))
    assert result.violation is None, "\n".join(result.trace)
    assert dispositions(result) == {"Fired": night.slots}


@pytest.mark.parametrize("trouble", [with_crashes, with_two_leaders, with_jumps])
@pytest.mark.parametrize("night", [GAP, OVERLAP, SKIPPED_DAY], ids=["gap", "overlap", "skipped day"])
def test_a_night_full_of_trouble(night: Night, trouble: Callable[[Scenario], Scenario]) -> None:
    result = play(trouble(night_of(night, tasks=2)))
    assert result.violation is None, f"{result.violation}\n" + "\n".join(result.trace)


@pytest.mark.parametrize(
    ("words", "night", "other"),
    [
        ("a time that clocks skip has no slot", GAP, OVERLAP),
        ("a time that clocks show twice has two slots", OVERLAP, GAP),
        ("a slot comes the second time that clocks show it", OVERLAP, GAP),
    ],
)
def test_only_the_right_night_shows_a_planted_fault(words: str, night: Night, other: Night) -> None:
    with planted(PLANTS[words]):
        noticed = play(night_of(night)).violation
        assert noticed is not None
        assert noticed.invariant == "2"
        assert play(night_of(other)).violation is None
        assert play(replace(night_of(night), night=None)).violation is None
