"""What follows from the end of a Run's sandbox: which pull request counts and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.core.run.end import build_run_notifications
from codecourier.core.shared.facts import Facts, Problem, PullRequestsAsk
from codecourier.core.shared.reasons import ConditionType, Reason
from codecourier.pull_request import PullRequestState
from codecourier.resources.notification import NotificationType
from codecourier.resources.run import PullRequestPhase, Run, RunPhase
from tests.support.plans import plan_run
from tests.support.runs import FOUND, claiming, pull_request_world, refused, run_status_of
from tests.support.worlds import ACCESS, NOW, URL


@pytest.mark.parametrize(
    ("states", "number", "words"),
    [
        ([PullRequestState.MERGED], 1, "was merged"),
        ([PullRequestState.CLOSED], 1, "was closed without a merge"),
        ([PullRequestState.CLOSED, PullRequestState.OPEN], 2, "is open"),
        ([PullRequestState.MERGED, PullRequestState.OPEN, PullRequestState.OPEN], 2, "is open"),
        ([PullRequestState.CLOSED, PullRequestState.MERGED], 2, "was merged"),
        ([PullRequestState.CLOSED, PullRequestState.CLOSED], 1, "was closed without a merge"),
    ],
)
def test_what_is_said_of_a_pull_request_is_its_state_and_an_open_one_comes_first(
    states: list[PullRequestState], number: int, words: str
) -> None:
    found = [replace(FOUND, number=i, url=f"{URL}/pull/{i}", state=state) for i, state in enumerate(states, start=1)]
    for run in (claiming(), refused()):
        status = run_status_of(plan_run(pull_request_world(run, *found), NOW))
        assert status.pull_request is not None
        assert (status.phase, status.pull_request.number) == (RunPhase.COMPLETED, number)
        assert status.pull_request.state is states[number - 1]
        assert status.message == f"Pull request {URL}/pull/{number} {words}."


@pytest.mark.parametrize("phase", [phase for phase in PullRequestPhase if phase.exists])
def test_a_pull_request_is_reported_whatever_became_of_it(phase: PullRequestPhase) -> None:
    run = claiming()
    status = run_status_of(plan_run(pull_request_world(run, FOUND), NOW))
    assert status.pull_request is not None
    later = status.updated(pull_request=status.pull_request.updated(phase=phase))
    said = [build_run_notifications(pull_request_world(run), known, NOW) for known in (status, later)]
    assert said[0] == said[1]
    assert NotificationType.PR_CREATED in {notification.spec.type for notification in said[0]}


FORGE_REFUSED = Problem(Reason.FORGE_REFUSED, "A request was refused.", is_final=True)


def outcome_of(run: Run) -> tuple[RunPhase, str, str]:
    """Return phase, reason and message of a Run."""
    condition = run.status.condition(ConditionType.SUCCEEDED)
    assert condition is not None
    return run.status.phase, condition.reason, run.status.message


def test_a_pull_request_that_can_never_be_looked_for_ends_the_run_with_that_reason() -> None:
    run = claiming()
    ask = PullRequestsAsk(ACCESS, "codecourier/fix", run.uid, 1)
    for phase in (RunPhase.RUNNING, RunPhase.FAILED):
        plan = plan_run(replace(pull_request_world(run), run=run, facts=Facts({ask: FORGE_REFUSED})), NOW)
        run = run.updated(status=run_status_of(plan))
        assert outcome_of(run) == (phase, "ForgeRefused", FORGE_REFUSED.message)


def test_only_a_refused_pull_request_is_the_reason_of_one() -> None:
    for reason in (Reason.PULL_REQUEST_REFUSED, Reason.FORGE_REFUSED):
        run = claiming()
        problem = Problem(reason, "It was refused.", is_final=True)
        run = run.updated(status=run_status_of(plan_run(pull_request_world(run, problem=problem), NOW)))
        run = run.updated(status=run_status_of(plan_run(pull_request_world(run), NOW)))
        assert outcome_of(run) == (RunPhase.FAILED, reason.value, "It was refused.")
