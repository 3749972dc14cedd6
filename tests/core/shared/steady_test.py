"""Numbers in what other programs say are no news; all else is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.finishing import finish_plan
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.outcome import refused, with_outcome
from codecourier.core.shared.reasons import Reason
from codecourier.resources.run import Run, RunPhase, RunStatus
from tests.support.worlds import NOW, make_run

LATER = NOW + timedelta(minutes=1)

SAME = [
    ("back-off 10s restarting failed container=checkout", "back-off 5m0s restarting failed container=checkout"),
    ("0/5 nodes are available: 5 Insufficient cpu.", "0/12 nodes are available: 12 Insufficient cpu."),
    (
        "exceeded quota: q, used: count/pods=9, limited: count/pods=10",
        "exceeded quota: q, used: count/pods=10, limited: count/pods=10",
    ),
    ("read tcp 10.0.0.5:51234->10.0.0.1:443: i/o timeout", "read tcp 10.0.0.5:40012->10.0.0.1:443: i/o timeout"),
    ("include the request ID 8F3C:1B2D:5A6B7C", "include the request ID F011:77AA:10"),
    ("wait until 2026-11-30T10:00:00Z", "wait until 2026-11-30T10:05:00Z"),
]
NEWS = [
    ("3 nodes: Insufficient cpu", "3 nodes: Insufficient memory"),
    ("Secret 'token-1' is not there.", "Secret 'token-2' is not there."),
    ("Secret '1' is not there.", "Secret '2' is not there."),
    ("no repository team/shop1", "no repository team/shop2"),
    ("", "5 nodes"),
]


def waiting(reason: Reason, text: str) -> Run:
    """Return a Run whose status says a sentence."""
    run = make_run()
    return run.updated(status=said(run, reason, text))


def said(run: Run, reason: Reason, text: str) -> RunStatus:
    """Return the status in which a Run says a sentence."""
    status = refused(run, run.status, Problem(reason, text), NOW)
    return with_outcome(run, status, RunPhase.QUEUED, reason, text, NOW)


def planned(run: Run, status: RunStatus) -> RunStatus:
    """Return the status that is left of a plan's."""
    found = finish_plan(run, Plan(status=status), LATER).status
    assert isinstance(found, RunStatus)
    return found


@pytest.mark.parametrize(("before", "after"), SAME)
def test_numbers_in_what_others_say_are_not_written(before: str, after: str) -> None:
    run = waiting(Reason.QUOTA_EXCEEDED, before)
    assert planned(run, said(run, Reason.QUOTA_EXCEEDED, after)) == run.status


@pytest.mark.parametrize("reason", [Reason.ISSUE_NOT_FOUND, Reason.ISSUE_LOCKED, Reason.ISSUES_FORBIDDEN])
def test_the_number_of_a_request_for_an_issue_is_not_written(reason: Reason) -> None:
    run = waiting(reason, "It refuses: Not Found (404), request 12.")
    assert planned(run, said(run, reason, "It refuses: Not Found (404), request 13.")) == run.status


@pytest.mark.parametrize(("before", "after"), NEWS)
def test_other_words_and_names_are_written(before: str, after: str) -> None:
    run = waiting(Reason.QUOTA_EXCEEDED, before)
    new = said(run, Reason.QUOTA_EXCEEDED, after)
    assert planned(run, new) == new


def test_numbers_of_the_operators_own_are_written() -> None:
    run = waiting(Reason.WAITING_FOR_PLACE, "All 1 places are taken.")
    new = said(run, Reason.WAITING_FOR_PLACE, "All 2 places are taken.")
    assert planned(run, new) == new


def test_numbers_are_written_with_what_else_is_new() -> None:
    before, after = SAME[0]
    run = waiting(Reason.QUOTA_EXCEEDED, before)
    new = said(run, Reason.QUOTA_EXCEEDED, after).updated(retry_time=LATER)
    assert planned(run, new) == new
    other = said(run, Reason.POD_REFUSED, after)
    assert planned(run, other) == other
