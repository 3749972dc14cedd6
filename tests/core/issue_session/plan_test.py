from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.issue_session.issue import LOOK_AT_ACTIVE
from codecourier.core.issue_session.origin import IssueSessionOrigin
from codecourier.core.shared.creations import ARRIVAL_LIMIT, START_LIMIT
from codecourier.core.shared.facts import IssueComment, Problem
from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, LABEL_TRASHED
from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.pull_request import PullRequestState
from codecourier.resources.issue_session import INSTRUCTION_MAX_LENGTH, IssueSessionPhase
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.run import RunPhase
from tests.core.issue_session.played import HEAD, ISSUE_URL, MINUTE, Played, make_session
from tests.support.worlds import NOW, URL, make_project

PENDING, RUNNING = IssueSessionPhase.PENDING, IssueSessionPhase.RUNNING
COMPLETED, FAILED, CANCELLED = IssueSessionPhase.COMPLETED, IssueSessionPhase.FAILED, IssueSessionPhase.CANCELLED
AWAY = Problem(Reason.FORGE_UNAVAILABLE, "It does not answer.")


def begun(**spec: Any) -> Played:
    played = Played(session=make_session(**spec))
    played.rest()
    return played


def finished(phase: RunPhase = RunPhase.COMPLETED, **spec: Any) -> Played:
    played = begun(**spec)
    played.end(played.made[-1], phase)
    played.rest()
    return played


def reason_of(played: Played, type_: str = "Succeeded") -> str:
    condition = played.status.condition(type_)
    assert condition is not None
    return condition.reason


def test_an_open_issue_makes_one_run_that_says_what_it_is_for() -> None:
    played = begun(prompt="Fix it.", base_branch="stable")
    (name,) = played.made
    run = played.runs[name]
    assert run.metadata.labels == {LABEL_ORIGIN_UID: "uid-total"}
    assert run.spec.base_branch == "stable"
    assert run.metadata.finalizers == (FINALIZER,)
    assert run.spec.origin is not None
    assert (run.spec.origin.kind, run.spec.origin.uid, run.spec.origin.index) == ("IssueSession", "uid-total", 0)
    assert (run.spec.repository_url, run.spec.prompt) == (URL, "Fix it.")
    assert run.spec.issue is not None
    assert (run.spec.issue.url, run.spec.issue.closes) == (ISSUE_URL, False)
    assert run.spec.context is not None
    assert "> It is off by one." in run.spec.context
    assert (played.status.phase, played.status.run_count) == (RUNNING, 1)
    assert played.status.issue is not None
    assert (played.status.issue.state, played.status.issue.title) == (IssueState.OPEN, "The total is wrong")


def test_the_pull_request_closes_the_issue_only_if_the_workflow_says_so() -> None:
    played = Played()
    assert played.workflow is not None
    policy = played.workflow.spec.pull_request.updated(closes_issue=True)
    played.workflow = played.workflow.updated(spec=played.workflow.spec.updated(pull_request=policy))
    played.rest()
    issue = played.runs[played.made[0]].spec.issue
    assert issue is not None
    assert issue.closes


def test_the_claim_is_written_before_the_run_is_made_and_made_good_after_a_crash() -> None:
    played = Played(session=make_session(comment_ids=(7,)))
    played.change_issue(comments=(IssueComment(7, "hubot", "Only for euros."),))
    first = played.look()
    claimed = played.session
    played.runs.clear()  # the operator was killed between the status and the creation
    again = played.look(NOW + MINUTE)
    assert played.session == claimed
    assert again.creates == first.creates != ()


@pytest.mark.parametrize(
    ("run_phase", "phase"),
    [(RunPhase.COMPLETED, COMPLETED), (RunPhase.FAILED, FAILED), (RunPhase.CANCELLED, CANCELLED)],
)
def test_the_end_of_the_run_is_that_of_the_session_and_lets_the_run_go(
    run_phase: RunPhase, phase: IssueSessionPhase
) -> None:
    played = begun()
    (name,) = played.made
    assert not IssueSessionOrigin(played.session).has_recorded(played.runs[name])
    played.end(name, run_phase)
    played.rest()
    assert IssueSessionOrigin(played.session).has_recorded(played.runs[name])
    assert (played.status.phase, played.status.runs[0].phase) == (phase, run_phase)
    assert (played.status.pull_request_url is not None) == (run_phase is RunPhase.COMPLETED)
    del played.runs[name]
    played.pass_time(NOW + timedelta(days=2))
    assert (played.status.phase, len(played.made)) == (phase, 1)


