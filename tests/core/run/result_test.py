"""What follows from the end of a Run's sandbox: which pull request counts and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codecourier.core.run.plan import plan_run
from codecourier.pull_request import PullRequestState
from codecourier.resources.run import RunPhase
from tests.core.run.plan_test import FOUND, claiming, pull_request_world, refused, status_of
from tests.support.worlds import NOW, URL


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
        status = status_of(plan_run(pull_request_world(run, *found), NOW))
        assert status.pull_request is not None
        assert (status.phase, status.pull_request.number) == (RunPhase.COMPLETED, number)
        assert status.message == f"Pull request {URL}/pull/{number} {words}."
