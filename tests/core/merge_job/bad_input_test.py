"""Input that can be refused at no door: a condition says what is wrong, and nothing is half done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from codecourier.checks import MergeMethods, MergeStrategy
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.reasons import Reason, sentence
from codecourier.resources.merge_job import MergeJobPhase, MergeMode
from tests.core.merge_job.played import Played, commit, make_job, make_pull, reason_of
from tests.support.worlds import BASE, URL, make_workflow, trashed_workflow

COMBINE, SINGLE = MergeMode
MERGE, SQUASH, REBASE = MergeStrategy


def refused(reason: Reason) -> Problem:
    """Return what a host says to a credential that lacks a permission."""
    return Problem(reason, sentence(reason, repository=URL, pull_request=f"{URL}/pull/7", detail="it may not."))


@dataclass(frozen=True)
class Waits:
    """A condition that waits for people."""

    reason: Reason
    says: str
    world: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    numbers: tuple[int, ...] = (7,)
    url: str = URL


FOREIGN = "https://github.com/example/foreign"
WAITING = {
    "another repository": Waits(Reason.REPOSITORY_NOT_ALLOWED, FOREIGN, url=FOREIGN),
    "another host": Waits(Reason.REPOSITORY_NOT_ALLOWED, "git.example", url="https://git.example/example/shop"),
    "mixed repositories": Waits(
        Reason.OTHER_REPOSITORY,
        f"{FOREIGN}/pull/8",
        spec={"pull_requests": (f"{URL}/pull/7", f"{FOREIGN}/pull/8")},
    ),
    "no project": Waits(Reason.PROJECT_NOT_FOUND, "named 'default'", {"project": None}),
    "no workflow": Waits(Reason.WORKFLOW_NOT_FOUND, "'scripted'", {"workflow": None}),
    "a workflow in the trash": Waits(Reason.WORKFLOW_TRASHED, "Restore it", {"workflow": trashed_workflow()}),
    "no workflow named": Waits(
        Reason.WORKFLOW_NOT_NAMED, "mergeWorkflowRef", {"workflow": None}, {"workflow_ref": None}
    ),
    "no base": Waits(Reason.BRANCH_NOT_FOUND, "'gone'", spec={"base_branch": "gone"}),
    "no base of the pull request": Waits(
        Reason.BRANCH_NOT_FOUND, "'gone'", {"pulls": {7: make_pull(7, base_branch="gone")}}
    ),
    "the new branch is there": Waits(
        Reason.BRANCH_TAKEN, "'batch'", {"branches": {"main": BASE, "batch": commit("x")}}, {"branch_name": "batch"}
    ),
    "a token that may not read": Waits(
        Reason.CREDENTIALS_REFUSED, "it may not", {"pulls": {7: refused(Reason.CREDENTIALS_REFUSED)}}
    ),
    "a repository that is gone": Waits(
        Reason.REPOSITORY_NOT_FOUND, URL, {"pulls": {7: refused(Reason.REPOSITORY_NOT_FOUND)}}
    ),
    "settings that cannot be read": Waits(
        Reason.FORGE_UNAVAILABLE,
        URL,
        {"methods": refused(Reason.FORGE_UNAVAILABLE)},
        {"mode": SINGLE},
    ),
}


@pytest.mark.parametrize("case", WAITING.values(), ids=WAITING)
def test_what_people_can_correct_is_waited_for_and_nothing_is_begun(case: Waits) -> None:
    played = Played(job=make_job(*case.numbers, url=case.url, **case.spec), **case.world)
    before = dict(played.branches)
    plan = played.look()
    condition = played.status.condition("Ready")
    assert condition is not None
    assert (condition.status != "True", condition.reason) == (True, case.reason)
    assert case.says in condition.message
    assert (played.status.phase, played.status.sources, played.made) == (MergeJobPhase.PENDING, (), [])
    assert (played.branches, played.opened, played.merges) == (before, [], [])
    assert [event.reason for event in plan.events] == [case.reason]


def test_it_goes_on_once_it_is_corrected() -> None:
    played = Played(job=make_job(7), workflow=None)
    played.look()
    played.workflow = make_workflow()
    played.work()
    assert (played.status.phase, played.results) == (MergeJobPhase.COMPLETED, {7: "Clean"})


@pytest.mark.parametrize(
    ("strategy", "allowed", "has_queue", "is_refused"),
    [
        (None, {SQUASH}, False, False),
        (None, {MERGE, REBASE}, False, True),
        (MERGE, {SQUASH, REBASE}, False, True),
        (REBASE, {SQUASH}, False, True),
        (REBASE, {SQUASH}, True, False),
        (SQUASH, set(), False, True),
        (MERGE, set(MergeStrategy), False, False),
    ],
)
def test_a_strategy_that_the_repository_forbids_is_refused_before_any_work(
    strategy: MergeStrategy | None, allowed: set[MergeStrategy], *, has_queue: bool, is_refused: bool
) -> None:
    played = Played(
        job=make_job(7, mode=SINGLE, merge_strategy=strategy),
        methods=MergeMethods(allowed=frozenset(allowed), has_queue=has_queue),
    )
    played.look()
    played.rest()
    if not is_refused:
        assert played.made
        return
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.FAILED, Reason.STRATEGY_FORBIDDEN)
    assert (played.made, played.merges) == ([], [])
    assert (strategy or SQUASH).value in played.status.message
    assert all(other.value in played.status.message for other in allowed)


def test_a_combine_has_no_strategy_to_forbid() -> None:
    played = Played(methods=MergeMethods(allowed=frozenset(), has_queue=False))
    played.work()
    assert played.status.phase is MergeJobPhase.COMPLETED
