"""When an object with a problem is planned again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from codecourier.core.shared.facts import Problem
from codecourier.core.shared.grace import GRACE, LOOK_LATER, LOOK_SOON, next_look
from codecourier.core.shared.reasons import Reason
from codecourier.core.shared.secrets import WatchedSecrets
from codecourier.resources.project import Project
from tests.support.worlds import NOW, make_project

FOLLOWED = WatchedSecrets(is_followed=True)
OF_CREDENTIALS = (Reason.CREDENTIALS_MISSING, Reason.SECRET_NOT_ALLOWED)


def new_project() -> Project:
    project = make_project()
    return project.updated(metadata=project.metadata.updated(creation_timestamp=NOW))


@pytest.mark.parametrize("reason", Reason)
def test_only_trouble_that_a_watched_secret_ends_is_looked_at_later(reason: Reason) -> None:
    project, problem = new_project(), Problem(reason, "It does not work.")
    soon, later = NOW + LOOK_SOON, NOW + LOOK_LATER
    assert next_look(project, problem, NOW) == soon
    by_credential = next_look(project, problem, NOW, FOLLOWED)
    by_agent = next_look(project, problem, NOW, agent_secrets=FOLLOWED)
    assert by_credential == (later if reason in OF_CREDENTIALS else soon)
    assert by_agent == (later if reason is Reason.SECRET_NOT_READABLE else soon)


def test_the_end_of_the_grace_is_not_missed() -> None:
    problem, project = Problem(Reason.CREDENTIALS_MISSING, "It is not there."), new_project()
    before = NOW + GRACE - timedelta(seconds=20)
    assert next_look(project, problem, before, FOLLOWED) == NOW + GRACE
    assert next_look(project, problem, NOW + GRACE, FOLLOWED) == NOW + GRACE + LOOK_LATER
