"""Failed effects: told to the next plan, and tried again no sooner than they may."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

from codecourier.controller.backlog import Backlog
from codecourier.controller.queue import Backoff
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason
from tests.simulation.clock import EPOCH, WallClock, pass_time, virtual

PROBLEM = Problem(Reason.FORGE_UNAVAILABLE, "It is away.")
COUNTED = replace(PROBLEM, since=EPOCH, tried=EPOCH)


def make() -> Backlog:
    now = WallClock(asyncio.get_running_loop()).now
    return Backlog(now, Random(1), Backoff(base_seconds=1.0, max_seconds=8.0))


@virtual
async def test_what_was_never_tried_may_be_tried() -> None:
    backlog = make()
    assert backlog.is_due("run", "mint")
    assert backlog.problems("run") == {}
    assert backlog.next_time("run", ["mint", "open"]) is None


@virtual
async def test_what_failed_waits_and_the_next_plan_is_told_why() -> None:
    backlog = make()
    backlog.note("run", "mint", PROBLEM)
    assert backlog.problems("run") == {"mint": COUNTED}
    assert not backlog.is_due("run", "mint")
    due = backlog.next_time("run", ["mint", "open"])
    assert due is not None
    assert 0.5 <= due <= 1.0
    await pass_time(due)
    assert backlog.is_due("run", "mint")
    assert backlog.problems("run") == {"mint": COUNTED}, "until it was tried again"
    backlog.note("run", "mint", PROBLEM)
    again = replace(COUNTED, tried=EPOCH + timedelta(seconds=due))
    assert backlog.problems("run") == {"mint": again}, "which counts from the first failure"


@virtual
async def test_each_failure_waits_longer_up_to_a_bound() -> None:
    backlog = make()
    for count in range(12):
        backlog.note("run", "mint", PROBLEM)
        full = min(8.0, 2.0**count)
        due = backlog.next_time("run", ["mint", "open"])
        assert due is not None
        assert full / 2 <= due <= full


@virtual
async def test_a_success_forgets_it() -> None:
    backlog = make()
    for _ in range(5):
        backlog.note("run", "mint", PROBLEM)
    backlog.note("run", "mint", None)
    assert backlog.is_due("run", "mint")
    assert backlog.problems("run") == {}
    backlog.note("run", "mint", PROBLEM)
    due = backlog.next_time("run", ["mint", "open"])
    assert due is not None
    assert due <= 1.0
    assert list(backlog._entries) == ["run"]


@virtual
async def test_a_time_that_the_forge_names_is_kept() -> None:
    backlog = make()
    limited = Problem(Reason.RATE_LIMITED, "Later.", retry_time=EPOCH + timedelta(seconds=100))
    backlog.note("run", "mint", limited)
    assert backlog.next_time("run", ["mint", "open"]) == 100.0
    past = Problem(Reason.RATE_LIMITED, "Later.", retry_time=EPOCH - timedelta(seconds=100))
    backlog.note("run", "open", past)
    due = backlog.next_time("run", ["mint", "open"])
    assert due is not None
    assert 0.5 <= due <= 1.0, "the first of them counts, and a time that is past does not do away with the backoff"


@virtual
async def test_objects_and_effects_are_told_apart() -> None:
    backlog = make()
    backlog.note("run", "mint", PROBLEM)
    assert backlog.is_due("run", "open")
    assert backlog.is_due("other", "mint")
    backlog.note("other", "mint", PROBLEM)
    backlog.forget("run")
    assert backlog.problems("run") == {}
    assert backlog.problems("other") == {"mint": COUNTED}
    backlog.forget("run")
    backlog.note("run", "mint", None)
    assert list(backlog._entries) == ["other"]


@virtual
async def test_only_what_is_wanted_asks_for_another_look() -> None:
    backlog = make()
    backlog.note("run", "open", PROBLEM)
    assert backlog.next_time("run", ["mint"]) is None
    assert backlog.next_time("run", ["open"]) is not None


@virtual
async def test_a_time_that_a_plan_is_told_is_one_at_which_it_can_try() -> None:
    backlog, now = make(), WallClock(asyncio.get_running_loop()).now
    for _ in range(8):
        limited = Problem(Reason.RATE_LIMITED, "Wait.", retry_time=now() + timedelta(seconds=3))
        backlog.note("run", "mint", limited)
        told = backlog.problems("run")["mint"]
        assert isinstance(told, Problem)
        assert told.retry_time is not None
        await pass_time((told.retry_time - now()).total_seconds() + 0.001)
        assert backlog.is_due("run", "mint")


@virtual
async def test_silence_becomes_a_problem_after_a_minute_and_is_then_tried_less_and_less_often() -> None:
    backlog = make()
    assert not backlog.note_unanswered("run", "mint", PROBLEM)
    await pass_time(59)
    assert not backlog.note_unanswered("run", "mint", PROBLEM)
    assert backlog.problems("run") == {}
    await pass_time(1)
    assert backlog.note_unanswered("run", "mint", PROBLEM)
    assert backlog.problems("run")["mint"].refused_since is None
    assert not backlog.is_due("run", "mint")
    assert backlog.note_unanswered("run", "mint", PROBLEM), "it still lasts"
    assert not backlog.note_unanswered("run", "other", PROBLEM)
    backlog.note("run", "mint", None)
    assert backlog.problems("run") == {}
    assert not backlog.note_unanswered("run", "mint", PROBLEM), "an answer ended it"
