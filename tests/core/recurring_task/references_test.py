"""What a task names, in every state in which it may be found: nothing fires with half of it, and the reason is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from codecourier.core.shared.grace import GRACE
from codecourier.core.shared.naming import ANNOTATION_RUN_NOW
from codecourier.resources.meta import Condition, ConditionStatus
from codecourier.resources.project import Project
from codecourier.resources.recurring_task import RecurringTaskPhase
from codecourier.resources.workflow import Workflow
from tests.core.recurring_task.played import MINUTE, Played
from tests.support.worlds import NOW, make_project, make_workflow, trashed_workflow

SLOT = NOW + 30 * MINUTE
DAY = timedelta(days=1)
SOON = timedelta(seconds=1)


def deleting_project() -> Project:
    project = make_project()
    return project.updated(metadata=project.metadata.updated(deletion_timestamp=NOW))


def project_without_repository() -> Project:
    project = make_project()
    first = project.spec.repositories[0].updated(is_default=False)
    return project.updated(spec=project.spec.updated(repositories=(first,)))


def deleting_workflow() -> Workflow:
    workflow = make_workflow()
    return workflow.updated(metadata=workflow.metadata.updated(deletion_timestamp=NOW))


def unready_workflow() -> Workflow:
    condition = Condition(
        type="Ready",
        status=ConditionStatus.FALSE,
        reason="SecretNotReadable",
        message="Secret 'token' is not there.",
        last_transition_time=NOW,
    )
    workflow = make_workflow()
    return workflow.updated(status=workflow.status.updated(conditions=(condition,)))


def lose_project(played: Played) -> None:
    played.project = None


def delete_project(played: Played) -> None:
    played.project = deleting_project()


def lose_repository(played: Played) -> None:
    played.project = project_without_repository()


def lose_workflow(played: Played) -> None:
    played.workflow = None


def delete_workflow(played: Played) -> None:
    played.workflow = deleting_workflow()


def trash_workflow(played: Played) -> None:
    played.workflow = trashed_workflow()


def break_template(played: Played) -> None:
    played.workflow = make_workflow(prompt_template="{{ nothing }}")


def use_sprint(played: Played) -> None:
    played.workflow = make_workflow(prompt_template="{{ sprint.number }}")


def hide_secret(played: Played) -> None:
    played.workflow = unready_workflow()


CASES = pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lose_project, "ProjectNotFound", "Create one named 'default'"),
        (delete_project, "ProjectEnding", "Create it again"),
        (lose_repository, "NoDefaultRepository", "spec.repositoryUrl"),
        (lose_workflow, "WorkflowNotFound", "Create it, or name another one"),
        (delete_workflow, "WorkflowEnding", "Create it again"),
        (trash_workflow, "WorkflowTrashed", "Restore it"),
        (break_template, "TemplateInvalid", "nothing"),
        (use_sprint, "TemplateInvalid", "sprint.number"),
        (hide_secret, "SecretNotReadable", "Secret 'token'"),
    ],
)


@CASES
def test_nothing_fires_with_half_a_configuration(spoil: Callable[[Played], None], reason: str, words: str) -> None:
    played = Played()
    played.rest()
    spoil(played)
    played.pass_time(SLOT + 10 * MINUTE + SOON)
    assert (played.made, played.records) == ([], [("Skipped", "StartingDeadlineExceeded")])
    assert words in played.last().message
    assert (played.status.phase, played.status.next_run_time) == (RecurringTaskPhase.PENDING, None)
    ready = played.status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", reason)
    assert words in ready.message
    assert words in played.status.message


@CASES
def test_a_slot_fires_once_all_is_there_again(spoil: Callable[[Played], None], reason: str, words: str) -> None:
    played = Played()
    spoil(played)
    played.pass_time(SLOT + MINUTE)
    assert (played.made, played.records) == ([], []), (reason, words)
    played.project, played.workflow = make_project(), make_workflow()
    played.pass_time(SLOT + 10 * MINUTE)
    assert played.records == [("Fired", "Late")]
    assert len(played.made) == 1


@CASES
def test_a_wish_is_not_granted_by_half_a_configuration(
    spoil: Callable[[Played], None], reason: str, words: str
) -> None:
    played = Played()
    played.rest()
    spoil(played)
    played.annotate(ANNOTATION_RUN_NOW, "please")
    played.pass_time(NOW + GRACE + SOON)
    assert (played.made, played.records) == ([], [("Skipped", reason)])
    assert words in played.last().message


def test_a_run_that_was_claimed_is_made_though_its_workflow_goes() -> None:
    played = Played()
    played.rest()
    played.look(SLOT)
    played.runs.clear()  # the operator was killed between the status and the creation
    trash_workflow(played)
    played.pass_time(SLOT + DAY)
    assert len(played.runs) == 1
    assert [disposition for disposition, _ in played.records] == ["Fired"]


def test_a_namespace_that_goes_away_gets_nothing_more() -> None:
    played = Played(is_namespace_ending=True)
    plan = played.look(SLOT + MINUTE)
    assert (plan.creates, plan.status, plan.look_again) == ((), None, None)
