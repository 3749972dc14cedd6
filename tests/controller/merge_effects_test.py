"""Effects of merges: which request the host is asked about, and what its answers mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import pytest

from codecourier.checks import MergeStrategy
from codecourier.controller.effects import Effects
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Effect, LeaveQueue, MergePullRequest, Retarget
from codecourier.core.shared.reasons import Reason
from codecourier.github.api import Operation
from codecourier.github.credentials import RepositoryRef
from codecourier.github.errors import ForgeRefused, Unavailable
from codecourier.github.operations.merge_pull_request import (
    MergeAnswer,
    MergeConflicts,
    MergeProgress,
    MergeRefused,
    MergeRequested,
)
from codecourier.github.operations.merge_pull_request import MergePullRequest as MergeAtHost
from codecourier.github.operations.merge_queue import LeaveQueue as LeaveAtHost
from codecourier.github.operations.stacked_pulls import RetargetPullRequest
from codecourier.hosts.gate import Gate
from tests.simulation.clock import virtual
from tests.support.desk import Desk

R = TypeVar("R")

PENDING = MergeAnswer(MergeProgress.PENDING, "number-1")


class Host:
    """A host that gives answers in their order, and notes what it was asked."""

    def __init__(self, answers: Iterable[Any]) -> None:
        self.answers = list(answers)
        self.asked: list[Operation[Any]] = []

    async def do(self, _repo: RepositoryRef, operation: Operation[R]) -> R:
        """See `Forge.do`."""
        self.asked.append(operation)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        done: R = answer
        return done


def merge_of(desk: Desk) -> MergePullRequest:
    return MergePullRequest(desk.access, 7, "1" * 40, MergeStrategy.SQUASH)


async def work(effects: Iterable[str], *answers: Any) -> tuple[Host, list[Problem | None]]:
    """Carry out effects by name; return the host and what each came to."""
    desk, host = Desk(), Host(answers)
    desk.make_project()
    desk.make_secret()
    desk.refresh()
    carrier = Effects(desk.api, desk.store, Gate(host, desk.clock.now, lambda: True), desk.credentials, None)
    known: dict[str, Effect] = {
        "merge": merge_of(desk),
        "leave": LeaveQueue(desk.access, 7),
        "retarget": Retarget(desk.access, 7, "main"),
    }
    return host, [await carrier.do(known[name]) for name in effects]


@virtual
async def test_a_request_that_the_host_works_on_is_asked_about_by_its_number() -> None:
    host, problems = await work(["merge"] * 3, PENDING, PENDING, MergeAnswer(MergeProgress.MERGED))
    numbers = [operation.request for operation in host.asked if isinstance(operation, MergeAtHost)]
    assert numbers == [None, "number-1", "number-1"]
    reasons = [None if problem is None else problem.reason for problem in problems]
    assert reasons == [Reason.MERGE_PENDING, Reason.MERGE_PENDING, None]


@virtual
async def test_a_request_that_is_over_is_not_asked_about_again() -> None:
    host, _ = await work(["merge"] * 3, PENDING, MergeRefused("No."), PENDING)
    numbers = [operation.request for operation in host.asked if isinstance(operation, MergeAtHost)]
    assert numbers == [None, "number-1", None]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (MergeAnswer(MergeProgress.QUEUED), Reason.MERGE_QUEUED),
        (MergeConflicts("Base branch was modified."), Reason.MERGE_RACED),
        (MergeRefused("No."), Reason.MERGE_REFUSED),
        (MergeRequested("By rebase."), Reason.MERGE_REQUESTED),
        (Unavailable("Lost.", may_have_happened=True), Reason.FORGE_UNAVAILABLE),
    ],
)
def test_each_answer_has_its_reason(answer: object, reason: Reason) -> None:
    @virtual
    async def run() -> None:
        _, (problem,) = await work(["merge"], answer)
        assert problem is not None
        assert (problem.reason, problem.is_final) == (reason, False)

    run()


@virtual
async def test_a_place_in_the_queue_and_a_base_are_changed_at_the_host() -> None:
    host, problems = await work(["leave", "retarget"], None, ForgeRefused("There is another one."))
    assert host.asked == [LeaveAtHost(7), RetargetPullRequest(7, "main")]
    assert problems[0] is None
    assert problems[1] is not None
    assert (problems[1].reason, problems[1].is_final) == (Reason.FORGE_REFUSED, True)


@virtual
async def test_a_host_that_is_away_for_a_moment_makes_no_second_request() -> None:
    lost = Unavailable("Lost.", may_have_happened=True)
    host, _ = await work(["merge"] * 4, PENDING, lost, lost, MergeRefused("No."))
    numbers = [operation.request for operation in host.asked if isinstance(operation, MergeAtHost)]
    assert numbers == [None, "number-1", "number-1", "number-1"]
