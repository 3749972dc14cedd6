"""What people are notified of about a MergeJob: each end once, whatever is lost or refused in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from codecourier.core.shared.debts import DEBT_LIMIT
from codecourier.core.shared.facts import Problem
from codecourier.core.shared.intents import Create
from codecourier.core.shared.merge_facts import CommitAsk, CommitFact
from codecourier.core.shared.reasons import Reason
from codecourier.resources.merge_job import MergeJob, MergeMode
from codecourier.resources.notification import NotificationType
from codecourier.resources.run import RunPhase
from tests.core.merge_job.host import Host
from tests.core.merge_job.host import make_single as make_verified
from tests.core.merge_job.played import Played, commit, make_job, make_pull
from tests.support.worlds import BASE, URL

OTHER = commit("another tree")
REFUSAL = Problem(Reason.CREATION_REFUSED, "A webhook refuses it.", is_refusal=True)


def make_single(**spec: Any) -> MergeJob:
    return make_job(7, mode=MergeMode.SINGLE, **spec)


def told(played: Played) -> dict[NotificationType, str]:
    """Return the messages of the Notifications that were made, by type."""
    assert len({n.spec.type for n in played.notifications.values()}) == len(played.notifications), "one is told twice"
    assert {n.spec.entity.uid for n in played.notifications.values()} <= {played.job.uid}
    return {n.spec.type: n.spec.message for n in played.notifications.values()}


def test_a_new_pull_request_and_the_end_of_the_merge_are_told_once() -> None:
    played = Played()
    played.work()
    found = told(played)
    assert found.keys() == {NotificationType.PR_CREATED, NotificationType.WORKFLOW_COMPLETED}
    assert "2 of 2 pull requests" in found[NotificationType.WORKFLOW_COMPLETED]
    assert {n.spec.pr_url for n in played.notifications.values()} == {f"{URL}/pull/100"}
    assert {n.spec.event_time for n in played.notifications.values()} == {played.status.finish_time}
    assert played.status.unnotified == ()


def test_a_merged_pull_request_is_told_with_its_address() -> None:
    played = Played(job=make_single())
    played.work()
    (notification,) = played.notifications.values()
    assert (notification.spec.type, notification.spec.pr_url) == (
        NotificationType.WORKFLOW_COMPLETED,
        f"{URL}/pull/7",
    )
    assert "skip" not in notification.spec.message


def test_a_merge_past_its_checks_says_so() -> None:
    played = Played(job=make_single(skip_ci_check=True))
    played.work()
    assert "skip the checks" in told(played)[NotificationType.WORKFLOW_COMPLETED]
    assert "skip the checks" in played.status.message


@pytest.mark.parametrize("job", [make_single(), make_job()])
def test_a_merge_that_failed_is_told_with_its_reason(job: MergeJob) -> None:
    drafts = {number: make_pull(number, is_draft=True) for number in (7, 8)}
    played = Played(job=job, pulls=drafts)  # type: ignore[arg-type]
    played.work()
    assert told(played) == {NotificationType.PR_FAILED: played.status.message}


def test_what_a_user_cancels_is_no_news() -> None:
    played = Played(job=make_single())
    played.rest()
    played.change(cancelled=True)
    played.rest()
    played.end(RunPhase.CANCELLED, Reason.CANCELLED)
    played.rest()
    assert told(played) == {}


@pytest.mark.parametrize(
    ("landed", "shas"),
    [(CommitFact(OTHER, (BASE,)), (OTHER,)), (CommitFact("", (OTHER,)), (BASE,))],
)
def test_what_landed_otherwise_is_told_on_its_own_with_both_commits(landed: CommitFact, shas: tuple[str, ...]) -> None:
    class Otherwise(Played):
        def _answer(self, ask: object) -> object:
            if isinstance(ask, CommitAsk):
                return replace(landed, tree=landed.tree or self.status.head_tree or "")
            return super()._answer(ask)  # type: ignore[arg-type]

    played = Otherwise(job=make_single())
    played.work()
    found = told(played)
    assert found.keys() == {NotificationType.WORKFLOW_COMPLETED, NotificationType.LANDING_DIFFERS}
    for sha in (commit("landed"), *shas):
        assert sha in found[NotificationType.LANDING_DIFFERS]


def test_a_status_that_was_written_before_a_stop_makes_what_it_claims() -> None:
    played = Played()
    played.work()
    wanted, played.notifications = played.notifications, {}
    played.job = played.job.updated(status=played.status.updated(unnotified=tuple(wanted)))
    played.rest()
    assert played.notifications == wanted


def test_one_that_a_user_deletes_does_not_come_back() -> None:
    played = Played()
    played.work()
    played.notifications.clear()
    played.rest()
    assert told(played) == {}


def test_one_that_is_refused_is_owed_and_made_later() -> None:
    played = Played(job=make_single(), notification_refusal=REFUSAL)
    played.work()
    condition = played.status.condition("RecordsOwed")
    assert condition is not None
    assert "webhook" in condition.message
    played.notification_refusal = None
    played.rest()
    assert told(played).keys() == {NotificationType.WORKFLOW_COMPLETED}
    assert played.status.condition("RecordsOwed") is None


def test_one_that_is_refused_for_good_is_given_up() -> None:
    played = Played(job=make_single(), notification_refusal=REFUSAL)
    played.work()
    played.now += DEBT_LIMIT
    played.rest()
    assert played.status.unnotified == ()


def test_a_deleted_merge_goes_once_its_end_is_told() -> None:
    played = Played(job=make_single(), notification_refusal=REFUSAL)
    played.work()
    played.delete()
    assert not played.look().release_finalizer
    played.notification_refusal = None
    played.rest()
    assert played.look().release_finalizer
    assert told(played)


def test_nothing_is_told_in_a_namespace_that_ends() -> None:
    played = Played(job=make_single(), is_namespace_ending=True)
    played.work()
    assert told(played) == {}


def test_claims_come_with_the_status_that_ends_the_merge() -> None:
    host = Host(make_verified())
    host.look()
    plan = host.look(timedelta(seconds=15))
    assert plan is not None
    names = {create.resource.name for create in plan.creates if isinstance(create, Create)}
    assert names == set(host.status.unnotified)
    assert names
