from datetime import timedelta

import pytest

from codecourier.core.issue_session.origin import IssueSessionOrigin
from codecourier.core.shared.reasons import Reason
from codecourier.issue import IssueState
from codecourier.resources.issue_session import IssueSessionPhase, IssueSessionStatus
from codecourier.resources.run import RunPhase
from tests.core.issue_session.played import Played
from tests.support.worlds import NOW


def played_twice() -> Played:
    """Return a session whose follow-up is at work."""
    played = Played()
    played.rest()
    played.end(played.made[0])
    played.rest()
    played.ask_for("Also handle an empty cart.")
    played.rest()
    assert len(played.made) == 2
    return played


def lose_status(played: Played) -> None:
    played.session = played.session.updated(status=IssueSessionStatus())


def test_a_session_that_lost_its_status_knows_its_runs_again_and_repeats_nothing() -> None:
    played = played_twice()
    before = played.status
    lose_status(played)
    played.rest()
    assert [(e.index, e.run, e.phase) for e in played.status.runs] == [(e.index, e.run, e.phase) for e in before.runs]
    assert (played.status.run_count, played.status.phase) == (2, IssueSessionPhase.RUNNING)
    played.end(played.made[1])
    played.pass_time(NOW + timedelta(days=1))
    assert (len(played.made), played.status.phase) == (2, IssueSessionPhase.COMPLETED)
    assert len(played.comments) == 1


def test_it_stops_the_run_of_a_closed_issue_although_its_status_was_lost() -> None:
    played = played_twice()
    lose_status(played)
    played.change_issue(state=IssueState.CLOSED)
    played.rest()
    assert played.status.stopping == (played.made[1],)


def test_a_run_that_was_collected_meanwhile_leaves_its_index_unused() -> None:
    played = played_twice()
    del played.runs[played.made[0]]
    lose_status(played)
    played.rest()
    assert [entry.index for entry in played.status.runs] == [1]
    played.end(played.made[1])
    played.rest()
    played.ask_for("And a negative one.")
    played.rest()
    assert [entry.index for entry in played.status.runs] == [1, 2]
    assert (len(played.made), played.status.run_count) == (3, 3)


def test_an_older_status_does_not_make_a_run_again_that_later_ones_followed() -> None:
    played = Played()
    played.rest()
    older = played.session
    played.end(played.made[0])
    played.rest()
    played.ask_for("Also handle an empty cart.")
    played.rest()
    del played.runs[played.made[0]]
    played.session = older.updated(metadata=played.session.metadata)
    played.rest()
    first, second = played.status.runs
    assert (first.phase, first.reason) == (RunPhase.FAILED, Reason.END_UNKNOWN)
    assert (second.phase, len(played.made)) == (RunPhase.RUNNING, 2)


@pytest.mark.parametrize(("index", "name"), [(7, "another"), (None, "another"), (20, "total-329dd9c7-r20")])
def test_a_run_that_only_says_that_the_session_made_it_is_not_adopted(index: int | None, name: str) -> None:
    played = played_twice()
    run = played.runs[played.made[0]]
    assert run.spec.origin is not None
    spec = run.spec.updated(origin=run.spec.origin.updated(index=index))
    played.runs[name] = run.updated(metadata=run.metadata.updated(name=name, uid=f"uid-{name}"), spec=spec)
    before = played.status
    played.rest()
    assert played.status == before


def test_a_run_stays_until_a_session_that_lost_its_status_knows_it_again() -> None:
    played = played_twice()
    first = played.runs[played.made[0]]
    lose_status(played)
    assert not IssueSessionOrigin(played.session).has_recorded(first)
    played.rest()
    assert IssueSessionOrigin(played.session).has_recorded(first)
