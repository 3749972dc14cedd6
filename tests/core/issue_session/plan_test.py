from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.issue_session.issue import LOOK_AT_ACTIVE
from codecourier.core.issue_session.origin import IssueSessionOrigin
from codecourier.core.shared.creations import ARRIVAL_LIMIT, START_LIMIT
from codecourier.core.shared.facts import AgentSecretsFact, IssueComment, Problem, UnreadableSecret
from codecourier.core.shared.naming import FINALIZER, LABEL_ORIGIN_UID, LABEL_TRASHED
from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.resources.issue_session import IssueSessionPhase
from codecourier.resources.meta import ConditionStatus
from codecourier.resources.run import RunPhase
from codecourier.resources.workflow import SecretKeyReference, SecretVariable
from tests.core.issue_session.played import ISSUE_URL, MINUTE, Played, begun, finished, make_session, reason_of
from tests.support.worlds import NOW, URL, make_project, make_workflow

PENDING, RUNNING = IssueSessionPhase.PENDING, IssueSessionPhase.RUNNING
COMPLETED, FAILED, CANCELLED = IssueSessionPhase.COMPLETED, IssueSessionPhase.FAILED, IssueSessionPhase.CANCELLED
AWAY = Problem(Reason.FORGE_UNAVAILABLE, "It does not answer.")


def state_of(played: Played) -> IssueState:
    assert played.status.issue is not None
    return played.status.issue.state


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


def test_a_finished_session_without_its_project_asks_no_host_and_asks_again_later() -> None:
    played = finished()
    played.pass_time(NOW + timedelta(hours=1))
    played.project = None
    played.change_issue(state=IssueState.CLOSED)
    look_again = played.look().look_again
    assert (state_of(played), played.status.phase) == (IssueState.OPEN, COMPLETED)
    assert look_again is not None
    played.project = make_project()
    played.look(look_again)
    assert state_of(played) is IssueState.CLOSED


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


def test_a_namespace_that_ends_gets_no_run() -> None:
    played = Played(is_namespace_ending=True)
    played.pass_time(NOW + timedelta(hours=1))
    assert (played.made, played.status.runs) == ([], ())


def test_a_secret_that_agents_may_not_read_is_waited_for() -> None:
    variable = SecretVariable(name="KEY", secret_key_ref=SecretKeyReference(name="model", key="key"))
    played = Played(workflow=make_workflow(secret_env=(variable,)))
    played.secrets = AgentSecretsFact((UnreadableSecret("model", "key", "it is not there."),))
    played.pass_time(NOW + timedelta(hours=1))
    assert (played.made, reason_of(played, "Ready")) == ([], Reason.SECRET_NOT_READABLE)
    played.secrets = AgentSecretsFact()
    played.rest()
    assert len(played.made) == 1
