"""How a MergeJob goes through its life."""

from __future__ import annotations

from typing import Any

import pytest

from codecourier.core.shared.facts import AgentSecretsFact, UnreadableSecret
from codecourier.core.shared.grace import GRACE
from codecourier.core.shared.intents import Plan
from codecourier.core.shared.reasons import Reason
from codecourier.resources.merge_job import MergeJobPhase
from codecourier.resources.meta import LocalReference
from codecourier.resources.run import RunPhase
from codecourier.resources.workflow import SecretKeyReference, SecretVariable
from tests.core.merge_job.played import Played, make_job, reason_of
from tests.support.worlds import NOW, make_project, make_workflow


def test_a_finalizer_comes_first() -> None:
    job = make_job()
    played = Played(job=job.updated(metadata=job.metadata.updated(finalizers=())))
    assert played.plan() == Plan(add_finalizer=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"project": None}, Reason.PROJECT_NOT_FOUND),
        ({"job": make_job(url="https://forge.test/example/other")}, Reason.REPOSITORY_NOT_ALLOWED),
        ({"job": make_job(workflow_ref=None), "workflow": None}, Reason.WORKFLOW_NOT_NAMED),
        ({"workflow": None}, Reason.WORKFLOW_NOT_FOUND),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_missing_is_waited_for_and_then_reported_as_stalled(changes: dict[str, Any], reason: Reason) -> None:
    played = Played(**changes)
    plan = played.look()
    assert (played.status.phase, reason_of(played, "Ready")) == (MergeJobPhase.PENDING, reason)
    assert [event.reason for event in plan.events] == [reason]
    assert plan.look_again is not None
    assert reason_of(played, "Stalled") is None
    played.look(at=NOW + GRACE)
    assert reason_of(played, "Stalled") == reason
    assert not played.made


def test_a_secret_that_the_agent_may_not_read_is_reported() -> None:
    env = (SecretVariable(name="KEY", secret_key_ref=SecretKeyReference(name="model", key="key")),)
    played = Played(
        workflow=make_workflow(secret_env=env),
        secrets=AgentSecretsFact((UnreadableSecret("model", "key", "it is not there."),)),
    )
    played.look()
    assert reason_of(played, "Ready") == Reason.SECRET_NOT_READABLE


def test_the_projects_workflow_is_used_where_the_merge_names_none() -> None:
    project = make_project()
    named = project.updated(spec=project.spec.updated(merge_workflow_ref=LocalReference(name="scripted")))
    played = Played(job=make_job(workflow_ref=None), project=named)
    played.look()
    assert (reason_of(played, "Ready"), played.status.workflow) == (Reason.ACCEPTED, "scripted")


def test_a_merge_that_is_cancelled_before_it_begins_stays_cancelled() -> None:
    played = Played(workflow=None)
    played.look()
    played.change(cancelled=True)
    plan = played.look()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.CANCELLED, Reason.CANCELLED)
    assert [event.reason for event in plan.events] == [Reason.CANCELLED]
    played.workflow = make_workflow()
    played.change(cancelled=False)
    played.rest()
    assert (played.status.phase, played.status.finish_time) == (MergeJobPhase.CANCELLED, NOW)


def test_a_deleted_merge_is_recorded_as_cancelled_and_then_goes() -> None:
    played = Played(workflow=None)
    played.look()
    played.delete()
    played.look()
    assert (played.status.phase, reason_of(played)) == (MergeJobPhase.CANCELLED, Reason.DELETED)
    assert played.plan() == Plan(release_finalizer=True)


def test_a_deleted_merge_of_a_namespace_that_goes_is_released_at_once() -> None:
    played = Played(is_namespace_ending=True)
    played.delete()
    assert played.plan() == Plan(release_finalizer=True)


def test_what_the_run_of_a_step_waits_for_is_said() -> None:
    played = Played(job=make_job(7, 8))
    played.rest()
    run = played.runs[played.made[0]]
    waiting = run.status.updated(phase=RunPhase.QUEUED, message="All 5 places of the project are taken.")
    played.runs[run.name] = run.updated(status=waiting)
    played.rest()
    assert played.status.waiting_for == "All 5 places of the project are taken."
    played.end()
    played.look()
    assert played.status.waiting_for == ""
