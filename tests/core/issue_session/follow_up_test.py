from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.naming import LABEL_TRASHED
from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import INSTRUCTION_MAX_LENGTH, IssueSessionPhase
from tests.core.issue_session.played import HEAD, begun, finished, reason_of
from tests.support.worlds import NOW, URL

RUNNING, COMPLETED = IssueSessionPhase.RUNNING, IssueSessionPhase.COMPLETED
AWAY = Problem(Reason.FORGE_UNAVAILABLE, "It does not answer.")


def test_a_follow_up_makes_one_run_for_each_new_value() -> None:
    played = finished()
    played.ask_for("Also handle an empty cart.")
    played.rest()
    assert (played.status.phase, played.status.pull_request_url) == (RUNNING, f"{URL}/pull/1")
    follow_up = played.runs[played.made[1]]
    assert follow_up.spec.prompt == "Also handle an empty cart."
    assert follow_up.spec.context is not None
    assert f"{URL}/pull/1" in follow_up.spec.context
    played.end(played.made[1])
    played.pass_time(NOW + timedelta(days=1))
    assert len(played.made) == 2
    played.ask_for("And a negative one.")
    played.rest()
    assert len(played.made) == 3


def test_a_follow_up_waits_for_the_run_that_is_at_work() -> None:
    played = begun()
    played.ask_for("Also handle an empty cart.")
    played.rest()
    assert len(played.made) == 1
    played.end(played.made[0])
    played.rest()
    assert len(played.made) == 2


@pytest.mark.parametrize(
    ("state", "is_based"),
    [(PullRequestState.OPEN, True), (PullRequestState.MERGED, False), (PullRequestState.CLOSED, False)],
)
def test_a_follow_up_builds_on_a_pull_request_that_is_open(state: PullRequestState, *, is_based: bool) -> None:
    played = finished()
    played.pull_request_state = state
    played.ask_for("Also handle an empty cart.")
    played.rest()
    spec = played.runs[played.made[1]].spec
    expected = (HEAD, f"codecourier/{played.made[0]}") if is_based else (None, None)
    assert (spec.base_commit, spec.pull_request_base) == expected


def test_a_follow_up_starts_from_what_users_have_pushed_to_the_branch_since() -> None:
    played = finished()
    branch = f"codecourier/{played.made[0]}"
    played.heads[branch] = "d" * 40
    played.ask_for("Also handle an empty cart.")
    played.rest()
    spec = played.runs[played.made[1]].spec
    assert (spec.base_commit, spec.pull_request_base) == ("d" * 40, branch)


def test_a_follow_up_does_not_build_on_a_branch_that_is_gone() -> None:
    played = finished()
    played.heads[f"codecourier/{played.made[0]}"] = None
    played.ask_for("Also handle an empty cart.")
    played.rest()
    spec = played.runs[played.made[1]].spec
    assert (spec.base_commit, spec.pull_request_base) == (None, None)


@pytest.mark.parametrize("state", [PullRequestState.MERGED, PullRequestState.CLOSED])
def test_a_follow_up_builds_on_the_last_pull_request_that_is_open(state: PullRequestState) -> None:
    played = finished()
    played.ask_for("Also handle an empty cart.")
    played.rest()
    played.end(played.made[1])
    played.rest()
    first, second = (f"codecourier/{name}" for name in played.made)
    played.pull_request_states[second] = state  # such as merged into the first one, as a stack is
    played.heads[first] = "d" * 40
    played.ask_for("And a negative one.")
    played.rest()
    spec = played.runs[played.made[2]].spec
    assert (spec.base_commit, spec.pull_request_base) == ("d" * 40, first)


@pytest.mark.parametrize(
    ("spec", "instruction", "words"),
    [
        ({"max_runs": 1}, "Again.", "spec.maxRuns is 1"),
        ({}, "x" * (INSTRUCTION_MAX_LENGTH + 1), "4097 characters"),
        ({}, "\u200b\u2060", "no visible character"),
    ],
)
def test_a_follow_up_that_cannot_be_is_declined_once_and_said(spec: Any, instruction: str, words: str) -> None:
    played = finished(**spec)
    played.ask_for(instruction)
    plan = played.look()
    assert [event.reason for event in plan.events] == [Reason.FOLLOW_UP_DECLINED]
    assert words in played.status.follow_up_message
    played.pass_time(NOW + timedelta(days=1))
    assert (len(played.made), played.status.phase) == (1, COMPLETED)
    played.session = played.session.updated(spec=played.session.spec.updated(max_runs=5))
    played.ask_for("Once more.")
    played.rest()
    assert (len(played.made), played.status.follow_up_message) == (2, "")


def test_a_follow_up_of_a_closed_issue_is_declined_and_one_after_it_was_reopened_is_not() -> None:
    played = finished()
    played.change_issue(state=IssueState.CLOSED)
    played.ask_for("Once more.")
    played.rest()
    assert (len(played.made), played.status.phase) == (1, COMPLETED)
    assert "Reopen it" in played.status.follow_up_message
    played.change_issue(state=IssueState.OPEN)
    played.ask_for("Now.")
    played.rest()
    assert len(played.made) == 2


def test_a_session_in_the_trash_lets_its_run_end_and_keeps_the_follow_up_for_later() -> None:
    played = begun()
    played.label({LABEL_TRASHED: "true"})
    played.ask_for("Also handle an empty cart.")
    played.pass_time(NOW + timedelta(minutes=30))
    assert (played.status.phase, played.status.stopping) == (RUNNING, ())
    played.end(played.made[0])
    played.pass_time(NOW + timedelta(hours=1))
    assert (len(played.made), played.status.phase, reason_of(played, "Ready")) == (1, COMPLETED, Reason.SESSION_TRASHED)
    played.label({})
    played.rest()
    assert len(played.made) == 2


def test_the_ledger_keeps_neither_a_branch_without_work_nor_the_text_of_a_follow_up() -> None:
    played = finished()
    played.ask_for("Also handle an empty cart.")
    played.rest()
    assert played.status.runs[1].instruction == "Also handle an empty cart."
    played.end(played.made[1])
    run = played.runs[played.made[1]]
    played.runs[run.name] = run.updated(status=run.status.updated(head_commit=run.status.base_commit))
    played.rest()
    entry = played.status.runs[1]
    assert (entry.instruction, entry.branch, entry.head_commit) == (None, None, None)


def test_a_follow_up_waits_for_what_it_may_build_on() -> None:
    played = finished()
    played.head_problem = AWAY
    played.ask_for("Also handle an empty cart.")
    played.rest()
    assert (len(played.made), reason_of(played, "Ready")) == (1, Reason.FORGE_UNAVAILABLE)
    played.head_problem = None
    played.rest()
    assert played.runs[played.made[1]].spec.base_commit == HEAD
