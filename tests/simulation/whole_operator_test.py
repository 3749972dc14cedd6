"""The whole operator on a virtual clock: a fixed budget of seeds, a crash at every write, and planted faults."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain

import pytest

from tests.simulation.coverage import EXPECTED
from tests.simulation.faults import Fault, NoFaults, ScriptedFault
from tests.simulation.plants import PLANTS, planted
from tests.simulation.play import Result, play, play_and_compare
from tests.simulation.rehearsed import REHEARSED
from tests.simulation.rest import differences
from tests.simulation.scenario import REFERENCE, Deed, Scenario, scenario_of

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

SEEDS = 240
"""How many scenarios are always played; `make sim` plays new ones."""

PARTS = 8
MOST_SEEDS_FOR_A_PLANT = 200


def complain(result: Result) -> str:
    """Return what a person needs to find out why a scenario failed."""
    return f"{result.violation}\nmake sim SEED={result.scenario.seed}\n" + "\n".join(result.trace)


@pytest.mark.parametrize("part", range(PARTS))
def test_invariants_hold_in_every_scenario(part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        result = play_and_compare(scenario_of(seed))
        assert result.violation is None, complain(result)


@pytest.mark.parametrize("scenario", REHEARSED)
def test_invariants_hold_in_what_is_rehearsed(scenario: Scenario) -> None:
    result = play_and_compare(scenario)
    assert result.violation is None, complain(result)


def test_scenarios_come_through_every_transition() -> None:
    hits: Counter[tuple[str, str, str]] = Counter()
    for scenario in chain(REHEARSED, map(scenario_of, range(SEEDS))):
        result = play(scenario)
        assert result.violation is None, complain(result)
        hits += result.hits
        if not EXPECTED - hits.keys():
            return
    assert not EXPECTED - hits.keys()


def test_a_seed_decides_everything() -> None:
    seed = next(seed for seed in range(SEEDS) if scenario_of(seed).mood == "peopled" and scenario_of(seed).rates)
    first, second = play(scenario_of(seed)), play(scenario_of(seed))
    assert first.trace == second.trace


@pytest.mark.parametrize(
    ("fault", "operators"),
    [
        (Fault.CRASH_BEFORE, 1),
        (Fault.CRASH_AFTER, 1),
        (Fault.CRASH_AFTER, 2),
        (Fault.ORPHANED, 2),
        (Fault.DROPPED, 1),
        (Fault.LOST, 1),
        (Fault.TORN, 1),
        (Fault.LATE, 1),
    ],
)
def test_a_fault_at_any_write_changes_nothing(fault: Fault, operators: int) -> None:
    reference = replace(REFERENCE, operators=operators)
    expected = play(reference, NoFaults())
    assert expected.violation is None, complain(expected)
    assert expected.outcome is not None
    for write in range(1, expected.writes + 1):
        result = play(reference, ScriptedFault(write, fault))
        assert result.violation is None, f"write {write}: {complain(result)}"
        assert result.outcome is not None
        assert list(differences(result.outcome, expected.outcome, is_calm=True)) == []
        assert result.agent_starts == expected.agent_starts


@pytest.mark.parametrize(
    ("fault", "operators"), [(Fault.CRASH_BEFORE, 1), (Fault.CRASH_AFTER, 1), (Fault.LOST, 1), (Fault.ORPHANED, 2)]
)
def test_a_fault_at_any_write_of_a_slot_changes_nothing(fault: Fault, operators: int) -> None:
    reference = replace(REFERENCE, chains=0, tasks=1, operators=operators)
    expected = play(reference, NoFaults())
    assert expected.violation is None, complain(expected)
    assert expected.outcome is not None
    assert expected.agent_starts == 1
    for write in range(1, expected.writes + 1):
        result = play(reference, ScriptedFault(write, fault))
        assert result.violation is None, f"write {write}: {complain(result)}"
        assert result.outcome is not None
        assert list(differences(result.outcome, expected.outcome, is_calm=True)) == []
        assert result.agent_starts == expected.agent_starts


@pytest.mark.parametrize("late", ["late pods", "late runs"])
@pytest.mark.parametrize("seconds", [3.0, 5.0, 8.0])
def test_a_standby_that_has_not_heard_of_everything_changes_nothing(late: str, seconds: float) -> None:
    deeds = (Deed(0.05, late), Deed(seconds, "hand over"))
    result = play_and_compare(replace(REFERENCE, operators=2, deeds=deeds))
    assert result.violation is None, complain(result)


@pytest.mark.parametrize("operators", [1, 2])
@pytest.mark.parametrize("lost_seconds", [1.5, 30.0])
def test_a_restore_from_a_backup_at_any_time_comes_to_rest(operators: int, lost_seconds: float) -> None:
    for backup in (1.0, 8.0, 16.0, 24.0, 32.0, 48.0):
        deeds = (Deed(backup, "back up"), Deed(backup + lost_seconds, "restore"))
        result = play(replace(REFERENCE, mood="peopled", operators=operators, deeds=deeds))
        assert result.violation is None, complain(result)
        assert result.outcome is not None
        assert [known[0] for known in result.outcome.chains.values()] == ["Completed"], complain(result)
        assert [len(run[3]) for run in result.outcome.runs.values()] == [1, 1], complain(result)


def test_a_chain_goes_on_above_a_pull_request_that_is_merged_meanwhile() -> None:
    result = play(replace(REFERENCE, mood="peopled", deeds=(Deed(40.0, "merge pull request"),)))
    assert result.violation is None, complain(result)
    assert result.outcome is not None
    assert [known[0] for known in result.outcome.chains.values()] == ["Completed"], complain(result)


def test_tokens_that_are_replaced_while_agents_work_cost_no_try() -> None:
    for seed in range(12):
        scenario = replace(REFERENCE, seed=seed, chains=0, runs=8, limit=8, pace=180.0)
        result = play(scenario)
        assert result.violation is None, complain(result)
        assert result.agent_starts == scenario.runs, complain(result)


@pytest.mark.parametrize("words", PLANTS)
def test_planted_fault_is_noticed(words: str) -> None:
    plant = PLANTS[words]
    # One that needs something is shown by the first rehearsed scenario that has it.
    base = next(filter(plant.is_shown_by, REHEARSED)) if plant.needs else REFERENCE
    kinds = (Fault.LATE,) if plant.needs else (Fault.CRASH_AFTER, Fault.LOST)
    crashes = (ScriptedFault(write, fault) for write in range(1, 80) for fault in kinds)
    # Only invariant 9 is about what comes of a scenario compared with the one without faults.
    attempt = play_and_compare if "9" in plant.breaks else play
    with planted(plant):
        played = chain(
            map(attempt, filter(plant.is_shown_by, REHEARSED)),
            (attempt(base, crash) for crash in (crashes if plant.needs else ())),
            map(attempt, filter(plant.is_shown_by, map(scenario_of, range(MOST_SEEDS_FOR_A_PLANT)))),
            (attempt(REFERENCE, crash) for crash in (() if plant.needs else crashes)),
        )
        noticed = (result.violation.invariant for result in played if result.violation is not None)
        assert any(invariant in plant.breaks for invariant in noticed)
