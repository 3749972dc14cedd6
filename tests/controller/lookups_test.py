"""Questions that are looked up beside the workers: once for all that ask, and never for a decision that came after."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from codecourier.controller.background import Background
from codecourier.controller.lookups import ANSWER_SECONDS, EndlessAskError, LookUps
from codecourier.core.shared.facts import Ask, BranchHeadAsk, ObjectAsk, RepositoryAccess
from codecourier.kinds.api_resources import RUNS
from codecourier.kinds.registry import WorkKey
from codecourier.kube.errors import Unanswered
from tests.simulation.clock import pass_time, virtual

ACCESS = RepositoryAccess("shop", "https://forge.test/example/shop", secret="token")
MAIN, NEXT = BranchHeadAsk(ACCESS, "main"), BranchHeadAsk(ACCESS, "next")
OBJECT = ObjectAsk("Run", "shop", "a")
A, B = WorkKey(RUNS, "shop", "a"), WorkKey(RUNS, "shop", "b")


@dataclass
class Oracle:
    """Answers each question after its time with the number of the look-up."""

    seconds: float = 10.0
    asked: list[Ask[Any]] = field(default_factory=list)
    fails: bool = False

    @staticmethod
    def is_quick(ask: Ask[Any]) -> bool:
        return isinstance(ask, ObjectAsk)

    @staticmethod
    def recall(_ask: Ask[Any]) -> object | None:
        return None

    async def answer(self, ask: Ask[Any]) -> object:
        self.asked.append(ask)
        number = len(self.asked)
        if not self.is_quick(ask):
            await pass_time(self.seconds)
        if self.fails:
            raise Unanswered("away")
        return number


@dataclass
class Trial:
    """Look-ups over an oracle, and the keys that they woke."""

    oracle: Oracle = field(default_factory=Oracle)
    background: Background = field(default_factory=Background)
    woken: list[WorkKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        oracle: Any = self.oracle
        self.look_ups = LookUps(oracle, self.background, self.woken.append)

    async def find(self, key: WorkKey, *asks: Ask[Any]) -> dict[Ask[Any], object] | None:
        return await self.look_ups.find(key, key, asks)


@virtual
async def test_no_key_waits_for_an_answer_that_takes_long() -> None:
    trial = Trial()
    assert await trial.find(A, MAIN) is None
    assert asyncio.get_running_loop().time() == 0.0
    assert (trial.look_ups.running, trial.look_ups.parked, trial.look_ups.answers(A)) == (1, 1, {})
    await pass_time(11.0)
    assert (trial.woken, trial.look_ups.answers(A)) == ([A], {MAIN: 1})
    assert (trial.look_ups.running, trial.look_ups.parked) == (0, 0)


@virtual
async def test_what_the_api_server_answers_is_answered_at_once_and_kept_for_no_later_plan() -> None:
    trial = Trial()
    assert await trial.find(A, OBJECT) == {OBJECT: 1}
    assert trial.look_ups.answers(A) == {}


@virtual
async def test_equal_questions_are_looked_up_once() -> None:
    trial = Trial()
    for key in (A, B, A):
        assert await trial.find(key, MAIN) is None
        await pass_time(1.0)
    await pass_time(10.0)
    assert trial.oracle.asked == [MAIN]
    assert sorted(trial.woken) == [A, B]
    assert trial.look_ups.answers(A) == trial.look_ups.answers(B) == {MAIN: 1}


@virtual
async def test_a_key_is_woken_by_the_last_answer_that_it_waits_for() -> None:
    trial = Trial()
    assert await trial.find(A, MAIN) is None
    await pass_time(5.0)
    assert await trial.find(A, MAIN, NEXT) is None
    await pass_time(6.0)
    assert trial.woken == []
    await pass_time(5.0)
    assert (trial.woken, trial.look_ups.answers(A)) == ([A], {MAIN: 1, NEXT: 2})


@virtual
async def test_a_decision_empties_the_mailbox() -> None:
    trial = Trial()
    await trial.find(A, MAIN)
    await pass_time(11.0)
    trial.look_ups.decide(A)
    assert trial.look_ups.answers(A) == {}


@virtual
async def test_what_was_asked_before_a_decision_serves_none_after_it() -> None:
    trial = Trial()
    await trial.find(A, MAIN)
    await trial.find(B, MAIN)
    await pass_time(5.0)
    trial.look_ups.decide(A)
    assert await trial.find(A, MAIN) is None
    assert trial.oracle.asked == [MAIN], "its task has not begun"
    await pass_time(6.0)
    assert (trial.woken, trial.look_ups.answers(A)) == ([B], {})
    await pass_time(5.0)
    assert (trial.woken, trial.look_ups.answers(A)) == ([B, A], {MAIN: 2})


@virtual
async def test_a_decision_without_a_question_counts_too() -> None:
    trial = Trial()
    await trial.find(B, MAIN)
    await pass_time(5.0)
    trial.look_ups.decide(A)
    await trial.find(A, MAIN)
    await pass_time(20.0)
    assert trial.oracle.asked == [MAIN, MAIN]


@virtual
async def test_decisions_are_remembered_only_while_an_older_look_up_runs() -> None:
    trial = Trial()
    await trial.find(B, MAIN)
    for number in range(1000):
        trial.look_ups.decide(WorkKey(RUNS, "shop", str(number)))
    await pass_time(11.0)
    assert len(trial.look_ups._decided) == 0


@virtual
async def test_an_answer_that_waits_too_long_is_asked_for_again() -> None:
    trial = Trial()
    await trial.find(A, MAIN)
    await pass_time(10.0 + ANSWER_SECONDS + 1)
    assert trial.look_ups.answers(A) == {}
    assert await trial.find(A, MAIN) is None
    await pass_time(11.0)
    assert trial.look_ups.answers(A) == {MAIN: 2}


@virtual
async def test_answers_do_not_expire_while_others_are_awaited() -> None:
    trial = Trial()
    await trial.find(A, MAIN)
    await pass_time(11.0)
    trial.oracle.seconds = 2 * ANSWER_SECONDS
    await trial.find(A, NEXT)
    await pass_time(2 * ANSWER_SECONDS + 1)
    assert trial.look_ups.answers(A) == {MAIN: 1, NEXT: 2}


@virtual
async def test_an_error_is_raised_once_for_each_key_that_waits() -> None:
    trial = Trial(Oracle(fails=True))
    await trial.find(A, MAIN, NEXT)
    await trial.find(B, MAIN)
    await pass_time(11.0)
    assert {*trial.woken} == {A, B}
    for key, count in ((A, 2), (B, 1)):
        for _ in range(count):
            with pytest.raises(Unanswered):
                trial.look_ups.answers(key)
        assert trial.look_ups.answers(key) == {}


@virtual
async def test_what_fails_may_be_asked_again_as_often_as_the_queue_retries() -> None:
    trial = Trial(Oracle(fails=True))
    for _ in range(20):
        assert await trial.find(A, MAIN) is None
        await pass_time(11.0)
        with pytest.raises(Unanswered):
            trial.look_ups.answers(A)
    assert trial.oracle.asked == [MAIN] * 20


@virtual
async def test_a_plan_that_asks_without_end_is_an_error() -> None:
    trial = Trial()

    async def ask_on() -> None:
        for number in range(20):
            await trial.find(A, BranchHeadAsk(ACCESS, f"b{number}"))
            await pass_time(11.0)

    with pytest.raises(EndlessAskError, match="Run shop/a never stops asking"):
        await ask_on()
    assert len(trial.oracle.asked) < 20


@virtual
async def test_no_look_up_starts_once_the_operator_ends_and_none_is_left() -> None:
    trial = Trial()
    await trial.find(A, MAIN)
    await pass_time(1.0)
    await trial.background.drain(5.0)
    assert await trial.find(B, NEXT) is None
    await pass_time(20.0)
    assert (trial.oracle.asked, trial.woken, len(trial.background)) == ([MAIN], [], 0)
