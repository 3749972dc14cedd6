"""The gate of a merge: what passes, what waits and what fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecourier.checks import Check, CheckState, Gate, RequiredCheck
from codecourier.core.merge_job.gate import GATE_LIMIT, LOOK_AGAIN, MOST_PAUSE, QUIET, OpenCheck, judge_gate
from codecourier.core.shared.reasons import Reason

SINCE = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LATER = SINCE + 2 * QUIET
NOTHING = Gate((), has_queue=False, checks=(), unfinished_suites=0, is_whole=True)
PASSED, PENDING, FAILED = CheckState.PASSED, CheckState.PENDING, CheckState.FAILED
WORDS = {PASSED: "success", PENDING: "in_progress", FAILED: "failure"}


def check(name: str, state: CheckState = PASSED, app: int | None = 7, changed: datetime | None = SINCE) -> Check:
    return Check(name, app, state, WORDS[state], changed)


def gate(*checks: Check, required: tuple[RequiredCheck, ...] = (), suites: int = 0, is_whole: bool = True) -> Gate:
    return replace(NOTHING, required=required, checks=checks, unfinished_suites=suites, is_whole=is_whole)


def requires(*names: str, app: int | None = None) -> tuple[RequiredCheck, ...]:
    return tuple(RequiredCheck(name, app) for name in names)


@pytest.mark.parametrize(
    ("given_gate", "state", "open_checks"),
    [
        (gate(check("test"), required=requires("test")), PASSED, ()),
        (gate(check("test"), check("lint", FAILED), required=requires("test")), PASSED, ()),
        (gate(check("lint"), required=requires("test")), PENDING, (OpenCheck("test", "missing"),)),
        (gate(check("test", PENDING), required=requires("test")), PENDING, (OpenCheck("test", "in_progress"),)),
        (gate(check("test", FAILED), required=requires("test")), FAILED, (OpenCheck("test", "failure"),)),
        (gate(check("test", app=8), required=requires("test", app=7)), PENDING, (OpenCheck("test", "missing"),)),
        (gate(check("test", app=7), required=requires("test", app=7)), PASSED, ()),
        (gate(check("test", app=None), required=requires("test", app=7)), PENDING, (OpenCheck("test", "missing"),)),
        (gate(check("test"), check("test", FAILED, app=None), required=requires("test")), FAILED, None),
        (gate(check("test"), check("test", PENDING, app=None), required=requires("test")), PENDING, None),
        (gate(check("test")), PASSED, ()),
        (gate(check("test", changed=None)), PASSED, ()),
        (gate(check("test", changed=LATER + timedelta(days=1))), PENDING, ()),
        (gate(check("test", changed=LATER - QUIET / 2)), PENDING, ()),
        (gate(check("test"), suites=1), PENDING, ()),
        (gate(check("test"), is_whole=False), PENDING, ()),
        (gate(check("test"), check("slow", PENDING)), PENDING, (OpenCheck("slow", "in_progress"),)),
        (gate(check("test"), check("slow", FAILED)), FAILED, (OpenCheck("slow", "failure"),)),
        (gate(), PENDING, ()),
    ],
)
def test_a_gate_is_judged(given_gate: Gate, state: CheckState, open_checks: tuple[OpenCheck, ...] | None) -> None:
    verdict = judge_gate(given_gate, SINCE, LATER)
    assert verdict.state is state
    assert open_checks is None or verdict.open_checks == open_checks
    assert (verdict.look_again is None) == (state is not PENDING)
    assert bool(verdict.message) == (state is not PASSED)


def test_a_required_check_that_was_green_for_a_second_passes_at_once() -> None:
    green = gate(check("test", changed=SINCE), required=requires("test"))
    assert judge_gate(green, SINCE, SINCE).state is PASSED


def test_green_checks_that_no_rule_names_pass_only_after_a_quiet_time() -> None:
    green = gate(check("test", changed=SINCE))
    early = judge_gate(green, SINCE, SINCE + QUIET - timedelta(seconds=1))
    assert early.state is PENDING
    assert judge_gate(green, SINCE, SINCE + QUIET).state is PASSED


def test_a_check_that_registers_late_is_waited_for() -> None:
    green, now = gate(check("lint")), SINCE + 2 * QUIET
    late = gate(check("lint"), check("slow", PENDING, changed=now))
    assert judge_gate(green, SINCE, now).state is PASSED
    assert judge_gate(late, SINCE, now).state is PENDING
    done = gate(check("lint"), check("slow", changed=now))
    assert judge_gate(done, SINCE, now).state is PENDING
    assert judge_gate(done, SINCE, now + QUIET).state is PASSED


@pytest.mark.parametrize("waiting", [gate(), gate(check("a", PENDING)), gate(required=requires("a"))])
def test_a_gate_fails_at_its_limit_and_says_what_is_missing(waiting: Gate) -> None:
    before = judge_gate(waiting, SINCE, SINCE + GATE_LIMIT - timedelta(seconds=1))
    assert (before.state, before.look_again) == (PENDING, SINCE + GATE_LIMIT)
    after = judge_gate(waiting, SINCE, SINCE + GATE_LIMIT)
    assert (after.state, after.reason) == (FAILED, Reason.CHECKS_MISSING)
    assert "a (" in after.message or "No check" in after.message


def test_checks_that_take_long_are_looked_at_less_and_less_often() -> None:
    waiting, now, looks = gate(check("a", PENDING)), SINCE, 0
    pauses = []
    while (again := judge_gate(waiting, SINCE, now).look_again) is not None:
        pauses.append(again - now)
        now, looks = again, looks + 1
    assert pauses[:-1] == sorted(pauses[:-1])
    assert (pauses[0], max(pauses)) == (LOOK_AGAIN, MOST_PAUSE)
    assert looks < 60


def test_no_checks_at_all_pass_only_where_that_is_allowed() -> None:
    assert judge_gate(NOTHING, SINCE, LATER, allows_no_checks=False).state is PENDING
    assert judge_gate(NOTHING, SINCE, SINCE, allows_no_checks=True).state is PENDING
    assert judge_gate(NOTHING, SINCE, LATER, allows_no_checks=True).state is PASSED


def test_a_sentence_names_few_of_many_checks() -> None:
    many = gate(*(check(f"check {number} {'x' * 200}", FAILED) for number in range(500)))
    verdict = judge_gate(many, SINCE, LATER)
    assert verdict.message.count("check ") < 20
    assert len(verdict.open_checks) == 500


NAMES = st.sampled_from(["a", "b", "c"])
CHECKS = st.builds(check, NAMES, st.sampled_from(CheckState), st.sampled_from([None, 7, 8]))
REQUIRED = st.builds(RequiredCheck, NAMES, st.sampled_from([None, 7]))
GATES = st.builds(
    Gate,
    st.lists(REQUIRED, max_size=3, unique=True).map(tuple),
    has_queue=st.booleans(),
    checks=st.lists(CHECKS, max_size=5, unique_by=lambda check: (check.name, check.app)).map(tuple),
    unfinished_suites=st.integers(0, 2),
    is_whole=st.booleans(),
)


@given(GATES, st.timedeltas(timedelta(0), 2 * GATE_LIMIT), st.booleans())
def test_nothing_red_or_unfinished_passes(given_gate: Gate, age: timedelta, allows: bool) -> None:  # noqa: FBT001
    verdict = judge_gate(given_gate, SINCE, SINCE + age, allows_no_checks=allows)
    if verdict.state is not PASSED:
        return
    for required in given_gate.required:
        answering = [c for c in given_gate.checks if c.name == required.name and required.app in {None, c.app}]
        assert answering
        assert all(c.state is PASSED for c in answering)
    if not given_gate.required:
        assert all(c.state is PASSED for c in given_gate.checks)
        assert given_gate.checks or allows
        assert not given_gate.unfinished_suites


@given(GATES, st.booleans())
def test_every_gate_is_decided_at_its_limit(given_gate: Gate, allows: bool) -> None:  # noqa: FBT001
    verdict = judge_gate(given_gate, SINCE, SINCE + GATE_LIMIT, allows_no_checks=allows)
    assert verdict.state is not PENDING
    assert verdict.look_again is None
