"""What a Project says of its repositories, and when people hear of a credential that does not work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from codecourier.core.project.plan import LOOK_AGAIN, REACHED_SECONDS
from codecourier.core.project.reachability import SPELL_PAUSE
from codecourier.core.project.world import ProjectWorld
from codecourier.core.shared.facts import Facts, Problem, RepositoryAsk, RepositoryFact
from codecourier.core.shared.finishing import finish_plan
from codecourier.core.shared.grace import GRACE, LOOK_SOON
from codecourier.core.shared.intents import Create, Plan
from codecourier.core.shared.reasons import Reason
from codecourier.resources.project import Project, ProjectStatus
from tests.support.places import runs_of
from tests.support.plans import plan_project
from tests.support.worlds import ACCESS, NOW, make_project

GOOD = RepositoryFact("main")
AWAY = Problem(Reason.FORGE_UNAVAILABLE, "It answers 502.")
LIMITED = Problem(Reason.RATE_LIMITED, "It asks to wait.", retry_time=NOW + timedelta(hours=1))
REFUSED = Problem(Reason.CREDENTIALS_REFUSED, "It answers 401.")
MISSING = Problem(Reason.CREDENTIALS_MISSING, "There is no Secret.")
MINUTE = timedelta(minutes=1)

Answer = RepositoryFact | Problem


def new_project() -> Project:
    """Return a Project that was created now."""
    project = make_project()
    return project.updated(metadata=project.metadata.updated(creation_timestamp=NOW))


def planned(project: Project, answer: Answer, now: datetime, made: Iterable[str] = ()) -> tuple[Project, Plan]:
    """Plan for a Project whose host answers so; return it with its new status."""
    facts = Facts({RepositoryAsk(ACCESS, REACHED_SECONDS): answer})
    world = ProjectWorld(project, runs_of(), notifications=frozenset(made), facts=facts)
    plan = finish_plan(project, plan_project(world, now), now)
    assert isinstance(plan.status, ProjectStatus)
    return project.updated(status=plan.status), plan


def played(answers: Iterable[Answer], start: datetime, *, step: timedelta = MINUTE) -> tuple[Project, list[str]]:
    """Plan each minute, each time with the next answer; return the Project and the Notifications that were made."""
    project, made = new_project(), list[str]()
    for number, answer in enumerate(answers):
        project, plan = planned(project, answer, start + number * step, made)
        made += [create.resource.name for create in plan.creates if isinstance(create, Create)]
    return project, made


def said(project: Project) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition by its type."""
    return {condition.type: (condition.status, condition.reason) for condition in project.status.conditions}


@pytest.mark.parametrize("trouble", [AWAY, LIMITED])
def test_trouble_that_passes_leaves_an_accepted_project_ready(trouble: Problem) -> None:
    project, _ = planned(new_project(), GOOD, NOW)
    assert said(project) == {"Ready": ("True", "Accepted"), "RepositoriesReachable": ("True", "Reachable")}
    away, plan = planned(project, trouble, NOW + MINUTE)
    assert said(away) == {"Ready": ("True", "Accepted"), "RepositoriesReachable": ("False", trouble.reason)}
    assert [event.reason for event in plan.events] == [trouble.reason]
    assert plan.look_again == (trouble.retry_time or NOW + MINUTE + LOOK_SOON)
    again, _ = planned(away, GOOD, NOW + 2 * MINUTE)
    assert said(again) == said(project)


def test_a_change_of_the_spec_during_an_outage_is_observed_and_leaves_it_ready() -> None:
    project, _ = planned(new_project(), GOOD, NOW)
    changed = project.updated(metadata=project.metadata.updated(generation=2))
    changed, _ = planned(changed, AWAY, NOW + MINUTE)
    assert said(changed)["Ready"] == ("True", "Accepted")
    assert {changed.status.observed_generation, *(c.observed_generation for c in changed.status.conditions)} == {2}


def test_a_project_that_was_never_reached_is_not_ready_and_not_stalled() -> None:
    project, _ = planned(new_project(), AWAY, NOW + 3 * GRACE)
    reason = Reason.FORGE_UNAVAILABLE
    assert said(project) == {"Ready": ("Unknown", reason), "RepositoriesReachable": ("False", reason)}


def test_a_secret_that_comes_within_the_grace_stalls_nothing_and_notifies_nobody() -> None:
    project, made = played([MISSING] * 3, NOW)
    assert said(project)["Ready"] == ("False", "CredentialsMissing")
    assert ("Stalled" in said(project), made) == (False, [])
    assert planned(project, MISSING, NOW + MINUTE)[1].look_again == NOW + MINUTE + LOOK_SOON
    assert said(planned(project, GOOD, NOW + 4 * MINUTE)[0])["Ready"] == ("True", "Accepted")
    project, made = played([MISSING] * 8, NOW)
    assert ("Stalled" in said(project), len(made)) == (True, 1)


def test_a_refused_credential_stalls_at_once_and_notifies_after_the_grace() -> None:
    early, made = played([REFUSED] * 3, NOW)
    assert ("Stalled" in said(early), made) == (True, [])
    late, made = played([REFUSED] * 8, NOW)
    assert ("Stalled" in said(late), len(made)) == (True, 1)


@pytest.mark.parametrize("other", [AWAY, GOOD, LIMITED])
def test_a_credential_that_flaps_for_hours_is_reported_once(other: Answer) -> None:
    answers: list[Answer] = [REFUSED, other] * 180
    project, made = played(answers, NOW)
    assert len(made) == 1
    assert project.status.notified == (made[0],)


def test_a_host_that_is_away_ends_no_spell() -> None:
    project, _ = played([REFUSED] * 8 + [AWAY] * 200, NOW)
    assert said(project)["Ready"] == ("False", "CredentialsRefused")
    assert said(project)["Stalled"] == ("True", "CredentialsRefused")
    assert said(project)["RepositoriesReachable"] == ("False", "ForgeUnavailable")


def test_a_credential_that_has_worked_for_an_hour_and_fails_again_is_reported_again() -> None:
    minutes = int(SPELL_PAUSE / MINUTE)
    _, made = played([REFUSED] * 8 + [GOOD] * (minutes - 1) + [REFUSED] * 3, NOW)
    assert len(made) == 1
    _, made = played([REFUSED] * 8 + [GOOD] * (minutes + 1) + [REFUSED] * 3, NOW)
    assert len(made) == 2


def test_a_notification_that_people_delete_does_not_come_back_in_the_same_spell() -> None:
    project, made = played([REFUSED] * 8, NOW)
    assert len(made) == 1
    answers: list[Answer] = [GOOD, REFUSED, AWAY, REFUSED]
    for number, answer in enumerate(answers, start=8):
        project, plan = planned(project, answer, NOW + number * MINUTE)  # it is not there any more
        assert not [create for create in plan.creates if isinstance(create, Create)]


def test_the_project_looks_again_soon_within_the_grace_and_less_often_after_it() -> None:
    _, early = planned(new_project(), REFUSED, NOW)
    _, late = planned(new_project(), REFUSED, NOW + GRACE)
    assert (early.look_again, late.look_again) == (NOW + LOOK_SOON, NOW + GRACE + LOOK_AGAIN)