def test_the_end_of_a_run_is_written_while_the_host_does_not_answer() -> None:
    played = begun()
    played.issue = AWAY
    played.end(played.made[0])
    plan = played.look()
    assert not plan.asks
    assert played.status.phase is COMPLETED


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (IssueState.CLOSED, Reason.ISSUE_CLOSED),
        (IssueState.DELETED, Reason.ISSUE_DELETED),
        (IssueState.TRANSFERRED, Reason.ISSUE_TRANSFERRED),
    ],
)
def test_an_issue_that_is_gone_makes_no_run(state: IssueState, reason: Reason) -> None:
    played = Played()
    played.change_issue(state=state)
    played.pass_time(NOW + timedelta(days=1))
    assert (played.made, played.status.phase, reason_of(played)) == ([], CANCELLED, reason)
    assert ISSUE_URL in played.status.message
    assert played.comments == []


@pytest.mark.parametrize("state", [IssueState.CLOSED, IssueState.DELETED, IssueState.TRANSFERRED])
def test_an_issue_that_goes_meanwhile_stops_the_run(state: IssueState) -> None:
    played = begun()
    (name,) = played.made
    played.change_issue(state=state)
    played.look(NOW + LOOK_AT_ACTIVE)
    assert IssueSessionOrigin(played.session).is_stopping(played.runs[name])
    played.end(name, RunPhase.CANCELLED)
    played.rest()
    assert (played.status.phase, reason_of(played)) == (CANCELLED, f"Issue{state.value}")
    assert played.status.stopping == ()


def test_a_run_that_was_completed_before_it_could_be_stopped_is_told_as_it_was() -> None:
    played = begun()
    played.change_issue(state=IssueState.CLOSED)
    played.look(NOW + LOOK_AT_ACTIVE)
    played.end(played.made[0])
    played.rest()
    assert (played.status.phase, played.status.message) == (COMPLETED, f"Run {played.made[0]}: It ended.")


def test_an_issue_that_is_reopened_in_time_lets_the_run_go_on() -> None:
    played = begun()
    played.change_issue(state=IssueState.CLOSED)
    played.look(NOW + LOOK_AT_ACTIVE)
    assert list(played.status.stopping) == played.made
    played.change_issue(state=IssueState.OPEN)
    played.look(NOW + 2 * LOOK_AT_ACTIVE)
    assert list(played.status.stopping) == []
    assert reason_of(played) == Reason.RUNNING


def test_a_locked_issue_or_a_renamed_repository_stops_nothing() -> None:
    played = begun()
    played.change_issue(is_locked=True, url="https://forge.test/example/store/issues/12")
    played.look(NOW + LOOK_AT_ACTIVE)
    assert played.status.issue is not None
    assert (played.status.issue.is_locked, played.status.issue.url) == (True, played.issue.url)  # type: ignore[union-attr]
    assert (played.status.phase, played.status.stopping) == (RUNNING, ())


def test_a_pull_request_is_told_apart_from_an_issue() -> None:
    played = Played()
    played.change_issue(is_pull_request=True)
    played.pass_time(NOW + timedelta(days=1))
    assert (played.made, played.status.phase) == ([], FAILED)
    assert reason_of(played) == Reason.ISSUE_IS_PULL_REQUEST


@pytest.mark.parametrize(
    ("changes", "spec", "reason"),
    [
        ({"project": None}, {}, Reason.PROJECT_NOT_FOUND),
        ({"workflow": None}, {}, Reason.WORKFLOW_NOT_FOUND),
        ({}, {"issue_url": "https://forge.test/other/shop/issues/12"}, Reason.REPOSITORY_NOT_ALLOWED),
        ({}, {"issue_url": "https://10.0.0.1/example/shop/issues/12"}, Reason.REPOSITORY_NOT_ALLOWED),
        ({"issue": AWAY}, {}, Reason.FORGE_UNAVAILABLE),
    ],
)
def test_what_is_missing_is_named_and_waited_for(changes: dict[str, Any], spec: Any, reason: Reason) -> None:
    played = Played(session=make_session(**spec), **changes)
    played.pass_time(NOW + timedelta(hours=1))
    assert (played.made, played.status.phase, reason_of(played, "Ready")) == ([], PENDING, reason)
    assert [event.reason for event in played.events] == [reason]
    if not spec:
        complete = Played()
        played.project, played.workflow, played.issue = complete.project, complete.workflow, complete.issue
        played.rest()
        assert len(played.made) == 1


def test_a_chosen_comment_is_read_and_one_that_is_missing_is_named() -> None:
    played = Played(session=make_session(comment_ids=(7, 8)))
    played.change_issue(comments=(IssueComment(7, "hubot", "Only for **euros**."),), missing_comments=(8,))
    played.rest()
    assert (played.made, reason_of(played, "Ready")) == ([], Reason.COMMENT_NOT_FOUND)
    played.change_issue(missing_comments=())
    played.rest()
    context = played.runs[played.made[0]].spec.context
    assert context is not None
    assert "> Comment of hubot:\n> Only for **euros**." in context


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


def test_a_finished_session_follows_whether_its_issue_is_open() -> None:
    played = finished()
    played.change_issue(state=IssueState.CLOSED)
    played.pass_time(NOW + timedelta(hours=1))
    assert played.status.issue is not None
    assert played.status.issue.state is IssueState.CLOSED
    assert played.plan().look_again == played.now + timedelta(hours=6)
    played.change_issue(state=IssueState.OPEN)
    played.pass_time(played.now + timedelta(hours=7))
    assert (played.status.issue.state, played.status.phase) == (IssueState.OPEN, COMPLETED)


