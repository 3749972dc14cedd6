"""Every stop and deletion ends in bounded time, whatever the state and the problem (invariant 12)."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from tests.simulation.endings import CASES, Case, play_case

pytestmark = [pytest.mark.simulation, pytest.mark.timeout(600)]

PARTS = 3
STEP = 1 if os.environ.get("CODECOURIER_ALL_ENDINGS") else 7
"""One of how many cases is played; the environment asks for all."""


def sample(part: int) -> Sequence[Case]:
    """Return a part of what is played."""
    return CASES[::STEP][part::PARTS]


def test_the_sample_has_each_state_and_each_problem() -> None:
    played = [case for part in range(PARTS) for case in sample(part)]
    assert {(case.kind, case.state) for case in played} == {(case.kind, case.state) for case in CASES}
    for kind in {case.kind for case in CASES}:
        assert {c.problem for c in played if c.kind == kind} == {c.problem for c in CASES}


@pytest.mark.parametrize("part", range(PARTS))
def test_invariant_12_every_stop_and_deletion_ends_in_bounded_time(part: int) -> None:
    found = {str(case): overdue for case in sample(part) if (overdue := play_case(case))}
    assert found == {}