def test_an_unchanged_issue_costs_no_write() -> None:
    played = finished()
    before = played.session
    played.pass_time(NOW + timedelta(days=1))
    assert played.session == before


def test_a_refused_run_is_given_up_at_its_deadline() -> None:
    played = Played(refusal=Problem(Reason.CREATION_REFUSED, "No.", is_refusal=True))
    played.rest()
    assert (played.status.phase, reason_of(played)) == (RUNNING, Reason.CREATION_REFUSED)
    played.pass_time(NOW + START_LIMIT + ARRIVAL_LIMIT + MINUTE)
    assert (played.status.phase, played.status.runs[0].reason) == (FAILED, Reason.CREATION_REFUSED)
    assert played.made == []


def test_a_deleted_session_leaves_its_run_alone() -> None:
    played = begun()
    metadata = played.session.metadata.updated(deletion_timestamp=NOW)
    played.session = played.session.updated(metadata=metadata)
    origin = IssueSessionOrigin(played.session)
    (run,) = played.runs.values()
    assert (origin.is_stopping(run), origin.has_recorded(run)) == (False, True)
    assert not played.plan().creates


def test_a_suspended_project_makes_the_run_that_waits() -> None:
    played = Played(project=make_project(suspend=True))
    played.rest()
    assert len(played.made) == 1


def test_a_problem_of_the_host_keeps_what_is_known() -> None:
    played = begun()
    known = played.status.issue
    played.issue = replace(AWAY, retry_time=NOW + timedelta(hours=1))
    played.pass_time(NOW + timedelta(minutes=20))
    assert (played.status.issue, played.status.phase) == (known, RUNNING)
    condition = played.status.condition("Ready")
    assert condition is not None
    assert condition.status is ConditionStatus.TRUE


@pytest.mark.parametrize(
    "url", ["https://FORGE.test:443/example/shop.git/issues/12", "https://forge.test/Example/shop/issues/12"]
)
def test_another_spelling_of_the_address_is_the_same_issue(url: str) -> None:
    played = begun(issue_url=url)
    link = played.runs[played.made[0]].spec.issue
    assert link is not None
    assert link.url.casefold() == ISSUE_URL
    assert played.status.issue is not None
    assert played.status.issue.url is None


@pytest.mark.parametrize("state", [IssueState.CLOSED, IssueState.DELETED, IssueState.TRANSFERRED])
def test_a_claimed_run_whose_issue_goes_before_it_is_made_is_stopped_before_it_starts(state: IssueState) -> None:
    played = Played()
    played.look()
    played.runs.clear()  # the operator was killed between the status and the creation
    played.change_issue(state=state)
    played.look(NOW + timedelta(hours=1))
    (run,) = played.runs.values()
    assert IssueSessionOrigin(played.session).is_stopping(run)
    played.end(run.name, RunPhase.CANCELLED)
    played.rest()
    assert (played.status.phase, reason_of(played)) == (CANCELLED, f"Issue{state.value}")


def test_a_session_in_the_trash_makes_no_run_and_says_so() -> None:
    played = Played()
    played.label({LABEL_TRASHED: "true"})
    played.pass_time(NOW + timedelta(hours=1))
    assert (played.made, played.status.phase, reason_of(played)) == ([], PENDING, Reason.SESSION_TRASHED)
    assert "in the trash" in played.status.message
    played.label({})
    played.rest()
    assert len(played.made) == 1


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


@pytest.mark.parametrize("state", [IssueState.DELETED, IssueState.TRANSFERRED])
def test_an_issue_that_is_gone_keeps_its_title_and_is_not_looked_at_any_more(state: IssueState) -> None:
    played = finished()
    played.change_issue(state=state, title="", body="", url=None)
    played.pass_time(NOW + timedelta(hours=1))
    assert played.status.issue is not None
    assert (played.status.issue.state, played.status.issue.title) == (state, "The total is wrong")
    assert played.plan().look_again is None


def test_an_address_that_no_status_takes_is_left_out() -> None:
    played = Played()
    played.change_issue(url=f"https://forge.test/{'x' * 2000}")
    played.rest()
    assert played.status.issue is not None
    assert played.status.issue.url is None


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


def test_a_namespace_that_ends_gets_no_run() -> None:
    played = Played(is_namespace_ending=True)
    played.pass_time(NOW + timedelta(hours=1))
    assert (played.made, played.status.runs) == ([], ())


def test_the_issue_of_a_repository_that_the_project_has_no_more_is_not_looked_at() -> None:
    played = finished()
    played.pass_time(NOW + timedelta(hours=1))
    played.project = None
    played.rest()
    assert (played.plan().look_again, played.status.phase) == (None, COMPLETED)
